"""Scored pairs of sentences: SentEval's folder, or files of score, sentence and sentence."""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile, list_files_at
from udfs.opened_files import shown_path
from udfs.sts.pair_files import PairFileError, PairSet, read_pairs, read_senteval

_ROOT = "downstream/"  # SentEval's tasks lie below data/downstream
_TASK_FOLDERS = ("STS/", "SICK/")
_LARGEST_FILE = 1 << 28


def read_pair_sets(spark: SparkSession, addresses: Sequence[str]) -> list[PairSet]:
    """The sets of pairs at the addresses, two pairs in each at least.

    A folder is SentEval's, or one above its `downstream`; else each of its files has a line
    `score<TAB>a<TAB>b` for each pair, and gives its name, with the folders above if others have it
    too. Raises InputDataError, naming the file, or the set that is there twice.
    """
    sets: list[PairSet] = []
    texts_of_files: list[tuple[str, str]] = []
    for address in addresses:
        location = parse_address(address).location
        files = {_name_below(location, f.path): f for f in list_files_at(spark, location) if f.size}
        if not files:
            raise InputDataError(f"{address}: no file with content lies there")
        names = _senteval_names(files)
        # Beside these SentEval's folder has gigabytes of other tasks, pickles among them.
        wanted = {n: f for n, f in files.items() if not names or n in names.values()}
        texts = _texts(spark, wanted.values())
        if names:
            by_name = {_name_below(location, path): text for path, text in texts.items()}
            sets += _senteval_sets(address, names, by_name)
        else:
            texts_of_files += texts.items()
    for name, (path, text) in zip(
        _distinct_names([path for path, _ in texts_of_files]), texts_of_files, strict=True
    ):
        try:
            sets.append(read_pairs(text, name))
        except PairFileError as fault:
            raise InputDataError(f"{path}: {str(fault).removeprefix(f'{name}: ')}") from None
    set_names = [(part.task, part.name) for part in sets]
    repeated = next((name for name in set_names if set_names.count(name) > 1), None)
    if repeated is not None:
        raise InputDataError(f"set {' '.join(repeated)} is there twice; give each once")
    return sets


def _senteval_sets(
    address: str, names: Mapping[str, str], texts: Mapping[str, str]
) -> list[PairSet]:
    try:
        return list(read_senteval(lambda name: texts.get(names.get(name, ""))))
    except PairFileError as fault:
        raise InputDataError(f"{address}: {fault}") from None


def _distinct_names(paths: Sequence[str]) -> list[str]:
    """The last parts of each path, as few as no other path ends in; of equal paths, the whole."""
    parts = [path.split("/") for path in paths]
    return [
        next(
            ("/".join(own[-n:]) for n in range(1, len(own)) if _n_ending_in(parts, own[-n:]) == 1),
            "/".join(own),
        )
        for own in parts
    ]


def _n_ending_in(paths: Sequence[Sequence[str]], end: Sequence[str]) -> int:
    return sum(path[-len(end) :] == end for path in paths)


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


def _texts(spark: SparkSession, files: Iterable[ListedFile]) -> dict[str, str]:
    """Path -> text of these files."""
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
        path = shown_path(row["path"])
        try:
            texts[path] = bytes(row["content"]).decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise InputDataError(f"{path}: is no UTF-8 text (byte {fault.start})") from None
    return texts
