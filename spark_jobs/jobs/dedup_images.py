"""dedup-images: keep one row of each group of equal or similar images."""

from typing import Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType, StringType, StructField, StructType

from spark_jobs.core.columns import as_type, named, require_column_type, require_columns
from spark_jobs.core.decisions import decisions
from spark_jobs.core.schemas import DUPLICATES, FAULT, GROUP, HEIGHT, KEPT, SCORE, UID, WIDTH
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.embeddings import collect_vectors_on_disk, read_embeddings
from spark_jobs.images.comparing import DEFAULT_DISTANCE, HASH_KINDS, refuse_no_distance, with_nodes
from spark_jobs.images.components import NODE, components
from spark_jobs.images.duplicates import duplicate_groups, largest_first
from spark_jobs.images.near_pairs import near_hashed_vectors, near_hashes, near_vectors
from spark_jobs.running.embed_table import n_shuffle_partitions
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached

_WORTH_HASHES = 1 << 16  # vectors from which on it may pay to hash them
_MOST_HASHED = 8 << 30  # bytes of vectors, of which each machine has a file
# Tasks of a few tables of hashes cost more in all; sessions have some partitions for each core.
_PARTITIONS_PER_TASK = 4
_UID = StructType([StructField(UID, StringType())])
_ONE_ROW = "expected one row a uid: a group is made of uids"


class DedupImages(Settings):
    """Settings of dedup-images."""

    input: InputAddress = Field(
        description="table with uid and what `by` reads: images, downloads, or embeddings"
    )
    by: Literal["sha256", "url", "phash", "dhash", "embedding"] = Field(
        "sha256",
        description="what makes two rows copies: equal bytes, by the column sha256 or the image; "
        "an equal url; perceptual hashes that differ in few bits, by a column of that name or the "
        "image; embeddings of a large cosine",
    )
    threshold: float | None = Field(
        None,
        description="phash and dhash: bits of 64 that may differ, 0 to 16, by default 4; "
        "embedding: smallest cosine, to six decimals, above 0",
    )
    keep: Literal["smallest_uid", "largest_picture", "highest"] = Field(
        "smallest_uid",
        description="which row of a group stays: the one with the most pixels (width x height), or "
        "the highest number in keep_column; of equal ones the smallest uid",
    )
    keep_column: str = Field(SCORE, description="with keep: highest, the column of numbers")
    keep_from: InputAddress | None = Field(
        None, description="table with uid and what `keep` reads; default: the input"
    )
    all_pairs: bool = Field(
        False,
        description="compare each embedding with each. Otherwise of 65,536 or more, up to 8 GiB, "
        "only those are compared that agree in one of many hashes, unless that seems to take "
        "longer: a pair is missed with a probability of 1e-10 at most",
    )
    decisions: bool = Field(False, description="add a row per uid to decisions in the workspace")
    output: OutputAddress | None = Field(None, description="the rows that stay, as they were")
    groups: OutputAddress = Field(
        description="uid, group (its smallest uid), kept, and fault: why a row was compared with "
        "none; a row per row of the input"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.by in HASH_KINDS:
            bits = DEFAULT_DISTANCE if self.threshold is None else self.threshold
            refuse_no_distance(self.by, bits)
        elif self.by == "embedding":
            if self.threshold is None:
                raise ValueError("by embedding needs a threshold, such as --threshold 0.95")
            if not 0 < self.threshold <= 1:
                raise ValueError(
                    f"by embedding: threshold {self.threshold:g} is no cosine above 0 and up to 1"
                )
        elif self.threshold is not None:
            raise ValueError(f"by {self.by} compares for equality: leave out threshold")
        return self

    @property
    def distance(self) -> int:
        """Bits in which perceptual hashes of a group may differ."""
        return DEFAULT_DISTANCE if self.threshold is None else int(self.threshold)


def run(run: Run, settings: DedupImages) -> Counts:
    """Find the groups, write them, then the rows of the input that are kept."""
    rows = run.read(settings.input, _UID)
    if not run.has_unique_keys(settings.input):
        refuse_repeated_or_null_keys(rows, [UID], settings.input, _ONE_ROW)
    with batches_that_fit(rows):
        compared = _with_nodes(run, rows, settings)
        with cached(_with_preference(run, rows, compared, settings)) as nodes:
            n_tasks = n_shuffle_partitions(run)
            edges = _edges(run, nodes, settings)
            labels = None if edges is None else components(edges, n_tasks=n_tasks)
            prefer = [named(name) for name in nodes.columns if name.startswith("_prefer")]
            groups = duplicate_groups(nodes, labels, prefer=prefer)
            rows_in = run.write(groups, settings.groups, has_unique_keys=True)
    written = run.read(settings.groups, DUPLICATES)
    if settings.output is not None:
        kept_uids = written.where(KEPT).select(UID)
        kept_rows = rows.join(kept_uids, on=UID, how="left_semi").select(*map(named, rows.columns))
        run.write(kept_rows, settings.output, has_unique_keys=True, few_files=True)
    if settings.decisions:
        rule = F.when(F.col(KEPT), "first_copy").otherwise(f"duplicate_{settings.by}")
        run.write_decisions(decisions(written, kept=F.col(KEPT), rule=rule))
    return {"rows_in": rows_in} | _counts(written)


def _counts(groups: DataFrame) -> Counts:
    """Rows kept and dropped, groups of several rows, and rows that were not compared."""
    sums = groups.agg(
        F.count_if(KEPT).alias("kept"),
        F.count_if(~F.col(KEPT)).alias("duplicates"),
        F.count_distinct(F.when(~F.col(KEPT), F.col(GROUP))).alias("groups"),
        F.count(FAULT).alias("not_compared"),
    ).first()
    assert sums is not None  # an aggregate without groups has one row
    return {name: sums[name] for name in ("kept", "duplicates", "groups", "not_compared")}


def _with_nodes(run: Run, rows: DataFrame, settings: DedupImages) -> DataFrame:
    """uid, node and fault of each row; the node of an embedding is its uid."""
    if settings.by != "embedding":
        return with_nodes(rows, settings.by, _UID, f"table {settings.input}", text_column="")
    embeddings = read_embeddings(run, settings.input)
    has_vector = F.col("embedding").isNotNull()
    require_columns(rows, f"table {embeddings.address}", [UID])
    fault = F.coalesce(FAULT, F.lit("no_vector")) if FAULT in rows.columns else F.lit("no_vector")
    return rows.select(
        UID, F.when(has_vector, F.col(UID)).alias(NODE), F.when(~has_vector, fault).alias(FAULT)
    )


def _edges(run: Run, nodes: DataFrame, settings: DedupImages) -> DataFrame | None:
    """Edges between nodes that are near each other; None if only equal ones are copies."""
    if settings.by in HASH_KINDS and settings.distance:
        return near_hashes(nodes, distance=settings.distance)
    if settings.by != "embedding":
        return None
    assert settings.threshold is not None  # the settings require it
    embeddings = read_embeddings(run, settings.input)
    n_bytes = 4 * embeddings.n_rows * embeddings.dimension
    if not settings.all_pairs and embeddings.n_rows >= _WORTH_HASHES and n_bytes <= _MOST_HASHED:
        uids, vectors = collect_vectors_on_disk(embeddings)
        edges = near_hashed_vectors(
            embeddings.rows,
            vectors,
            uids.cast(pa.large_string()).combine_chunks(),  # which may have more than 2 GiB
            threshold=settings.threshold,
            n_tasks=n_shuffle_partitions(run) // _PARTITIONS_PER_TASK,
        )
        if edges is not None:
            return edges
    return near_vectors(
        embeddings.rows,
        threshold=settings.threshold,
        n_rows=embeddings.n_rows,
        dimension=embeddings.dimension,
        table=settings.input,
    )


def _with_preference(
    run: Run, rows: DataFrame, compared: DataFrame, settings: DedupImages
) -> DataFrame:
    """The compared rows with columns _prefer0, _prefer1, the smallest of which are kept."""
    columns = {
        "smallest_uid": [],
        "largest_picture": [WIDTH, HEIGHT],
        "highest": [settings.keep_column],
    }[settings.keep]
    if not columns:
        return compared
    address = settings.keep_from or settings.input
    source = rows if settings.keep_from is None else run.read(settings.keep_from, _UID)
    for column in columns:
        remedy = "give the table that has it as --keep-from"
        require_columns(source, f"table {address}", [column], remedy=remedy)
        require_column_type(source, f"table {address}", column, (NumericType,), "numbers")
    if settings.keep_from is not None:
        refuse_repeated_or_null_keys(source, [UID], address, "expected one row a uid")
    number = _product([as_type(column, "double") for column in columns])
    ranked = source.select(
        UID, *(c.alias(f"_prefer{i}") for i, c in enumerate(largest_first(number)))
    )
    # A row that the other table lacks comes last, as one without a number.
    joined = compared.join(ranked, on=UID, how="left")
    return joined.withColumn("_prefer0", F.coalesce("_prefer0", F.lit(True)))


def _product(columns: list[Column]) -> Column:
    first, *others = columns
    for column in others:
        first = first * column
    return first


def closing_lines(_spark: SparkSession, settings: DedupImages, counts: Counts) -> list[str]:
    """How many groups have copies, and rows that could not be compared."""
    lines = [f"  {counts['groups']:,} groups of several rows, of each of which one stayed"]
    if counts["not_compared"]:
        lines.append(
            f"  {counts['not_compared']:,} rows could not be compared and stayed: the column fault "
            f"of {settings.groups} says why"
        )
    return lines


JOB = Job(
    "dedup-images",
    "Keep one row of each group of images that are equal or similar: bytes, url, hash, embedding.",
    DedupImages,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake dedup-images --input ./images --by phash --keep largest_picture \\\n"
        "  --groups ./groups --output ./unique_images"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
