"""Labels of a subset: each row's class by its place among the classes kept."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, IntegralType, StructField

from spark_jobs.core.columns import free_name, named
from spark_jobs.core.schemas import CLASS_IDX, LABEL, LABEL_ORI
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import class_table


def label_column(rows: DataFrame, class_column: str) -> str:
    """The column of labels: class_idx, or the class column where it is label, of whole numbers."""
    is_label = class_column == LABEL and isinstance(rows.schema[LABEL].dataType, IntegralType)
    return LABEL if is_label else CLASS_IDX


def with_labels(rows: DataFrame, class_column: str, classes: ClassList) -> DataFrame:
    """The rows with their class's place in the list as label, where they have none."""
    name = label_column(rows, class_column)
    if name in rows.columns:
        return rows
    place = {value: (number,) for number, value in enumerate(classes)}
    return _joined(rows, class_column, place, [name])


def relabelled(
    rows: DataFrame, class_column: str, classes: ClassList, kept: ClassList
) -> DataFrame:
    """The rows with labels 0..k-1 of the k kept classes, and the old ones as label_ori."""
    name = label_column(rows, class_column)
    old, new = free_name(rows, "_old"), free_name(rows, "_new")
    old_place = {value: number for number, value in enumerate(classes)}
    places = {value: (old_place[value], number) for number, value in enumerate(kept)}
    joined = _joined(rows, class_column, places, [old, new])
    was = named(name) if name in rows.columns else named(old)
    return joined.withColumns({LABEL_ORI: was, name: named(new)}).drop(old, new)


def _joined(
    rows: DataFrame, column: str, numbers: Mapping[Class, tuple[int, ...]], names: list[str]
) -> DataFrame:
    fields = [StructField(name, IntegerType()) for name in names]
    table = class_table(rows, column, numbers, fields)
    joined = rows.join(F.broadcast(table), on=column, how="left")
    return joined.select(*map(named, [*rows.columns, *names]))
