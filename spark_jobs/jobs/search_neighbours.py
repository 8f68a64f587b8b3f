"""search-neighbours: the vectors nearest to each query."""

from pydantic import Field, PositiveInt

from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.embedding_reading import on_driver, read_embeddings, refuse_other_model
from spark_jobs.job import Counts, Job, Run
from spark_jobs.neighbours.exact import nearest
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class SearchNeighbours(Settings):
    """Settings of search-neighbours."""

    queries: InputAddress = Field(
        description="embeddings of the queries, with query_id or uid: of texts or of images"
    )
    embeddings: InputAddress = Field(
        description="embeddings to search in, with uid, of the same model: of texts or of images"
    )
    k: PositiveInt = Field(50, description="neighbours of each query")
    output: OutputAddress = Field(
        description="query_id, uid, rank (0 is the nearest) and similarity (cosine)"
    )


def run(run: Run, settings: SearchNeighbours) -> Counts:
    """Compare every query with every vector."""
    queries = read_embeddings(run, settings.queries)
    embeddings = read_embeddings(run, settings.embeddings)
    refuse_other_model(queries, embeddings)
    query_ids, vectors = on_driver(queries)
    n_tasks = int(run.spark.conf.get("spark.sql.shuffle.partitions", "200") or 200)
    with batches_that_fit(embeddings.rows):
        found = nearest(embeddings.rows, query_ids, vectors, k=settings.k, n_tasks=n_tasks)
        rows = run.write(found, settings.output)
    return {"queries": len(query_ids), "searched": embeddings.rows.count(), "rows": rows}


JOB = Job(
    "search-neighbours",
    "Find the nearest texts or images of each query, without a server.",
    SearchNeighbours,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
