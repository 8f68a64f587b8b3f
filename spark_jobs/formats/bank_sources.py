"""Read the sources of concept banks that have a name: files, WordNet, ImageNet's synsets."""

from collections.abc import Callable, Mapping

import pyarrow as pa
from pyspark.sql import SparkSession

from spark_jobs.concepts.choosing import NUMBERS
from spark_jobs.concepts.sources import (
    imagenet,
    json_lines,
    lines,
    metaclip_json,
    numbers,
    wordnet,
    wordnet_names,
)
from spark_jobs.core.redaction import redacted
from spark_jobs.storage.small_files import read_folder, read_text

_FROM_FILE: Mapping[str, Callable[[str, str], pa.Table]] = {
    "metaclip_json": metaclip_json,
    "lines": lines,
    "json_lines": json_lines,
}
_FROM_FOLDER: Mapping[str, Callable[[Mapping[str, bytes], str], pa.Table]] = {
    "wordnet": wordnet,
    "wordnet_names": wordnet_names,
}


def read_source(spark: SparkSession, source: str) -> pa.Table:
    """Entries of a source, `kind` or `kind:path`, with the columns of SOURCE_COLUMNS."""
    kind, _, path = source.partition(":")
    if kind == NUMBERS:
        return numbers()
    if not path:
        return imagenet(kind)  # type: ignore[arg-type]
    name = redacted(path)  # value of the column source
    if kind in _FROM_FOLDER:
        return _FROM_FOLDER[kind](read_folder(spark, path, ("data.*", "index.*")), name)
    return _FROM_FILE[kind](read_text(spark, path), name)
