"""What was retrieved for classes: neighbours of all their queries, each row once a class."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import DATASET, QUERIES, QUERY, QUERY_ID, SIMILARITY, UID


def united(neighbours: Sequence[DataFrame]) -> DataFrame:
    """query_id, uid and similarity of tables of schemas.NEIGHBOURS, by text and by image."""
    rows = [table.select(QUERY_ID, UID, SIMILARITY) for table in neighbours]
    return reduce(DataFrame.unionByName, rows)


def of_classes(neighbours: DataFrame, queries: DataFrame) -> DataFrame:
    """dataset, query (the class), uid, and its largest similarity to any query of the class.

    neighbours: what `united` gives; those of other queries are left out. queries: query_id, a row
    each, dataset and query.
    """
    of_query = queries.select(QUERY_ID, *QUERIES.names)
    with_class = neighbours.join(F.broadcast(of_query), on=QUERY_ID, how="inner")
    return with_class.groupBy(DATASET, QUERY, UID).agg(F.max(SIMILARITY).alias(SIMILARITY))
