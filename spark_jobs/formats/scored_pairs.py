"""Scored pairs of sentences: SentEval's folder, or files of score, sentence and sentence."""

from collections.abc import Iterable

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile, list_files_at
from udfs.sts.pair_files import PairFileError, PairSet, read_pairs, read_senteval

_ROOT = "downstream/"  # SentEval's tasks lie below data/downstream
_TASK_FOLDERS = ("STS/", "SICK/")
_LARGEST_FILE = 1 << 28


def read_pair_sets(spark: SparkSession, address: str) -> list[PairSet]:
    """The sets of pairs at an address, two pairs in each at least.

    A folder is SentEval's, or one above its `downstream`; else each of its files has a line
    `score<TAB>a<TAB>b` for each pair. Raises InputDataError, naming the file.
    """
    location = parse_address(address).location
    files = {_name_below(location, f.path): f for f in list_files_at(spark, location) if f.size}
    if not files:
        raise InputDataError(f"{address}: no file with content lies there")
    names = _senteval_names(files)
    # Beside these SentEval's folder has gigabytes of other tasks, pickles among them.
    wanted = {n: f for n, f in files.items() if not names or n in names.values()}
    texts = _texts(spark, location, wanted.values())
    try:
        if names:
            return list(read_senteval(lambda name: texts.get(names.get(name, ""))))
        return [read_pairs(text, name.rpartition("/")[2]) for name, text in texts.items()]
    except PairFileError as fault:
        raise InputDataError(f"{address}: {fault}") from None


def _name_below(location: str, path: str) -> str:
    folder = location.rstrip("/").rpartition(":")[2].lstrip("/")
    return path.rpartition(f"{folder}/")[2]


def _senteval_names(files: Iterable[str]) -> dict[str, str]:
    """Name below `downstream` -> name below the address, of SentEval's files."""
    names = {}
    for name in files:
        below = name.rpartition(_ROOT)[2]
        if below.startswith(_TASK_FOLDERS):
            names[below] = name
    return names


def _texts(spark: SparkSession, location: str, files: Iterable[ListedFile]) -> dict[str, str]:
    """Name below the location -> text, of these files."""
    paths = []
    for file in files:
        paths.append(file.path)
        if file.size > _LARGEST_FILE:
            raise InputDataError(
                f"{file.path}: has {file.size:,} bytes, expected pairs, {_LARGEST_FILE:,} at most"
            )
    reader = spark.read.format("binaryFile").options(**LITERAL_PATHS)
    rows = reader.load(paths).select("path", "content").collect()
    texts = {}
    for row in sorted(rows, key=lambda row: str(row["path"])):
        name = _name_below(location, str(row["path"]))
        try:
            texts[name] = bytes(row["content"]).decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise InputDataError(f"{row['path']}: is no UTF-8 text (byte {fault.start})") from None
    return texts
