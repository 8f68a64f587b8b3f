"""Read the sources of concept banks that have a name: files, WordNet, ImageNet's synsets."""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

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
from spark_jobs.core.bank_names import is_named_bank
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


_PARSER_BY_SUFFIX: Mapping[str, Callable[[str, str], pa.Table]] = {
    ".json": metaclip_json,
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".txt": lines,
}


def has_bank_suffix(address: str) -> bool:
    """Whether an address is called like a file of entries, maybe compressed."""
    return _suffix(address) in _PARSER_BY_SUFFIX


def read_source_or_file(spark: SparkSession, address: str) -> pa.Table:
    """Entries of a bank by name or of a file, with the columns of SOURCE_COLUMNS."""
    if is_named_bank(address):
        return read_source(spark, address)
    return _PARSER_BY_SUFFIX[_suffix(address)](read_text(spark, address), address)


def _suffix(address: str) -> str:
    return PurePosixPath(address.removesuffix(".gz")).suffix


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
