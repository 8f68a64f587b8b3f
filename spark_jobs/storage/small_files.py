"""Small files, such as a concept bank, read whole."""

import fnmatch
from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import (
    InputDataError,
)
from spark_jobs.storage.file_lists import LITERAL_PATHS, list_files_at
from udfs.opened_files import COMPRESSED, unpacked

NO_CONTENT = "no file with content lies there"


def read_text(spark: SparkSession, address: str) -> str:
    """The whole of one small UTF-8 file, such as a concept bank, compressed or not."""
    try:
        return unpacked(read_bytes(spark, address)).decode("utf-8-sig")
    except COMPRESSED:
        raise InputDataError(f"{parse_address(address)}: is cut off") from None
    except UnicodeDecodeError as fault:
        table = parse_address(address)
        raise InputDataError(f"{table}: is no UTF-8 text (byte {fault.start})") from None


def read_bytes(spark: SparkSession, address: str) -> bytes:
    """The whole of one small file."""
    contents = list(read_folder(spark, address).values())
    if len(contents) != 1:
        found = f"{len(contents)} files with content lie there, expected one"
        raise InputDataError(f"{parse_address(address)}: {found if contents else NO_CONTENT}")
    return contents[0]


def read_folder(
    spark: SparkSession, address: str, patterns: Sequence[str] = ("*",)
) -> dict[str, bytes]:
    """File name -> content of the small files in a folder, or of the one file at the address."""
    files = list_files_at(spark, parse_address(address).location)
    paths = [
        file.path
        for file in files
        if file.size and any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
    ]
    reader = spark.read.format("binaryFile").options(**LITERAL_PATHS)
    rows = reader.load(paths).select("path", "content").collect() if paths else []
    return {row.path.rpartition("/")[2]: bytes(row.content) for row in rows}
