"""assign-neighbours: rows found as neighbours of labelled items get their classes."""

from pydantic import Field
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs import schemas
from spark_jobs.columns import keys
from spark_jobs.errors import InputDataError, MissingColumnError
from spark_jobs.job import Counts, Job, Run
from spark_jobs.neighbours.assign import AssignRule, assign, with_items
from spark_jobs.schemas import QUERY_ID, UID, WNID
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class AssignNeighbours(Settings):
    """Settings of assign-neighbours."""

    neighbours: InputAddress = Field(description="neighbours of search-neighbours")
    items: InputAddress = Field(
        description="the items that were searched for: query_id or uid, and wnid"
    )
    order: str | None = Field(
        None, description="column of items that greedy goes by; default: their id"
    )
    rule: AssignRule = Field(
        "union",
        description="union: a class gets all neighbours of its items; greedy: each item, in order, "
        "takes its nearest that is still free; most_similar: a row gets the class of its most "
        "similar item; most_similar_published: of the last item of each class",
    )
    output: OutputAddress = Field(description="wnid and uid, a row for each row and class")


def run(run: Run, settings: AssignNeighbours) -> Counts:
    """Join the items' classes to their neighbours and assign."""
    neighbours = run.read(settings.neighbours, schemas.NEIGHBOURS)
    items = run.read(settings.items, StructType([StructField(WNID, StringType())]))
    key = QUERY_ID if QUERY_ID in items.columns else keys(items)[0]
    order = settings.order or key
    for column in (key, order):
        if column not in items.columns:
            raise MissingColumnError(f"table {settings.items} has no column {column!r}")
    twice = items.groupBy(key).count().where("count > 1").first()
    if twice is not None:
        raise InputDataError(f"table {settings.items}: {key} {twice[key]!r} is there twice")
    assigned = assign(with_items(neighbours, items, order), settings.rule)
    rows = run.write(assigned, settings.output)
    stored = run.read(settings.output, assigned.schema)
    distinct = stored.agg(F.countDistinct(UID).alias("uids"), F.countDistinct(WNID).alias("wnids"))
    told = distinct.first()
    assert told is not None  # an aggregate without groups has one row
    return {"items": items.count(), "rows": rows, "uids": told["uids"], "classes": told["wnids"]}


JOB = Job(
    "assign-neighbours",
    "Give found neighbours the classes of the items they were found for.",
    AssignNeighbours,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
