"""Read small files completely into the driver, such as a concept bank."""

import fnmatch
from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import (
    InputDataError,
)
from spark_jobs.storage.file_lists import LITERAL_PATHS, list_files_at
from udfs.opened_files import DamagedFileError, decompressed

NO_CONTENT = "no file with content lies there"


def read_text(spark: SparkSession, address: str) -> str:
    """The text of one small UTF-8 file, gzip, bzip2 or not compressed."""
    try:
        content = decompressed(read_bytes(spark, address), parse_address(address).location)
        return content.decode("utf-8-sig")
    except DamagedFileError as fault:
        raise InputDataError(str(fault)) from None
    except UnicodeDecodeError as fault:
        table = parse_address(address)
        raise InputDataError(f"{table}: is no UTF-8 text (byte {fault.start})") from None


def read_bytes(spark: SparkSession, address: str) -> bytes:
    """The content of one small file."""
    contents = list(read_folder(spark, address).values())
    if len(contents) != 1:
        too_many = f"{len(contents)} files with content lie there, expected one"
        raise InputDataError(f"{parse_address(address)}: {too_many if contents else NO_CONTENT}")
    return contents[0]


def read_folder(
    spark: SparkSession, address: str, patterns: Sequence[str] = ("*",)
) -> dict[str, bytes]:
    """File name -> content of the non-empty files in a folder, or of the one at the address."""
    files = list_files_at(spark, parse_address(address).location)
    paths = [
        file.path
        for file in files
        if file.size and any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
    ]
    reader = spark.read.format("binaryFile").options(**LITERAL_PATHS)
    rows = reader.load(paths).select("path", "content").collect() if paths else []
    return {row.path.rpartition("/")[2]: bytes(row.content) for row in rows}
