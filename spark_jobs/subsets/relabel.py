"""Labels of a subset: the index of each row's class among the classes kept."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, IntegralType, StructField

from spark_jobs.core.columns import free_name, named
from spark_jobs.core.schemas import CLASS_IDX, LABEL, LABEL_ORI
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import class_table


def label_column(rows: DataFrame, class_column: str) -> str:
    """The label column: `label` if that is the class column and of integers, else class_idx."""
    is_label = class_column == LABEL and isinstance(rows.schema[LABEL].dataType, IntegralType)
    return LABEL if is_label else CLASS_IDX


def with_labels(rows: DataFrame, class_column: str, classes: ClassList) -> DataFrame:
    """Add the index of each row's class in the list as label, unless the rows have labels."""
    name = label_column(rows, class_column)
    if name in rows.columns:
        return rows
    index_of = {value: (index,) for index, value in enumerate(classes)}
    return _with_class_numbers(rows, class_column, index_of, [name])


def relabelled(
    rows: DataFrame, class_column: str, classes: ClassList, kept: ClassList
) -> DataFrame:
    """Relabel the rows 0..k-1 by the k kept classes, with the old labels as label_ori."""
    name = label_column(rows, class_column)
    old, new = free_name(rows, "_old"), free_name(rows, "_new")
    old_index = {value: index for index, value in enumerate(classes)}
    indices = {value: (old_index[value], index) for index, value in enumerate(kept)}
    with_indices = _with_class_numbers(rows, class_column, indices, [old, new])
    old_label = named(name) if name in rows.columns else named(old)
    return with_indices.withColumns({LABEL_ORI: old_label, name: named(new)}).drop(old, new)


def _with_class_numbers(
    rows: DataFrame, column: str, numbers: Mapping[Class, tuple[int, ...]], names: list[str]
) -> DataFrame:
    """Add integer columns `names` with the numbers of each row's class, null if it has none."""
    fields = [StructField(name, IntegerType()) for name in names]
    table = class_table(rows, column, numbers, fields)
    joined = rows.join(F.broadcast(table), on=column, how="left")
    return joined.select(*map(named, [*rows.columns, *names]))
