"""The JSON chunks in which unmet-promise keeps what was retrieved (Geigle et al. 2024)."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.addresses import join_address
from spark_jobs.folders import files_for, write_json_folder
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
_WHOLE = {"SAMPLE_ID", "HEIGHT", "WIDTH"}


def write_chunks(
    found: DataFrame, address: str, fields: Mapping[str, str], datasets: Sequence[str]
) -> None:
    """Write `chunk_x.json`, at most 500,000 rows each, in a folder for each data set.

    found: dataset, query, uid and what the fields read.
    """
    rows = {row[DATASET]: row["count"] for row in found.groupBy(DATASET).count().collect()}
    for dataset in datasets:
        of_dataset = found.where(F.col(DATASET) == dataset)
        write_json_folder(
            of_dataset.withColumn(_ITEM, _published(found, fields)),
            join_address(address, dataset),
            name="chunk",
            items=[_ITEM],
            order=[QUERY, UID],
            n_files=files_for(rows.get(dataset, 0), _ROWS),
            others={},
        )


def _published(found: DataFrame, fields: Mapping[str, str]) -> Column:
    """A row as the object of a chunk: numbers whole where they were, empty and 0 as null."""
    values = []
    for name, column in fields.items():
        value = F.col(column) if column in found.columns else F.lit(None)
        value = value.cast("double").cast("long") if name in _WHOLE else value
        is_none = value.cast("string").isin("", "0", "0.0")
        values.append(F.when(is_none, None).otherwise(value).alias(name))
    return F.struct(*values)
