"""assign-neighbours: give neighbours the classes of the labelled items they were found for."""

from pydantic import Field
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, named, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import QUERY_ID, UID, WNID
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.neighbours.assign import AssignRule, assign, with_query_classes
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class AssignNeighbours(Settings):
    """Settings of assign-neighbours."""

    neighbours: InputAddress = Field(description="neighbours of search-neighbours")
    items: InputAddress = Field(
        description="the items that were searched for: query_id or uid, and wnid"
    )
    order: str | None = Field(
        None,
        description="column of items by which they are seen, as greedy and the ties of "
        "most_similar go; default: their id",
    )
    rule: AssignRule = Field(
        "union",
        description="union: a class gets all neighbours of its items; greedy: each item, in order, "
        "takes its nearest that is still free; most_similar: a row gets the class of its most "
        "similar item, of equal ones the class seen first; most_similar_published: of the last "
        "item of each class",
    )
    output: OutputAddress = Field(description="wnid and uid, a row for each row and class")


def run(run: Run, settings: AssignNeighbours) -> Counts:
    """Join the items' classes to their neighbours, then assign classes to uids by the rule."""
    neighbours = run.read(settings.neighbours, schemas.NEIGHBOURS)
    items = run.read(settings.items, StructType([StructField(WNID, StringType())]))
    key = QUERY_ID if QUERY_ID in items.columns else keys(items)[0]
    order = settings.order or key
    require_columns(items, f"table {settings.items}", [key, order])
    refuse_repeated_or_null_keys(items, [key], settings.items, "expected one row an item")
    item_without_order = items.where(named(order).isNull()).select(named(key)).first()
    if item_without_order is not None:
        raise InputDataError(
            f"table {settings.items}: {order} is null for {item_without_order[0]!r}"
        )
    neighbours_with_class = with_query_classes(neighbours, items, key, order)
    n_neighbours, n_with_class = count_rows(neighbours), count_rows(neighbours_with_class)
    if n_with_class == 0 < n_neighbours:
        raise InputDataError(
            f"none of the queries of {settings.neighbours} is an item of {settings.items} with a "
            f"{WNID}, by its column {key}"
        )
    assigned = assign(neighbours_with_class, settings.rule, n_rows=n_with_class)
    rows = run.write(assigned, settings.output)
    stored = run.read(settings.output, assigned.schema)
    distinct_counts = stored.agg(
        F.countDistinct(UID).alias("uids"), F.countDistinct(WNID).alias("wnids")
    ).first()
    assert distinct_counts is not None  # an aggregate without groups has one row
    return {
        "items": count_rows(items),
        "without_class": count_rows(items.where(F.col(WNID).isNull())),
        "neighbours": n_neighbours,
        "left_out": n_neighbours - n_with_class,
        "rows": rows,
        "uids": distinct_counts["uids"],
        "classes": distinct_counts["wnids"],
    }


JOB = Job(
    "assign-neighbours",
    "Give each neighbour that search-neighbours found the class of the item it was found for.",
    AssignNeighbours,
    run,
    example=(
        "captionlake assign-neighbours --neighbours ./neighbours --items ./records \\\n"
        "  --output ./labelled"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
