"""The JSON chunks in which unmet-promise keeps what was retrieved (Geigle et al. 2024)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.columns import named
from spark_jobs.errors import InputDataError
from spark_jobs.folders import files_for, replaced_folder, write_json_files
from spark_jobs.schemas import (
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
_FOLDER_NAME = re.compile(r"[^./\\][^/\\]*")
_CHUNKS = re.compile(r"[^/]+/chunk_\d+\.json")
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

    found: dataset, query, uid and what the fields read. `commit` goes into the folder's mark.
    Gives the rows written; InputDataError where a data set's name cannot be that of a folder.
    """
    unfit = [name for name in datasets if not _FOLDER_NAME.fullmatch(name)]
    if unfit:
        raise InputDataError(
            f"dataset {unfit[0]!r}: its chunks need a folder of that name; expected a name without "
            "/ that does not begin with a dot"
        )
    rows = {row[DATASET]: row["count"] for row in found.groupBy(DATASET).count().collect()}
    items = found.withColumn(_ITEM, _published(found, fields))
    n_written = 0
    with replaced_folder(address, commit, ours=_CHUNKS) as folder:
        for dataset in datasets:
            written = write_json_files(
                items.where(F.col(DATASET) == dataset),
                f"{folder}/{dataset}",
                name="chunk",
                items=[_ITEM],
                order=[QUERY, UID],
                n_files=files_for(rows.get(dataset, 0), _ROWS),
            )
            n_written += written.rows
    return n_written


def _published(found: DataFrame, fields: Mapping[str, str]) -> Column:
    """A row as the object of a chunk: numbers whole where they were, empty and 0 as null."""
    values = []
    for name, column in fields.items():
        value = named(column) if column in found.columns else F.lit(None)
        value = value.cast("double").cast("long") if name in _WHOLE else value
        is_none = value.cast("string").isin("", "0", "0.0")
        values.append(F.when(is_none, None).otherwise(value).alias(name))
    return F.struct(*values)
