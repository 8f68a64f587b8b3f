"""gather-neighbours: captions for each class, by semantic search (Geng et al. 2024)."""

from typing import Self

from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.columns import named, require_columns, with_prefix_where_taken
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import (
    DATASET,
    MODEL,
    NSFW,
    QUERIES,
    QUERY,
    QUERY_ID,
    RANK,
    UID,
    WEIGHTS,
)
from spark_jobs.core.settings import (
    InputAddress,
    OutputAddress,
    OutputFolder,
    Settings,
    require_one_or_both,
)
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.retrieval_chunks import SEMANTIC_FIELDS, write_chunks
from spark_jobs.neighbours.gather import most_similar_by_class, union_neighbours
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from udfs.models.spec import name_of_label

_ROWS_OF_ONE_FILE = 500_000
_RETRIEVED, _CAPTIONS = "_retrieved", "_captions"


class GatherNeighbours(Settings):
    """Settings of gather-neighbours."""

    queries: InputAddress = Field(description="queries of make-queries")
    by_text: InputAddress | None = Field(
        None, description="neighbours of the queries among embeddings of texts"
    )
    by_image: InputAddress | None = Field(
        None, description="neighbours of the queries among embeddings of images"
    )
    captions: InputAddress = Field(description="table of captions, with uid and caption")
    drop_nsfw: list[str] = Field(
        ["NSFW"], description="values of the captions' column nsfw that are left out; [] for none"
    )
    output: OutputAddress = Field(
        description="the captions found, once for each class: dataset, query (the class), rank "
        "(place in the class, 0 is the most similar), uid, similarity (cosine), then the captions' "
        "columns, of which one of the same name is called caption_...; ordered by dataset, query, "
        "rank"
    )
    chunks: OutputFolder | None = Field(
        None, description="folder for the published JSON chunks, a folder in it for each data set"
    )

    @model_validator(mode="after")
    def _has_neighbours(self) -> Self:
        require_one_or_both({"by_text": self.by_text, "by_image": self.by_image})
        return self


def run(run: Run, settings: GatherNeighbours) -> Counts:
    """Unite the searches, join the captions, and drop unsafe ones.

    Each retrieved pair of a class and a uid is counted once: as a row, without_caption, or unsafe.
    """
    queries = run.read(
        settings.queries, StructType([*schemas.QUERY_TEXTS.fields[:1], *QUERIES.fields])
    )
    refuse_repeated_or_null_keys(queries, [QUERY_ID], settings.queries, "expected one row a query")
    neighbours = union_neighbours(_read_neighbours(run, settings))
    retrieved = most_similar_by_class(neighbours, queries)
    captions = run.read(settings.captions, schemas.CAPTIONS)
    if settings.drop_nsfw:
        remedy = "give --drop-nsfw '[]' to do without"
        require_columns(captions, f"table {settings.captions}", [NSFW], remedy=remedy)
    n_retrieved = count_rows(retrieved)
    n_with_caption = _count_with_caption(retrieved, captions, settings.captions)
    safe = _with_captions(retrieved, captions, f"table {settings.captions}")
    if settings.drop_nsfw:
        is_unsafe = F.coalesce(F.col(NSFW).isin(settings.drop_nsfw), F.lit(False))
        safe = safe.where(~is_unsafe)
    rows = run.write(_ordered(safe, n_with_caption), settings.output)
    stored = run.read(settings.output, QUERIES)
    if settings.chunks is not None:
        dataset_rows = queries.select(DATASET).distinct().na.drop().collect()
        datasets = sorted(row[DATASET] for row in dataset_rows)
        metadata = run.output_metadata(settings.chunks)
        write_chunks(
            stored,
            settings.chunks,
            SEMANTIC_FIELDS,
            datasets,
            metadata=metadata,
            order=[QUERY, RANK],
        )
    return {
        "neighbours": count_rows(neighbours),
        "of_other_queries": count_rows(neighbours.join(queries, on=QUERY_ID, how="left_anti")),
        "retrieved": n_retrieved,
        "without_caption": n_retrieved - n_with_caption,
        "unsafe": n_with_caption - rows,
        "rows": rows,
        "uids": count_rows(stored.select(UID).distinct()),
        "classes": count_rows(queries.select(*QUERIES.names).distinct()),
        "classes_found": count_rows(stored.select(*QUERIES.names).distinct()),
    }


def _count_with_caption(retrieved: DataFrame, captions: DataFrame, address: str) -> int:
    """Retrieved rows that have a caption; raises InputDataError if a uid has several captions.

    One pass over the captions' uids.
    """
    per_uid = retrieved.groupBy(UID).agg(F.count("*").alias(_RETRIEVED))
    with_caption = captions.select(UID).join(per_uid, on=UID, how="inner").groupBy(UID)
    per_found_uid = with_caption.agg(
        F.max(_RETRIEVED).alias(_RETRIEVED), F.count("*").alias(_CAPTIONS)
    )
    totals = per_found_uid.agg(F.sum(_RETRIEVED), F.max(_CAPTIONS)).first()
    n_with_caption, most_captions = (total or 0 for total in totals or (0, 0))
    if most_captions > 1:
        of_retrieved = captions.select(UID).join(per_uid, on=UID, how="left_semi")
        refuse_repeated_or_null_keys(of_retrieved, [UID], address, "expected one caption a uid")
    return n_with_caption


def _with_captions(retrieved: DataFrame, captions: DataFrame, called: str) -> DataFrame:
    """The retrieved rows that have a caption, then the captions' columns, none of them replaced."""
    own = [name for name in retrieved.columns if name != UID]
    beside = with_prefix_where_taken(captions, called, own, prefix="caption_")
    caption_columns = [name for name in beside.columns if name != UID]
    joined = retrieved.join(beside, on=UID, how="inner")
    return joined.select(*map(named, [*retrieved.columns, *caption_columns]))


def _ordered(rows: DataFrame, n_rows: int) -> DataFrame:
    """The rows by dataset, query and rank; few rows in one file, as files have no order."""
    order = (DATASET, QUERY, RANK)
    if n_rows <= _ROWS_OF_ONE_FILE:
        return rows.repartition(1).sortWithinPartitions(*order)  # the join stays parallel
    return rows.orderBy(*order)


def _read_neighbours(run: Run, settings: GatherNeighbours) -> list[DataFrame]:
    """Read the tables of neighbours; raise InputDataError if their models differ."""
    addresses = [a for a in (settings.by_text, settings.by_image) if a is not None]
    tables = [run.read(address, schemas.NEIGHBOURS) for address in addresses]
    address_by_model: dict[tuple[str, str], str] = {}
    for address, rows in zip(addresses, tables, strict=True):
        if {MODEL, WEIGHTS} <= set(rows.columns):
            for row in rows.select(MODEL, WEIGHTS).distinct().limit(9).collect():
                model = (name_of_label(row[MODEL] or ""), row[WEIGHTS])
                address_by_model.setdefault(model, address)
    if len(address_by_model) > 1:
        shown = "; ".join(
            f"{name} ({digest}) in {at}" for (name, digest), at in address_by_model.items()
        )
        raise InputDataError(f"similarities of several models cannot be united: {shown}")
    return tables


JOB = Job(
    "gather-neighbours",
    "Collect the search results for each class of downstream data sets (unmet-promise).",
    GatherNeighbours,
    run,
    example=(
        "captionlake gather-neighbours --queries ./queries --by-text ./by_text \\\n"
        "  --by-image ./by_image --captions ./captions --output ./retrieved"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
