"""Files of captions in any form, read into rows; what they mean is the ingest's to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_jobs.errors import SettingsError
from spark_jobs.ingest import csv
from spark_jobs.ingest.presets import InputFormat, Preset
from spark_jobs.ingest.text_lines import (
    FAULT,
    LINE,
    captions_from_lines,
    is_blank,
    rows_from_jsonl,
)
from spark_jobs.ingest.tsv import rows_from_tsv
from spark_jobs.schemas import CAPTION, CAPTION_COLUMNS, CAPTION_ID, CAPTION_SOURCE, ENTRY_IDS
from spark_jobs.tables import list_files
from udfs.json_items import ItemForm, line_items, list_items

_FORMAT_OF: dict[str, InputFormat] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "lines",
}
_LINE = StructType([StructField("value", BinaryType())])
_ITEM_COLUMNS: dict[ItemForm, list[str]] = {
    "plain": [CAPTION],
    "pairs": [CAPTION, ENTRY_IDS],
    "records": [CAPTION, CAPTION_ID, CAPTION_SOURCE, ENTRY_IDS],
}


@dataclass(frozen=True)
class Source:
    """What was read: the rows and, for the accounts, a frame with as many rows."""

    rows: DataFrame
    counted: DataFrame

    @property
    def columns(self) -> list[str]:
        """The input's own columns."""
        return [name for name in self.rows.columns if name not in {LINE, FAULT}]


def input_format(
    spark: SparkSession, path: str, given: InputFormat | None, preset: Preset | None
) -> InputFormat:
    """The format that was said, the preset's, or the one that all files' names tell."""
    if given is not None:
        return given
    if preset is not None:
        return preset.format
    suffixes = {_suffix(file) for file in list_files(spark, path)}
    formats = {_FORMAT_OF.get(suffix) for suffix in suffixes}
    only = formats.pop() if len(formats) == 1 else None
    if only is None:
        raise SettingsError(
            f"{path}: files end in {', '.join(sorted(suffixes))}; "
            f"give --format {', '.join(dict.fromkeys(_FORMAT_OF.values()))}, or a --preset"
        )
    return only


def read_source(
    spark: SparkSession,
    path: str,
    format_: InputFormat,
    preset: Preset | None,
) -> Source:
    """Read a file, folder or glob, in the form that the preset tells.

    Files that end in .gz are unpacked while they are read.
    """
    header = preset.header if preset else ()
    items: ItemForm = preset.items if preset else "plain"
    match format_:
        case "parquet":
            return _counted_as_read(spark.read.parquet(path))
        case "csv":
            return _read_csv(spark, path, preset.separator if preset else ",")
        case "json":
            return _read_json_lists(spark, path, items)
        case "jsonl" if items != "plain":
            lines = _lines(spark, path).mapInArrow(line_items(items), _LINE)
            return _read_items(lines, _json_schema(spark.read.json(path)), items)
        case "jsonl":
            lines = _lines(spark, path)
            return _read_json_lines(lines, _json_schema(spark.read.json(path)))
        case "tsv":
            return _read_tsv(_lines(spark, path), header)
        case "lines":
            lines = _lines(spark, path)
            return Source(captions_from_lines(lines), lines)


def _counted_as_read(rows: DataFrame) -> Source:
    return Source(rows, rows)


def _read_csv(spark: SparkSession, path: str, separator: str) -> Source:
    reader = spark.read.options(**csv.OPTIONS).option("sep", separator)
    read = reader.schema(csv.with_corrupt_record(reader.csv(path).schema)).csv(path)
    return _counted_as_read(csv.rows_from_csv(read))


def _lines(spark: SparkSession, path: str) -> DataFrame:
    return spark.read.text(path, lineSep="\n")


def _read_json_lines(lines: DataFrame, schema: StructType) -> Source:
    return Source(rows_from_jsonl(lines, schema), lines.where(~is_blank(F.col("value"))))


def _read_json_lists(spark: SparkSession, path: str, items: ItemForm) -> Source:
    """Lists of objects, of captions alone, or of other items; a file is read by one task."""
    files = spark.read.format("binaryFile").load(path).select("path", "content")
    schema = _json_schema(spark.read.json(path, multiLine=True))
    return _read_items(files.mapInArrow(list_items(items), _LINE), schema, items)


def _read_items(lines: DataFrame, inferred: StructType, items: ItemForm) -> Source:
    """`inferred`: what Spark sees in the files; it sees no columns in strings and pairs."""
    known = [CAPTION_COLUMNS[name] for name in _ITEM_COLUMNS[items]]
    names = {field.name for field in known} | {"texts"}
    others = [field for field in inferred if field.name not in names]
    schema = inferred if items == "plain" and inferred.fields else StructType([*others, *known])
    return _read_json_lines(lines.select(F.col("value").cast("string")), schema)


def _json_schema(inferred: DataFrame) -> StructType:
    return StructType([field for field in inferred.schema if field.name != "_corrupt_record"])


def _read_tsv(lines: DataFrame, header: Sequence[str]) -> Source:
    """Without a given header the first line is one; lines equal to it, one a file, are no rows."""
    if header:
        return Source(rows_from_tsv(lines, header), lines)
    first = lines.first()
    if first is None:
        return Source(rows_from_tsv(lines, ["caption"]), lines)
    data = lines.where(F.col("value") != first[0])
    return Source(rows_from_tsv(data, first[0].removesuffix("\r").split("\t")), data)


def _suffix(file: str) -> str:
    return PurePosixPath(file.removesuffix(".gz")).suffix.lower()
