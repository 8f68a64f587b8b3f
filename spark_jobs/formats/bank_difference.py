"""Compare two concept banks, tables, files or banks by name: the entries that only one has."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.concepts.bank import ENGLISH
from spark_jobs.core import schemas
from spark_jobs.core.bank_names import is_named_bank
from spark_jobs.core.columns import as_type
from spark_jobs.core.schemas import COUNT, ENTRY, IN_A, IN_B, LANG, SCORE, UID
from spark_jobs.formats.bank_sources import has_bank_suffix, read_source_or_file
from spark_jobs.storage.table_states import bank_state
from spark_jobs.storage.tables import read_table

_WIDEST = 60  # characters of an entry in a terminal


def is_entry_list(address: str) -> bool:
    """Whether an address is a bank by name, or a file of entries, rather than a table."""
    return is_named_bank(address) or has_bank_suffix(address)


def is_bank(spark: SparkSession, address: str) -> bool:
    """Whether an address is a concept bank: a name, a file of entries, or a table of them."""
    if is_entry_list(address):
        return True
    columns = _table(spark, address).columns
    return ENTRY in columns and UID not in columns


def bank_difference(spark: SparkSession, a: str, b: str) -> DataFrame:
    """schemas.BANK_DIFFERENCE of two banks: each entry of a language once.

    Entries without a language count as English, as where a bank's duplicates are sought.
    """
    sides = [_entries(spark, a, IN_A), _entries(spark, b, IN_B)]
    both = sides[0].unionByName(sides[1])
    merged = both.groupBy(LANG, ENTRY).agg(
        F.max(IN_A).alias(IN_A),
        F.max(IN_B).alias(IN_B),
        # the values of a, else of b, which come from one row of the bank that has it
        F.coalesce(F.max(F.when(F.col(IN_A), F.col(COUNT))), F.max(COUNT)).alias(COUNT),
        F.coalesce(F.max(F.when(F.col(IN_A), F.col(SCORE))), F.max(SCORE)).alias(SCORE),
    )
    return merged.select(*schemas.BANK_DIFFERENCE.names)


def bank_lines(difference: DataFrame, names: Sequence[str], *, top: int) -> list[str]:
    """Sizes and overlap, and the first entries that only a or only b has, most frequent first."""
    by_side = difference.groupBy(IN_A, IN_B).agg(F.count("*").alias("n")).collect()
    sizes = {(row[IN_A], row[IN_B]): row["n"] for row in by_side}
    both, only_a, only_b = (
        sizes.get(side, 0) for side in ((True, True), (True, False), (False, True))
    )
    lines = [
        f"a: {both + only_a:,} entries, {only_a:,} of them only there ({names[0]})",
        f"b: {both + only_b:,} entries, {only_b:,} of them only there ({names[1]})",
        f"both: {both:,} entries",
    ]
    for side, n, is_side in (("a", only_a, ~F.col(IN_B)), ("b", only_b, ~F.col(IN_A))):
        if n:
            first = difference.where(is_side).orderBy(F.desc_nulls_last(COUNT), LANG, ENTRY)
            lines.append(f"only in {side}:")
            rows = first.limit(top).collect()
            lines += [_line(row[LANG], row[ENTRY], row[COUNT]) for row in rows]
    return lines


def _line(lang: str, entry: str, count: int | None) -> str:
    text = entry if len(entry) <= _WIDEST else f"{entry[: _WIDEST - 3]}..."
    shown = f"{text} ({lang})"
    return f"  {shown:<66}" + ("" if count is None else f"{count:>12,}")


def _entries(spark: SparkSession, address: str, side: str) -> DataFrame:
    """lang, entry, in_a, in_b, count and score of a bank's entries."""
    if is_entry_list(address):
        table = read_source_or_file(spark, address)
        rows = table.select([LANG, ENTRY, COUNT, SCORE]).to_pandas(integer_object_nulls=True)
        schema = StructType([schemas.CONCEPT_BANK[name] for name in rows.columns])
        entries = spark.createDataFrame(rows, schema)
    else:
        entries = _table(spark, address)
    types = {LANG: "string", COUNT: "bigint", SCORE: "double"}
    lang, count, score = (
        (as_type(name, kind) if name in entries.columns else F.lit(None).cast(kind)).alias(name)
        for name, kind in types.items()
    )
    is_side = [F.lit(side == name).alias(name) for name in (IN_A, IN_B)]
    english = F.coalesce(lang, F.lit(ENGLISH)).alias(LANG)
    return entries.select(ENTRY, english, count, score, *is_side)


def _table(spark: SparkSession, address: str) -> DataFrame:
    version = bank_state(spark, address).version
    return read_table(spark, address, schemas.EMPTY, version=version)
