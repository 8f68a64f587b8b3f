"""Labels of a subset: each row's class by its place among the classes kept."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StructField

from spark_jobs.schemas import CLASS_IDX, LABEL, LABEL_ORI
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import class_table

_OLD, _NEW = "_old", "_new"


def label_column(class_column: str) -> str:
    """The column of labels: class_idx, or the class column where it is label itself."""
    return LABEL if class_column == LABEL else CLASS_IDX


def with_labels(rows: DataFrame, class_column: str, classes: ClassList) -> DataFrame:
    """The rows with their class's place in the list as label, where they have none."""
    name = label_column(class_column)
    if name in rows.columns:
        return rows
    place = {value: (number,) for number, value in enumerate(classes)}
    return _joined(rows, class_column, place, [_NEW]).withColumnRenamed(_NEW, name)


def relabelled(
    rows: DataFrame, class_column: str, classes: ClassList, kept: ClassList
) -> DataFrame:
    """The rows with labels 0..k-1 of the k kept classes, and the old ones as label_ori."""
    name = label_column(class_column)
    old = {value: number for number, value in enumerate(classes)}
    places = {value: (old[value], number) for number, value in enumerate(kept)}
    joined = _joined(rows, class_column, places, [_OLD, _NEW])
    was = F.col(name).cast("int") if name in rows.columns else F.col(_OLD)
    told = joined.withColumns({LABEL_ORI: was, name: F.col(_NEW)})
    return told.drop(_OLD, _NEW)


def _joined(
    rows: DataFrame, column: str, told: Mapping[Class, tuple[int, ...]], names: list[str]
) -> DataFrame:
    fields = [StructField(name, IntegerType()) for name in names]
    table = class_table(rows, column, told, fields)
    return rows.join(F.broadcast(table), on=column, how="left").select(*rows.columns, *names)
