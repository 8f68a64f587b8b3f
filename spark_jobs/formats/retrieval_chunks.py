"""Write retrieved rows as unmet-promise's JSON chunks (Geng et al. 2024)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, LongType, NumericType, StringType

from spark_jobs.core.columns import as_type, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import (
    CAPTION,
    DATASET,
    HEIGHT,
    LICENSE,
    NSFW,
    QUERY,
    SIMILARITY,
    UID,
    URL,
    WIDTH,
)
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.folders import n_files_for, write_json_files
from udfs.folder_names import folder_names

PAPERS = ("unmet-promise, published files: the JSON chunks of what was retrieved",)

_ROWS_PER_CHUNK = 500_000
_ITEM = "item"
# Field of a chunk -> our column, for the results of text search and of semantic search.
TEXT_FIELDS = {
    "SAMPLE_ID": "SAMPLE_ID",
    **{"URL": URL, "TEXT": CAPTION, "HEIGHT": HEIGHT, "WIDTH": WIDTH, "LICENSE": LICENSE},
    **{"NSFW": NSFW, "similarity": SIMILARITY, "QUERY": QUERY},
}
SEMANTIC_FIELDS = {
    **{"QUERY": QUERY, "URL": URL, "TEXT": CAPTION, "NSFW": NSFW, "similarity": SIMILARITY}
}
_log = logging.getLogger(__name__)
_QUERY_FIELD = "QUERY"
_WHOLE_NUMBER_FIELDS = {"SAMPLE_ID", "HEIGHT", "WIDTH"}


def write_chunks(
    retrieved: DataFrame,
    address: str,
    fields: Mapping[str, str],
    datasets: Sequence[str],
    *,
    metadata: Mapping[str, Any],
    order: Sequence[str] = (QUERY, UID),
    is_empty_null: bool = False,
) -> int:
    """Write `chunk_x.json` files of at most 500,000 rows each, in a folder for each data set.

    retrieved: dataset, query, uid and the columns of `fields`. A folder has its data set's name if
    that is a valid one (`folder_names`); renamed ones are logged. `metadata` goes into the folder's
    mark. `order`: columns that order the rows of a file and tell them apart. `is_empty_null`: write
    empty texts and the number 0 as null, as the published text search does; the published semantic
    search writes them as they are. Returns the number of rows written. Raises InputDataError if a
    row is of another data set.
    """
    rows = {row[DATASET]: row["count"] for row in retrieved.groupBy(DATASET).count().collect()}
    _refuse_other_datasets(rows, datasets)
    names = folder_names(datasets)
    items = retrieved.withColumn(_ITEM, _chunk_item(retrieved, fields, is_empty_null=is_empty_null))
    n_written = 0
    renamed = {name: dataset for dataset, name in names.items() if name != dataset}
    with replaced_folder(address, {**metadata, "datasets": renamed}) as folder:
        for dataset, name in names.items():
            written = write_json_files(
                items.where(F.col(DATASET) == dataset),
                f"{folder}/{name}",
                name="chunk",
                items=[_ITEM],
                order=list(order),
                n_files=n_files_for(rows.get(dataset, 0), _ROWS_PER_CHUNK),
            )
            n_written += written.rows
    for name, dataset in renamed.items():
        _log.warning("output %s: the chunks of dataset %r are in %s", address, dataset, name)
    return n_written


def _refuse_other_datasets(rows: Mapping[str | None, int], datasets: Sequence[str]) -> None:
    """Raise InputDataError if rows are of none of the data sets; `rows`: number per data set."""
    other_datasets = [dataset for dataset in rows if dataset is None or dataset not in datasets]
    if other_datasets:
        first = other_datasets[0]
        raise InputDataError(
            f"dataset {first!r}: {rows[first]:,} rows are of it, which has no chunks; "
            f"expected one of {', '.join(datasets)}"
        )


def _chunk_item(retrieved: DataFrame, fields: Mapping[str, str], *, is_empty_null: bool) -> Column:
    """A struct of the chunk's fields, which is written as one JSON object.

    `fields`: field -> column; a column that is missing gives null. SAMPLE_ID, HEIGHT and WIDTH
    become integers, null where they are not numbers. With `is_empty_null` "" and 0, a similarity
    of exactly 0 too, become null in every field but QUERY, as published: unmet-promise tests values
    for being true in Python. The text "0" is true, so it stays.
    """
    values = []
    for name, column in fields.items():
        if column not in retrieved.columns:
            value = F.lit(None)
        else:
            value, column_type = named(column), retrieved.schema[column].dataType
            if name in _WHOLE_NUMBER_FIELDS:
                value, column_type = as_type(column, "double", "bigint"), LongType()
            if is_empty_null and name != _QUERY_FIELD:
                value = _null_if_empty(value, column_type)
        values.append(value.alias(name))
    return F.struct(*values)


def _null_if_empty(value: Column, column_type: DataType) -> Column:
    """Null in place of an empty text and of the number 0; other types as they are."""
    if isinstance(column_type, StringType):
        return F.when(value != "", value)
    return F.when(value != 0, value) if isinstance(column_type, NumericType) else value
