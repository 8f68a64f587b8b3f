"""Files of generated captions: the journal of a run, and SynthCLIP's chunks."""

from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.captioning.wanted import ATTEMPT, IS_MATCHABLE, KEY
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, CONCEPT, ENTRY_ID, GENERATIONS, LANG, N
from spark_jobs.storage.outputs.folders import write_file
from udfs.captioning.asking import ASKED, SHARD, STOP, Work, ask
from udfs.captioning.journal import END
from udfs.file_systems import spark_location
from udfs.json_files import FILE, INDENTED, ROWS, write_json_lists

PAPERS = (
    "SynthCLIP, synthetic_captions/*.json: captions as they come, a JSON list for each chunk",
)

_RESULT = StructType(
    [
        StructField(SHARD, IntegerType()),
        StructField(ASKED, LongType()),
        StructField(STOP, StringType()),
    ]
)
_FILES = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])
_NO_CAPTIONS = b"[]"


def ask_in_tasks(requests: DataFrame, work: Work, n_tasks: int) -> tuple[int, list[str]]:
    """Ask for captions in tasks; (number asked, why tasks have stopped early).

    `requests`: rows of `to_ask`. A caption's task is decided by a hash of its
    KEY, so that each has its share of long and short concepts.
    """
    shard = F.pmod(F.xxhash64(*KEY), F.lit(n_tasks)).cast("int")
    rows = (
        requests.select(shard.alias(SHARD), *KEY, ATTEMPT, LANG, IS_MATCHABLE)
        .repartition(n_tasks, SHARD)
        .sortWithinPartitions(SHARD, F.xxhash64(*KEY), *KEY)
    )
    results = map_in_arrow(rows, ask(work), _RESULT).collect()
    stops = [row[STOP] for row in results if row[STOP] is not None]
    return sum(row[ASKED] for row in results), list(dict.fromkeys(stops))


def read_journal(spark: SparkSession, files: Iterable[str]) -> DataFrame:
    """The rows of files of the journal; lines that were cut off are left out."""
    schema = StructType([*GENERATIONS.fields, StructField(END, BooleanType())])
    paths = [spark_location(file) if file.startswith("/") else file for file in files]
    rows = spark.read.schema(schema).json(paths)
    return rows.where(F.col(END) & F.col(CONCEPT).isNotNull()).select(*GENERATIONS.names)


def write_chunks(captions: DataFrame, folder: str, numbers: Iterable[int]) -> int:
    """Write `<n>.json` for each number, as SynthCLIP does; the number of captions.

    `captions`: entry_id, n, caption. A file is a list in order of the bank.
    """
    n_files = max(1, len(list(numbers)))
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
    return sum(row[ROWS] for row in written)
