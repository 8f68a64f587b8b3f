"""Connected components of a graph of edges, in Spark."""

import math

from pyspark.sql import DataFrame
from pyspark.sql.types import StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from udfs.forest import spanning_forest

NODE, ROOT = "node", "root"


def components(edges: DataFrame, *, n_tasks: int) -> DataFrame:
    """A row (node, root) for each node of the edges but one of each component, its root.

    edges: node and root, two columns of one type. In three rounds whatever the graph: each task
    replaces its edges by a spanning forest, of at most an edge a node; then fewer tasks do so with
    these, and at last one, which holds all nodes that have an edge, about 50 bytes each beside the
    node itself.
    """
    n_middle = math.isqrt(n_tasks)
    forest = _forest(edges)
    if n_middle > 1:
        forest = _forest(forest.repartition(n_middle, ROOT))
    return _forest(forest.repartition(1))


def _forest(edges: DataFrame) -> DataFrame:
    node_type = edges.schema[NODE].dataType
    columns = StructType([StructField(name, node_type) for name in (NODE, ROOT)])
    return map_in_arrow(edges.select(NODE, ROOT), spanning_forest, columns)
