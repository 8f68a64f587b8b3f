"""Files of generated captions: the journal of a run, and SynthCLIP's chunks."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import pyarrow.fs as pafs
from pydantic import BaseModel, ValidationError
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
from spark_jobs.core.errors import OutputTableError
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
    Raises OutputTableError if a file of others has one of these names.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    before = _read_chunks(folder)
    stays = before.files if before.identity == digest else []
    chunks = [f"{number}.json" for number in numbers]
    _refuse_other_files(folder, {*chunks} - {*before.files})
    # A run that is cut off leaves files that the next one may remove.
    _write_chunks_note(folder, before.identity if stays else "", {*before.files, *chunks})
    _remove_files(folder, {*before.files} - {*stays, *chunks})
    n_files = max(1, len(numbers))
    rows = (
        captions.select(N, CAPTION, ENTRY_ID)
        .repartition(n_files, N)
        .sortWithinPartitions(N, ENTRY_ID)
        .select(N, CAPTION)
    )
    written = map_in_arrow(rows, write_json_lists(folder, "{}.json", INDENTED), _FILES).collect()
    names = {row[FILE] for row in written}
    for chunk in chunks:
        if chunk not in names:
            write_file(f"{folder}/{chunk}", _NO_CAPTIONS)
    _write_chunks_note(folder, digest, {*stays, *chunks})
    return sum(row[ROWS] for row in written)


class _Chunks(BaseModel):
    """The names of a folder's chunks, and what tells their captions from others.

    `identity`: empty where a run was cut off, whose files may be of different captions.
    """

    identity: str = ""
    files: list[str] = []


def _write_chunks_note(folder: str, identity: str, files: Set[str]) -> None:
    note = _Chunks(identity=identity, files=sorted(files))
    write_file(f"{folder}/{_OF_FILES}", note.model_dump_json().encode())


def _read_chunks(folder: str) -> _Chunks:
    try:
        return _Chunks.model_validate_json(_read(f"{folder}/{_OF_FILES}") or b"{}")
    except ValidationError:
        return _Chunks()


def _refuse_other_files(folder: str, names: Set[str]) -> None:
    other = sorted(_files_there(folder, names))
    if other:
        raise OutputTableError(
            f"output {folder} holds {other[0]}, which generate-captions did not write there; give "
            "another output, or move it"
        )


def _remove_files(folder: str, names: Set[str]) -> None:
    system, _ = file_system(folder)
    for path in _files_there(folder, names).values():
        system.delete_file(path)


def _files_there(folder: str, names: Set[str]) -> dict[str, str]:
    """Name -> path of those files that the folder has."""
    system, path = file_system(folder)
    entries = system.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return {entry.base_name: entry.path for entry in entries if entry.base_name in names}


def _read(location: str) -> bytes | None:
    system, path = file_system(location)
    try:
        with system.open_input_stream(path) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        return None
    return content
