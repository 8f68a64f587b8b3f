"""search-neighbours: find the nearest vectors of each query, exactly or by a faiss index."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, PositiveInt, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError, MissingColumnError, SettingsError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import MODEL, NEIGHBOURS, QUERY_ID, UID, WEIGHTS
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings, require_one_or_both
from spark_jobs.formats.clip_retrieval_index import IndexFolder, Modality
from spark_jobs.formats.embeddings import (
    Embeddings,
    collect_vectors,
    is_same_model,
    read_embeddings,
    refuse_other_model,
    refuse_repeated_vectors,
)
from spark_jobs.formats.index_records import read_record
from spark_jobs.neighbours.exact import nearest, query_blocks
from spark_jobs.neighbours.index import POSITION, search, with_uids
from spark_jobs.running.embed_table import n_shuffle_partitions
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run


class SearchNeighbours(Settings):
    """Settings of search-neighbours."""

    queries: InputAddress = Field(
        description="embeddings of the queries, with query_id or uid: of texts or of images"
    )
    embeddings: InputAddress | None = Field(
        None,
        description="embeddings to search in, with uid, of the same model: of texts or of images",
    )
    index: InputAddress | None = Field(
        None,
        description="in place of embeddings, or beside them to measure its recall: folder of "
        "build-index or of clip-retrieval, seen by every worker",
    )
    modality: Modality = Field("text", description="of the index: text.index or image.index")
    n_probe: PositiveInt = Field(
        16, le=2**31 - 1, description="inverted lists of the index to look into"
    )
    uid_column: str = Field(UID, description="column of the index's metadata that becomes uid")
    k: PositiveInt = Field(50, le=1_000_000, description="neighbours of each query")
    output: OutputAddress = Field(
        description="query_id, uid, rank (0 is the nearest), similarity (cosine, to six decimals), "
        "and the queries' model and weights"
    )

    @model_validator(mode="after")
    def _has_embeddings_or_index(self) -> Self:
        require_one_or_both({"embeddings": self.embeddings, "an index": self.index})
        return self


def run(run: Run, settings: SearchNeighbours) -> Counts:
    """Search the index if one is set, else compare each query with each vector.

    With both index and embeddings, also measure the recall of the index.
    """
    queries = read_embeddings(run, settings.queries)
    counts = {"queries": queries.n_rows}
    embeddings = None
    if settings.embeddings is not None:
        embeddings = read_embeddings(run, settings.embeddings)
        refuse_other_model(queries, embeddings)
        counts["searched"] = embeddings.n_rows
    if settings.index is not None:
        refuse_repeated_vectors(queries)
        neighbours, n_vectors = _search_index(run, queries, settings)
        rows = run.write(_with_model(neighbours, queries), settings.output)
        counts |= _neighbour_counts(rows, queries.n_rows, settings.k, n_vectors)
        return counts | (_recall(run, settings, queries, embeddings) if embeddings else {})
    assert embeddings is not None  # the settings require it without an index
    rows = _write_exact(run, settings, queries, embeddings)
    return counts | _neighbour_counts(rows, queries.n_rows, settings.k, embeddings.n_rows)


def _exact_neighbours(
    run: Run, settings: SearchNeighbours, queries: Embeddings, embeddings: Embeddings
) -> Iterator[tuple[DataFrame, bool]]:
    """The true neighbours of each block of queries, and whether the block is the last."""
    ids, vectors = collect_vectors(queries)
    blocks = query_blocks(queries.n_rows, queries.dimension, settings.k)
    for block in blocks:
        neighbours = nearest(
            embeddings.rows,
            ids[block].to_pylist(),
            vectors[block],
            k=settings.k,
            n_rows=embeddings.n_rows,
            n_tasks=n_shuffle_partitions(run),
            table=embeddings.address,
        )
        yield neighbours, block is blocks[-1]


def _write_exact(
    run: Run, settings: SearchNeighbours, queries: Embeddings, embeddings: Embeddings
) -> int:
    """Write the true neighbours, one commit per block of queries; returns their number."""
    n_blocks = len(query_blocks(queries.n_rows, queries.dimension, settings.k))
    if n_blocks > 1:
        _refuse_parquet_in_blocks(settings, queries, n_blocks)
    with batches_that_fit(embeddings.rows):
        parts = (
            (_with_model(neighbours, queries), is_last)
            for neighbours, is_last in _exact_neighbours(run, settings, queries, embeddings)
        )
        if n_blocks == 1:
            return run.write(next(parts)[0], settings.output)
        run.write_parts(parts, settings.output)
    return count_rows(run.read(settings.output, NEIGHBOURS))


def _refuse_parquet_in_blocks(
    settings: SearchNeighbours, queries: Embeddings, n_blocks: int
) -> None:
    """Raise SettingsError if the output is parquet, which takes no further commits."""
    if parse_address(settings.output).format == "parquet":
        raise SettingsError(
            f"output {settings.output}: {queries.n_rows:,} queries are searched for in {n_blocks} "
            "passes, each a commit of a Delta table; give a table as output, or fewer queries"
        )


def _neighbour_counts(rows: int, n_queries: int, k: int, n_vectors: int) -> Counts:
    """Neighbours found, and those missing from min(k, n_vectors) for each query."""
    return {"rows": rows, "not_found": n_queries * min(k, n_vectors) - rows}


def _with_model(neighbours: DataFrame, queries: Embeddings) -> DataFrame:
    """Add model and weights, so that gather-neighbours can refuse to unite several models."""
    model, weights = queries.model
    return neighbours.withColumns({MODEL: F.lit(model), WEIGHTS: F.lit(weights)})


def _search_index(
    run: Run, queries: Embeddings, settings: SearchNeighbours
) -> tuple[DataFrame, int]:
    """(neighbours found by the index, number of vectors in it)."""
    folder = IndexFolder.at(str(settings.index))
    facts = folder.read_facts(settings.modality)
    file = folder.index_file(settings.modality)
    _refuse_other_index(folder, queries)
    if facts.dimension != queries.dimension:
        raise InputDataError(
            f"vectors of {queries.address} have {queries.dimension} numbers, those of the index "
            f"{file} {facts.dimension}"
        )
    positions = search(
        queries.rows,
        queries.key[0],
        str(file),
        k=settings.k,
        n_probe=settings.n_probe,
        n_tasks=n_shuffle_partitions(run),
        table=queries.address,
    )
    uids = _uids_by_position(run, folder, settings.uid_column)
    return with_uids(positions, uids), facts.n_vectors


def _refuse_other_index(folder: IndexFolder, queries: Embeddings) -> None:
    """Raise InputDataError if the index has a record and it names another model."""
    record = read_record(folder.path)
    if record is not None and not is_same_model((record.model, record.weights), queries.model):
        raise InputDataError(
            f"index {folder.path} is of {record.model} ({record.weights}), but {queries.address} "
            f"of {queries.model[0]} ({queries.model[1]})"
        )


def _uids_by_position(run: Run, folder: IndexFolder, column: str) -> DataFrame:
    """Position and uid of each vector of the index; raise InputDataError if one has no uid."""
    metadata = folder.read_metadata(run.spark)
    if column not in metadata.columns:
        raise MissingColumnError(
            f"index {folder.path}: its metadata has no column {column!r}; it has "
            f"{', '.join(name for name in metadata.columns if name != POSITION)}"
        )
    uids = metadata.select(POSITION, named(column).cast("string").alias(UID))
    without_uid = uids.where(F.col(UID).isNull() | F.col(POSITION).isNull()).first()
    if without_uid is not None:
        raise InputDataError(
            f"index {folder.path}: the metadata of vector {without_uid[POSITION]} has no {column}"
        )
    return uids


def _recall(
    run: Run, settings: SearchNeighbours, queries: Embeddings, embeddings: Embeddings
) -> Counts:
    """Count the true neighbours, and those that the index found."""
    by = [QUERY_ID, UID]
    found_by_index = run.read(settings.output, NEIGHBOURS).select(*by).distinct()
    with_hit = found_by_index.withColumn("hit", F.lit(1))
    n_true = n_hits = 0
    with batches_that_fit(embeddings.rows):
        for exact, _is_last in _exact_neighbours(run, settings, queries, embeddings):
            compared = exact.select(*by).join(with_hit, on=by, how="left")
            sums = compared.agg(F.count("*").alias("n"), F.count("hit").alias("hits")).first()
            assert sums is not None  # an aggregate without groups has one row
            n_true, n_hits = n_true + sums["n"], n_hits + sums["hits"]
    return {"true_neighbours": n_true, "of_them_found": n_hits}


def closing_lines(_spark: SparkSession, settings: SearchNeighbours, counts: Counts) -> list[str]:
    """Lines on recall if measured, on missing neighbours, and on an index of unknown model."""
    lines = []
    if counts.get("true_neighbours"):
        recall = counts["of_them_found"] / counts["true_neighbours"]
        lines.append(f"  recall@{settings.k}: {recall:.1%}")
    if counts.get("not_found"):
        lines.append(
            f"  {counts['not_found']:,} of {counts['rows'] + counts['not_found']:,} neighbours "
            "were not found: the lists that were looked into hold fewer than k; raise --n-probe"
        )
    if settings.index is not None and read_record(IndexFolder.at(settings.index).path) is None:
        lines.append(
            f"  the index {settings.index} does not say of which model it is: that it is the "
            "queries' could not be checked"
        )
    return lines


JOB = Job(
    "search-neighbours",
    "Find the nearest texts or images of each query, exactly or with an index.",
    SearchNeighbours,
    run,
    shared_folders=("index",),
    closing_lines=closing_lines,
    example=(
        "captionlake search-neighbours --queries ./query_vectors \\\n"
        "  --embeddings ./text_vectors --k 500 --output ./by_text"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
