"""Groups of rows that are copies of each other, and which row of each is kept."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import DUPLICATES, FAULT, GROUP, KEPT, UID
from spark_jobs.core.unions import union_all
from spark_jobs.images.components import NODE, ROOT

_BEST = "best"


def duplicate_groups(
    rows: DataFrame, components: DataFrame | None, *, prefer: Sequence[Column]
) -> DataFrame:
    """schemas.DUPLICATES of the rows: group is the smallest uid of the group, kept true of one.

    rows: uid, node (null for rows that are compared with none) and fault, the reason for that.
    Rows of one node are copies, and so are those of a component: (node, root), see `components`.
    prefer: columns of the rows, the smallest of which are kept, ties by uid. A row without node is
    a group of its own, and kept.
    """
    alone = rows.where(F.col(NODE).isNull()).select(
        UID, F.col(UID).alias(GROUP), F.lit(True).alias(KEPT), FAULT
    )
    compared = rows.where(F.col(NODE).isNotNull())
    if components is not None:
        labelled = compared.join(components, on=NODE, how="left")
        compared = labelled.withColumn(NODE, F.coalesce(ROOT, NODE)).drop(ROOT)
    order = [column.alias(f"_{position}") for position, column in enumerate(prefer)]
    groups = compared.groupBy(NODE).agg(
        F.min(UID).alias(GROUP), F.min(F.struct(*order, F.col(UID))).getField(UID).alias(_BEST)
    )
    marked = compared.join(groups, on=NODE, how="inner").select(
        UID,
        GROUP,
        (F.col(UID) == F.col(_BEST)).alias(KEPT),
        F.lit(None).cast("string").alias(FAULT),
    )
    return union_all([marked, alone]).select(*DUPLICATES.names)


def largest_first(number: Column) -> list[Column]:
    """Columns by which the rows with the largest double come first, those without one last.

    NaN counts as no number.
    """
    has_none = number.isNull() | F.isnan(number)
    return [has_none, F.when(~has_none, -number)]
