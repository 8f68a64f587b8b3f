"""decontaminate: drop the rows that are in benchmark sets."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import keys, named, require_columns
from spark_jobs.core.decisions import decisions
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import (
    BENCHMARK,
    CAPTION,
    CONTAMINATED,
    EMBEDDING,
    FAULT,
    ITEM,
    QUERY_ID,
    UID,
    VALUE,
)
from spark_jobs.core.settings import InputAddress, NamedInputs, OutputAddress, Settings
from spark_jobs.core.unions import union_all
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from spark_jobs.formats.embeddings import Embeddings, read_embeddings, refuse_other_model
from spark_jobs.images.benchmark_items import Items, found_by_hash, found_by_vector
from spark_jobs.images.comparing import DEFAULT_DISTANCE, HASH_KINDS, refuse_no_distance, with_nodes
from spark_jobs.images.components import NODE
from spark_jobs.images.contamination import (
    contaminated_rows,
    found_by_equality,
    with_nearest_benchmark,
    without_contaminated,
)
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached
from udfs.task_errors import TaskInputError
from udfs.vectors import finite_matrix

_UID = StructType([StructField(UID, StringType())])
_IN = "in_"


class Decontaminate(Settings):
    """Settings of decontaminate."""

    input: InputAddress = Field(
        description="table with uid and what `by` reads: images, embeddings or captions"
    )
    benchmarks: NamedInputs = Field(
        description="tables of the benchmarks' items, with uid or query_id and what `by` reads: "
        "{name: table}, or a list of tables, which go by their own names"
    )
    by: Literal["sha256", "phash", "dhash", "embedding", "text", "normalised_text"] = Field(
        "sha256",
        description="when a row is in a benchmark: equal bytes; perceptual hashes that differ in "
        "few bits; an inner product of embeddings above the threshold; an equal text, or an equal "
        "one without regard to case, punctuation and white space",
    )
    threshold: float | None = Field(
        None,
        description="phash and dhash: bits of 64 that may differ, 0 to 16, by default 4; "
        "embedding: a row with a larger inner product goes (unmet-promise: 0.604169)",
    )
    column: str = Field(CAPTION, description="column of the texts, of all tables")
    decisions: bool = Field(False, description="add a row per row to decisions in the workspace")
    output: OutputAddress = Field(description="the rows that are in no benchmark, as they were")
    contaminated: OutputAddress = Field(
        description="the rows that are in one: uid, benchmark, its nearest item, measure, value"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.by in HASH_KINDS:
            refuse_no_distance(self.by, self.limit)
        elif self.by == "embedding":
            if self.threshold is None:
                raise ValueError("by embedding needs a threshold, such as --threshold 0.604169")
        elif self.threshold is not None:
            raise ValueError(f"by {self.by} compares for equality: leave out threshold")
        return self

    @property
    def limit(self) -> float:
        """The threshold, or its default."""
        return DEFAULT_DISTANCE if self.threshold is None else self.threshold


def run(run: Run, settings: Decontaminate) -> Counts:
    """Find the rows that are in a benchmark, write them, then all others."""
    rows = run.read(settings.input, _UID)
    by_keys = keys(rows)
    if not run.has_unique_keys(settings.input):
        refuse_repeated_or_null_keys(
            rows, by_keys, settings.input, f"expected one row a {' and '.join(by_keys)}"
        )
    with batches_that_fit(rows):
        if settings.by == "embedding":
            found, n_without = _found_by_vector(run, rows, settings)
            _write_contaminated(run, settings, found)
        else:
            key_types = StructType([rows.schema[name] for name in by_keys])
            with cached(_nodes(rows, key_types, settings, settings.input)) as nodes:
                _write_found_by_node(run, nodes, key_types, settings)
                n_without = count_rows(nodes.where(F.col(FAULT).isNotNull()))
        contaminated = run.read(settings.contaminated, CONTAMINATED)
        kept_rows = without_contaminated(rows, contaminated)
        kept = run.write(
            kept_rows, settings.output, has_unique_keys=run.has_unique_keys(settings.input)
        )
    rows_in = count_rows(rows)
    if settings.decisions:
        _write_decisions(run, settings, rows, contaminated)
    dropped = count_rows(contaminated.select(*by_keys).distinct())
    if kept + dropped != rows_in:
        raise InputDataError(
            f"table {settings.input}: {rows_in} rows in, but {kept} kept and {dropped} dropped: an "
            "input has changed while it was read; run it again"
        )
    by_benchmark = {
        row[BENCHMARK]: row["count"] for row in contaminated.groupBy(BENCHMARK).count().collect()
    }
    in_benchmarks = {f"{_IN}{name}": by_benchmark.get(name, 0) for name in settings.benchmarks}
    counts = {"rows_in": rows_in, "kept": kept, "contaminated": dropped, "not_compared": n_without}
    return counts | in_benchmarks


def _write_contaminated(run: Run, settings: Decontaminate, found: DataFrame) -> None:
    run.write(contaminated_rows(found, settings.by), settings.contaminated)


def _write_decisions(
    run: Run, settings: Decontaminate, rows: DataFrame, contaminated: DataFrame
) -> None:
    """A decision for each row: its rule names the benchmark that it is nearest to."""
    nearest = with_nearest_benchmark(
        rows,
        contaminated,
        [*settings.benchmarks],
        largest_is_nearest=settings.by == EMBEDDING,
    )
    is_kept = F.col(BENCHMARK).isNull()
    rule = F.when(is_kept, F.lit("passed")).otherwise(F.concat(F.lit(_IN), BENCHMARK))
    is_equality = settings.by not in (*HASH_KINDS, EMBEDDING)
    threshold = None if is_equality else F.when(~is_kept, F.lit(float(settings.limit)))
    run.write_decisions(
        decisions(nearest, kept=is_kept, rule=rule, value=F.col(VALUE), threshold=threshold)
    )


def _nodes(
    rows: DataFrame, carried: StructType, settings: Decontaminate, address: str
) -> DataFrame:
    assert settings.by != "embedding"  # whose rows are read as embeddings
    called = f"table {address}"
    return with_nodes(rows, settings.by, carried, called, text_column=settings.column)


def _write_found_by_node(
    run: Run, nodes: DataFrame, key_types: StructType, settings: Decontaminate
) -> None:
    """Write the rows whose hash, bytes or text are in a benchmark."""
    parts = []
    for name, address in settings.benchmarks.items():
        items = run.read(address, schemas.EMPTY)
        key = _item_key(items, address)
        item_nodes = _nodes(items, StructType([items.schema[key]]), settings, address)
        with_name = item_nodes.where(F.col(NODE).isNotNull()).select(
            F.lit(name).alias(BENCHMARK), named(key).cast("string").alias(ITEM), NODE
        )
        parts.append(with_name)
    items = union_all(parts).groupBy(BENCHMARK, NODE).agg(F.min(ITEM).alias(ITEM))
    with cached(items) as distinct_items:  # images of benchmarks are decoded once
        _refuse_empty_benchmarks(distinct_items, settings)
        if settings.by in HASH_KINDS:
            found = found_by_hash(nodes, distinct_items, key_types, distance=int(settings.limit))
        else:
            found = found_by_equality(nodes, distinct_items)
        _write_contaminated(run, settings, found)


def _refuse_empty_benchmarks(items: DataFrame, settings: Decontaminate) -> None:
    """Raise InputDataError if nothing of a benchmark can be compared."""
    counts = {row[BENCHMARK]: row["count"] for row in items.groupBy(BENCHMARK).count().collect()}
    for name, address in settings.benchmarks.items():
        if name not in counts:
            raise InputDataError(
                f"benchmark {name}: table {address} has no row that can be compared by "
                f"{settings.by}, so nothing would be found"
            )


def _item_key(items: DataFrame, address: str) -> str:
    remedy = "expected uid or query_id, which tells its items apart"
    key = UID if UID in items.columns else QUERY_ID
    require_columns(items, f"table {address}", [key], remedy=remedy)
    return key


def _found_by_vector(run: Run, rows: DataFrame, settings: Decontaminate) -> tuple[DataFrame, int]:
    """(keys, benchmark, item and value of rows that are in one, number of rows without vector)."""
    embeddings = read_embeddings(run, settings.input)
    benchmarks = {name: read_embeddings(run, a) for name, a in settings.benchmarks.items()}
    for benchmark in benchmarks.values():
        refuse_other_model(embeddings, benchmark)
    refuse_too_large_for_driver(
        sum(benchmark.n_rows for benchmark in benchmarks.values()),
        embeddings.dimension,
        ", ".join(settings.benchmarks.values()),
        "give fewer benchmarks, one run after the other",
    )
    items = Items.of({name: _collected_vectors(b) for name, b in benchmarks.items()})
    found = found_by_vector(
        embeddings.rows,
        items,
        StructType([rows.schema[name] for name in keys(rows)]),
        threshold=settings.limit,
        n_rows=embeddings.n_rows,
        table=settings.input,
    )
    return found, embeddings.n_without


def _collected_vectors(embeddings: Embeddings) -> tuple[pa.ChunkedArray, NDArray[Any]]:
    """(names of the items, their vectors as they are), on the driver."""
    key = _item_key(embeddings.rows, embeddings.address)
    selected = embeddings.rows.select(named(key).cast("string").alias(ITEM), EMBEDDING)
    whole = pa.Table.from_batches(record_batches(selected))
    try:
        return whole[ITEM], finite_matrix(whole[EMBEDDING], whole[ITEM], embeddings.address)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None


def closing_lines(
    _spark: SparkSession, settings: Decontaminate, counts: Mapping[str, int]
) -> list[str]:
    """How many rows were in each benchmark, and those that could not be compared."""
    lines = [f"  {counts[f'{_IN}{name}']:,} in {name}" for name in settings.benchmarks]
    if counts["not_compared"]:
        lines.append(
            f"  {counts['not_compared']:,} rows have nothing to compare by {settings.by} and stayed"
        )
    return lines


JOB = Job(
    "decontaminate",
    "Drop the rows that are in benchmark sets: by bytes, perceptual hash, embedding or text.",
    Decontaminate,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake decontaminate --input ./images --by phash \\\n"
        "  --benchmarks '{imagenet: ./imagenet_val}' \\\n"
        "  --contaminated ./in_benchmarks --output ./clean_images"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
