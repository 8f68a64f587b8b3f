"""search-neighbours: the vectors nearest to each query."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.embedding_reading import (
    Embeddings,
    on_driver,
    read_embeddings,
    refuse_other_model,
)
from spark_jobs.embedding_runs import usual_tasks
from spark_jobs.errors import InputDataError, MissingColumnError
from spark_jobs.index_folders import IndexFolder, Modality
from spark_jobs.job import Counts, Job, Run
from spark_jobs.neighbours.exact import nearest
from spark_jobs.neighbours.index import POSITION, search
from spark_jobs.schemas import NEIGHBOURS, QUERY_ID, UID
from spark_jobs.settings import InputAddress, OutputAddress, Settings
from udfs.faiss_index import opened_index


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
    n_probe: PositiveInt = Field(16, description="inverted lists of the index to look into")
    uid_column: str = Field(UID, description="column of the index's metadata that becomes uid")
    k: PositiveInt = Field(50, description="neighbours of each query")
    output: OutputAddress = Field(
        description="query_id, uid, rank (0 is the nearest) and similarity (cosine)"
    )

    @model_validator(mode="after")
    def _has_where_to_search(self) -> Self:
        if self.embeddings is None and self.index is None:
            raise ValueError("give embeddings, an index, or both")
        return self


def run(run: Run, settings: SearchNeighbours) -> Counts:
    """Search in the index where one is given, else compare every query with every vector."""
    queries = read_embeddings(run, settings.queries)
    query_ids, vectors = on_driver(queries)
    counts = {"queries": len(query_ids)}
    exact = None
    if settings.embeddings is not None:
        embeddings = read_embeddings(run, settings.embeddings)
        refuse_other_model(queries, embeddings)
        counts["searched"] = embeddings.n_rows
        exact = nearest(
            embeddings.rows,
            query_ids,
            vectors,
            k=settings.k,
            n_rows=embeddings.n_rows,
            n_tasks=usual_tasks(run),
        )
    if settings.index is None and exact is not None:
        with batches_that_fit(embeddings.rows):
            return counts | {"rows": run.write(exact, settings.output)}
    counts["rows"] = run.write(_by_index(run, queries, settings), settings.output)
    if exact is not None:
        found = run.read(settings.output, NEIGHBOURS)
        with batches_that_fit(embeddings.rows):
            counts |= _recall(found, exact)
    return counts


def _by_index(run: Run, queries: Embeddings, settings: SearchNeighbours) -> DataFrame:
    folder = IndexFolder.at(str(settings.index))
    file = folder.index(settings.modality)
    if not file.is_file():
        raise InputDataError(f"index {folder.path}: has no {file.name}")
    dimension = opened_index(str(file), settings.n_probe, file.stat().st_mtime_ns).d
    if dimension != queries.dimension:
        raise InputDataError(
            f"vectors of {queries.address} have {queries.dimension} numbers, those of the index "
            f"{file} {dimension}"
        )
    metadata = folder.read_metadata(run.spark)
    if settings.uid_column not in metadata.columns:
        raise MissingColumnError(
            f"index {folder.path}: its metadata has no column {settings.uid_column!r}; it has "
            f"{', '.join(metadata.columns)}"
        )
    found = search(
        queries.rows,
        queries.key[0],
        str(file),
        k=settings.k,
        n_probe=settings.n_probe,
        n_tasks=usual_tasks(run),
    )
    uids = metadata.select(POSITION, F.col(settings.uid_column).cast("string").alias(UID))
    return found.join(uids, on=POSITION).select(*NEIGHBOURS.names)


def _recall(found: DataFrame, exact: DataFrame) -> Counts:
    """How many of the true neighbours the index has found."""
    by = [QUERY_ID, UID]
    hits = found.select(*by, F.lit(1).alias("hit"))
    compared = exact.select(*by).join(hits, on=by, how="left")
    told = compared.agg(F.count("*").alias("n"), F.count("hit").alias("hits")).first()
    assert told is not None  # an aggregate without groups has one row
    return {"true_neighbours": told["n"], "of_them_found": told["hits"]}


def closing(_spark: SparkSession, settings: SearchNeighbours, counts: Counts) -> list[str]:
    """The recall, where it was measured."""
    if not counts.get("true_neighbours"):
        return []
    recall = counts["of_them_found"] / counts["true_neighbours"]
    return [f"  recall@{settings.k}: {recall:.1%}"]


JOB = Job(
    "search-neighbours",
    "Find the nearest texts or images of each query, without a server.",
    SearchNeighbours,
    run,
    closing=closing,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
