"""The JSON chunks in which unmet-promise keeps what was retrieved (Geigle et al. 2024)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import as_type, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.folder_names import folder_names
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

_ROWS = 500_000
_ITEM = "item"
# The fields of a chunk, and what they are called here: of text search, and of semantic search.
TEXT_FIELDS = {
    "SAMPLE_ID": "SAMPLE_ID",
    **{"URL": URL, "TEXT": CAPTION, "HEIGHT": HEIGHT, "WIDTH": WIDTH, "LICENSE": LICENSE},
    **{"NSFW": NSFW, "similarity": SIMILARITY, "QUERY": QUERY},
}
SEMANTIC_FIELDS = {
    **{"QUERY": QUERY, "URL": URL, "TEXT": CAPTION, "NSFW": NSFW, "similarity": SIMILARITY}
}
_log = logging.getLogger(__name__)
_WHOLE = {"SAMPLE_ID", "HEIGHT", "WIDTH"}


def write_chunks(
    found: DataFrame,
    address: str,
    fields: Mapping[str, str],
    datasets: Sequence[str],
    *,
    commit: Mapping[str, Any],
) -> int:
    """Write `chunk_x.json`, at most 500,000 rows each, in a folder for each data set.

    found: dataset, query, uid and what the fields read. A folder is called as its data set where
    that can be (`folder_names`); of others a line says how. `commit` goes into the folder's mark.
    Gives the rows written; InputDataError where a row is of none of the data sets.
    """
    rows = {row[DATASET]: row["count"] for row in found.groupBy(DATASET).count().collect()}
    _refuse_other_datasets(rows, datasets)
    names = folder_names(datasets)
    items = found.withColumn(_ITEM, _published(found, fields))
    n_written = 0
    renamed = {name: dataset for dataset, name in names.items() if name != dataset}
    with replaced_folder(address, {**commit, "datasets": renamed}) as folder:
        for dataset, name in names.items():
            written = write_json_files(
                items.where(F.col(DATASET) == dataset),
                f"{folder}/{name}",
                name="chunk",
                items=[_ITEM],
                order=[QUERY, UID],
                n_files=n_files_for(rows.get(dataset, 0), _ROWS),
            )
            n_written += written.rows
    for name, dataset in renamed.items():
        _log.warning("output %s: the chunks of dataset %r are in %s", address, dataset, name)
    return n_written


def _refuse_other_datasets(rows: Mapping[str | None, int], datasets: Sequence[str]) -> None:
    """Each row goes into the folder of a data set, or the run fails."""
    others = [dataset for dataset in rows if dataset is None or dataset not in datasets]
    if others:
        raise InputDataError(
            f"dataset {others[0]!r}: {rows[others[0]]:,} rows are of it, which has no chunks; "
            f"expected one of {', '.join(datasets)}"
        )


def _published(found: DataFrame, fields: Mapping[str, str]) -> Column:
    """A row as the object of a chunk: numbers whole where they were, empty and 0 as null."""
    values = []
    for name, column in fields.items():
        if column not in found.columns:
            value = F.lit(None)
        elif name in _WHOLE:
            value = as_type(column, "double", "bigint")
        else:
            value = named(column)
        is_none = value.cast("string").isin("", "0", "0.0")
        values.append(F.when(is_none, None).otherwise(value).alias(name))
    return F.struct(*values)
