"""Files of generated captions: the journal of a run, and SynthCLIP's chunks."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import pyarrow.fs as pafs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.captioning.wanted import ATTEMPT, IS_MATCHABLE, KEY
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, CONCEPT, ENTRY_ID, GENERATIONS, LANG, N
from spark_jobs.storage.outputs.folders import write_file
from udfs.captioning.asking import ANSWERED, ASKED, STOP, Work, ask
from udfs.captioning.journal import END, JOURNAL
from udfs.file_systems import file_system, spark_location
from udfs.json_files import FILE, INDENTED, ROWS, write_json_lists

PAPERS = (
    "SynthCLIP, synthetic_captions/*.json: captions as they come, a JSON list for each chunk",
)

_RESULT = StructType(
    [
        StructField(ASKED, LongType()),
        StructField(ANSWERED, LongType()),
        StructField(STOP, StringType()),
    ]
)
_FILES = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])
_NO_CAPTIONS = b"[]"
_OF_FILES = f"{JOURNAL}/captions"  # names what the folder's captions are of


class Asked(NamedTuple):
    """What tasks have done: requests asked, those with an answer, and why tasks stopped early."""

    n_asked: int
    n_answered: int
    stops: list[str]


def ask_in_tasks(requests: DataFrame, work: Work, n_tasks: int) -> Asked:
    """Ask for captions in tasks.

    `requests`: rows of `to_ask`. A caption's task is decided by a hash of its
    KEY, so that each has its share of long and short concepts.
    """
    rows = (
        requests.select(*KEY, ATTEMPT, LANG, IS_MATCHABLE)
        .repartition(n_tasks, *KEY)
        .sortWithinPartitions(F.xxhash64(*KEY), *KEY)
    )
    results = map_in_arrow(rows, ask(work), _RESULT).collect()
    stops = [row[STOP] for row in results if row[STOP] is not None]
    n_asked, n_answered = (sum(row[name] for row in results) for name in (ASKED, ANSWERED))
    return Asked(n_asked, n_answered, list(dict.fromkeys(stops)))


def read_journal(spark: SparkSession, files: Iterable[str]) -> DataFrame:
    """The rows of files of the journal; lines that were cut off are left out."""
    schema = StructType([*GENERATIONS.fields, StructField(END, BooleanType())])
    paths = [spark_location(file) if file.startswith("/") else file for file in files]
    rows = spark.read.schema(schema).json(paths)
    return rows.where(F.col(END) & F.col(CONCEPT).isNotNull()).select(*GENERATIONS.names)


def write_chunks(
    captions: DataFrame, folder: str, numbers: Sequence[int], identity: Mapping[str, str]
) -> int:
    """Write `<n>.json` for each number, as SynthCLIP does; the number of captions.

    `captions`: entry_id, n, caption. A file is a list in order of the bank. Files of captions with
    another `identity` (prompt, model ...) are removed, so that a reader of the folder meets none.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest().encode()
    if _read(f"{folder}/{_OF_FILES}") != digest:
        _remove_chunks(folder, {*numbers})
    n_files = max(1, len(numbers))
    rows = (
        captions.select(N, CAPTION, ENTRY_ID)
        .repartition(n_files, N)
        .sortWithinPartitions(N, ENTRY_ID)
        .select(N, CAPTION)
    )
    written = map_in_arrow(rows, write_json_lists(folder, "{}.json", INDENTED), _FILES).collect()
    names = {row[FILE] for row in written}
    for number in numbers:
        if f"{number}.json" not in names:
            write_file(f"{folder}/{number}.json", _NO_CAPTIONS)
    write_file(f"{folder}/{_OF_FILES}", digest)  # last: files of both are removed again till then
    return sum(row[ROWS] for row in written)


def _remove_chunks(folder: str, kept: Set[int]) -> None:
    system, path = file_system(folder)
    for file in system.get_file_info(pafs.FileSelector(path, allow_not_found=True)):
        chunk = re.fullmatch(r"(\d+)\.json", file.base_name)
        if chunk and int(chunk[1]) not in kept:
            system.delete_file(file.path)


def _read(location: str) -> bytes | None:
    system, path = file_system(location)
    try:
        with system.open_input_stream(path) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        return None
    return content
