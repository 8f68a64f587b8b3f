"""Split normalised rows into accepted ones, one per key, and rejected ones with the reason."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from spark_jobs.core.columns import keys
from spark_jobs.core.id_counts import repeated_hashes
from spark_jobs.core.schemas import CAPTION, JOB, REASON, REJECTED, RUN_ID, UID
from spark_jobs.ingest.normalise import FAULT, RAW, ROW
from udfs.id_counts import ID

# Further working columns, beside those of normalise.py.
RANK, KEY = "(rank)", "(key)"
FIRST, COPIES, START = "(first)", "(copies)", "(start)"
_MIN_HOT_COPIES = 10_000  # rows of one key above which no single task gets all of them
_COPIES_PER_TASK = 256  # rows of equal content that one task gets at most at a time
_KEY_COLUMNS = StructType([StructField(KEY, LongType())])
DUPLICATE_UID = "duplicate_uid"


def repeated_keys(rows: DataFrame, *, at_least: int = 2) -> DataFrame:
    """Hashes of the keys that at least `at_least` rows have, in the column KEY.

    Rows with a fault are counted too, since finding faults would require reading the captions.
    """
    return repeated_hashes(rows, _key_hash(rows), at_least=at_least).select(F.col(ID).alias(KEY))


def accepted(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, no_faults: bool = False
) -> DataFrame:
    """The rows without fault, one per uid (and caption_id, if there is one).

    Which of several rows with the same key stays depends on their content alone. `repeated`: all
    hashes of `repeated_keys`, so that only their rows are shuffled; None if unknown. `no_faults`:
    no row is known to have a fault, so the filter is skipped.
    """
    valid_rows = rows if no_faults else rows.where(F.col(FAULT).isNull())
    if repeated is None:
        return _first_copies(valid_rows)
    if not repeated:
        return valid_rows.drop(FAULT, ROW, RAW)
    repeated_frame = _keys_frame(valid_rows, repeated)
    first_copies = _first_copies(_rows_with_keys(valid_rows, repeated_frame))
    unique_rows = _rows_with_keys(valid_rows, repeated_frame, how="left_anti")
    return unique_rows.drop(FAULT, ROW, RAW).unionByName(first_copies)


def rejected(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, run_id: str, job: str
) -> DataFrame:
    """schemas.REJECTED: the rows that `accepted` leaves out, with the reason."""
    return (
        _rejected_rows(rows, repeated)
        .select(
            F.lit(run_id).alias(RUN_ID),
            F.lit(job).alias(JOB),
            F.col(FAULT).alias(REASON),
            UID,
            F.col(ROW).alias("row"),
            F.col(RAW).alias("raw"),
        )
        .select(*REJECTED.names)
    )


def _rejected_rows(rows: DataFrame, repeated: Sequence[int] | None) -> DataFrame:
    """The rows with a fault, and all but the first row of each key, with fault DUPLICATE_UID.

    Without `repeated`, keys of 10,000 rows and more ("hot" ones) are handled without a shuffle of
    all their rows to one task.
    """
    if repeated is not None:
        return (
            _faulty_and_later_copies(rows, _keys_frame(rows, repeated))
            if repeated
            else _rows_with_fault(rows)
        )
    hot_keys = repeated_keys(rows, at_least=_MIN_HOT_COPIES)
    valid_rows = rows.where(F.col(FAULT).isNull())
    with_key = valid_rows.withColumn(KEY, _key_hash(valid_rows))
    cold_rows = with_key.join(F.broadcast(hot_keys), on=KEY, how="left_anti")
    later_copies = _with_rank(cold_rows).where(F.col(RANK) > 1)
    cold_rejected = later_copies.withColumn(FAULT, F.lit(DUPLICATE_UID)).drop(KEY, RANK)
    return _faulty_and_later_copies(rows, hot_keys).unionByName(cold_rejected)


def _rows_with_fault(rows: DataFrame) -> DataFrame:
    return rows.where(F.col(FAULT).isNotNull())


def _faulty_and_later_copies(rows: DataFrame, key_hashes: DataFrame) -> DataFrame:
    """The rows with a fault, and all but the first row of the given keys, with DUPLICATE_UID.

    The first row of a key is the one with the smallest hash of its content. A key may have most of
    the rows, so they are not shuffled: each key's smallest hash is broadcast and compared with.
    Rows that share the smallest hash, nearly always equal in all columns, are counted instead.
    """
    copies = _rows_with_keys(rows.where(F.col(FAULT).isNull()), key_hashes)
    smallest_hash = F.min(F.xxhash64(ROW)).alias(FIRST)
    first_hashes = F.broadcast(copies.groupBy(*keys(rows)).agg(smallest_hash))
    with_first_hash = rows.join(first_hashes, on=keys(rows), how="left")
    is_later = F.xxhash64(ROW) > F.col(FIRST)
    fault = F.coalesce(FAULT, F.when(is_later, DUPLICATE_UID))
    rejected_rows = with_first_hash.withColumn(FAULT, fault).where(F.col(FAULT).isNotNull())
    first_copies = copies.join(first_hashes, on=keys(rows)).where(F.xxhash64(ROW) == F.col(FIRST))
    equal_copies = _all_but_first_of_equal_hash(first_copies.drop(FIRST))
    return rejected_rows.drop(FIRST).unionByName(equal_copies, allowMissingColumns=True)


def _all_but_first_of_equal_hash(rows: DataFrame) -> DataFrame:
    """All but the first of the rows that share their key's smallest hash.

    Columns: keys, CAPTION, ROW, FAULT. Equal rows are aggregated to one row with their number, then
    expanded again in chunks spread over tasks.
    """
    key_columns = keys(rows)
    with_count = rows.groupBy(*key_columns, CAPTION, ROW).agg(F.count("*").alias(COPIES))
    by_content = Window.partitionBy(*key_columns).orderBy(CAPTION, ROW)
    is_first = (F.row_number().over(by_content) == 1).cast("long")
    n_rejected = F.col(COPIES) - is_first
    to_reject = with_count.withColumn(COPIES, n_rejected).where(F.col(COPIES) > 0)
    zero, one, chunk_size = (F.lit(n).cast("long") for n in (0, 1, _COPIES_PER_TASK))
    starts = F.sequence(zero, F.col(COPIES) - 1, chunk_size)
    chunks = to_reject.withColumn(START, F.explode(starts)).repartition(*key_columns, START)
    size = F.least(F.col(COPIES) - F.col(START), chunk_size)
    copies = chunks.withColumn(COPIES, F.explode(F.sequence(one, size)))
    return copies.drop(COPIES, START).withColumn(FAULT, F.lit(DUPLICATE_UID))


def _first_copies(valid_rows: DataFrame) -> DataFrame:
    # The literal bound lets Spark drop further copies before the shuffle, so that a key with many
    # copies does not overload one task.
    return _with_rank(valid_rows).where(F.col(RANK) == 1).drop(FAULT, ROW, RAW, RANK)


def _rows_with_keys(rows: DataFrame, key_hashes: DataFrame, *, how: str = "left_semi") -> DataFrame:
    """The rows whose key hash is listed; with how="left_anti" the others."""
    with_key = rows.withColumn(KEY, _key_hash(rows))
    return with_key.join(F.broadcast(key_hashes), on=KEY, how=how).drop(KEY)


def _keys_frame(rows: DataFrame, key_hashes: Sequence[int]) -> DataFrame:
    return rows.sparkSession.createDataFrame([(key,) for key in key_hashes], _KEY_COLUMNS)


def _key_hash(rows: DataFrame) -> Column:
    """Hash of uid (and caption_id, if there is one), as in the column KEY."""
    return F.xxhash64(*keys(rows))


def _with_rank(rows: DataFrame) -> DataFrame:
    """Add RANK: a row's rank among those of its key, 1 for the one that stays."""
    same_key = Window.partitionBy(*keys(rows)).orderBy(F.xxhash64(ROW), CAPTION, ROW)
    return rows.withColumn(RANK, F.row_number().over(same_key))
