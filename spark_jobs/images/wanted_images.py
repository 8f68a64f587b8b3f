"""Which images of a table are to be downloaded, and the columns that their files carry."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegralType,
    MapType,
    StringType,
    StructType,
)

from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.core.schemas import CAPTION, CAPTION_ID, NSFW, SHA256, UID, URL

NsfwPolicy = Literal["any", "not_nsfw", "unlikely"]
ATTEMPT = "attempt"
# img2dataset's names, with the formats of images and the file of captions.
RESERVED = frozenset(
    {
        *("key", "status", "error_message", "exif", "md5", "sha256", "sha512", "txt", "json"),
        *("width", "height", "original_width", "original_height", "jpg", "png", "webp", "__key__"),
        # Those of our own that the rows of a shard have.
        *("uid", "url", "caption", "attempt", "shard"),
    }
)
_PREFIX = "input_"


def is_allowed(policy: NsfwPolicy) -> Column:
    """Whether a policy lets a row be downloaded.

    `not_nsfw`: the value is not exactly NSFW, as in unmet-promise, where null and UNSURE stay.
    `unlikely`: the value is UNLIKELY, as in LAIONet, where null goes.
    """
    if policy == "not_nsfw":
        return ~F.col(NSFW).eqNullSafe(F.lit("NSFW"))
    return F.col(NSFW).eqNullSafe(F.lit("UNLIKELY")) if policy == "unlikely" else F.lit(True)


def one_row_an_image(rows: DataFrame, n_urls: str) -> DataFrame:
    """A row for each uid, of tables that have a row per caption or per query of an image.

    The first by caption_id, then caption. Adds the column `n_urls`: whether it has one URL in all
    of its rows (1), or several (2).
    """
    others = [name for name in rows.columns if name != UID]
    plain = [name for name in others if not isinstance(rows.schema[name].dataType, MapType)]
    by = [name for name in (CAPTION_ID, CAPTION) if name in others]
    first = F.min_by(
        F.struct(*map(named, others)),
        F.struct(*map(named, by), F.xxhash64(*map(named, plain))),
    )
    has_one = F.min(URL).eqNullSafe(F.max(URL)) & (
        (F.count(URL) == F.count(F.lit(1))) | F.min(URL).isNull()
    )
    urls = F.when(has_one, 1).otherwise(2)
    return (
        rows.groupBy(UID)
        .agg(first.alias("_first"), urls.alias(n_urls))
        .select(UID, "_first.*", n_urls)
    )


def names_in_files(columns: Mapping[str, str]) -> dict[str, str]:
    """Column -> its name in the files: a reserved one gets a prefix.

    Raises SettingsError if two names are equal without regard to case.
    """
    names = {
        column: f"{_PREFIX}{name}" if name.lower() in RESERVED else name
        for column, name in columns.items()
    }
    lower = [name.lower() for name in names.values()]
    if repeated := [name for name in lower if lower.count(name) > 1]:
        raise SettingsError(f"columns: two have the name {repeated[0]!r} in the files")
    return names


def rows_for_files(captions: DataFrame, called: str, columns: Mapping[str, str]) -> DataFrame:
    """uid, url, caption and further columns under their names in the files.

    Values that JSON lacks are written as text; raises InputDataError for bytes.
    """
    selected = [F.col(UID), F.col(URL).cast("string").alias(URL)]
    if CAPTION in captions.columns:
        selected.append(F.col(CAPTION))
    for column, name in names_in_files(columns).items():
        column_type = captions.schema[column].dataType
        if isinstance(column_type, BinaryType):
            raise InputDataError(
                f"{called}: column {column!r} holds bytes, which no file can carry as JSON"
            )
        value = named(column)
        selected.append((value if _is_json(column_type) else value.cast("string")).alias(name))
    return captions.select(*selected)


def _is_json(column_type: DataType) -> bool:
    """Whether Python's JSON can write the values of a type as they are."""
    if isinstance(column_type, ArrayType):
        return _is_json(column_type.elementType)
    if isinstance(column_type, StructType):
        return all(_is_json(field.dataType) for field in column_type.fields)
    plain = (StringType, BooleanType, FloatType, DoubleType, IntegralType)
    return isinstance(column_type, plain)


def first_attempts(rows: DataFrame) -> DataFrame:
    """The rows with the number of their first attempt."""
    return rows.withColumn(ATTEMPT, F.lit(1))


def rows_to_download(rows: DataFrame, downloads: DataFrame, retried: Sequence[str]) -> DataFrame:
    """The rows never tried, and those whose last attempt failed for one of the causes `retried`.

    `downloads`: the ledger, by uid and url. Adds the number of the attempt, from 1.
    """
    tried = last_attempts(rows, downloads, how="left")
    is_new = F.col(ATTEMPT).isNull()
    return tried.where(is_new | has_cause(retried)).select(
        *map(named, rows.columns), (F.coalesce(F.col(ATTEMPT), F.lit(0)) + 1).alias(ATTEMPT)
    )


def last_attempts(rows: DataFrame, downloads: DataFrame, *, how: str = "inner") -> DataFrame:
    """The rows with attempt, cause and http_status of their last attempt in the ledger."""
    facts = F.struct(ATTEMPT, "cause", "http_status")
    last = downloads.groupBy(F.col(UID).alias("_uid"), F.col(URL).alias("_url")).agg(
        F.max_by(facts, F.col(ATTEMPT)).alias("_last")
    )
    is_same = (F.col(UID) == F.col("_uid")) & F.col(URL).eqNullSafe(F.col("_url"))
    return rows.join(last, on=is_same, how=how).select(*map(named, rows.columns), "_last.*")


def has_cause(retried: Sequence[str]) -> Column:
    """Whether the last attempt has one of the causes, kinds of status (5xx) or statuses (503)."""
    status = F.coalesce(F.col("http_status"), F.lit(0))
    is_one = F.lit(False)
    for name in retried:
        if name.isdigit():
            is_one = is_one | (status == int(name))
        elif name.endswith("xx"):
            is_one = is_one | status.between(int(name[0]) * 100, int(name[0]) * 100 + 99)
        else:
            is_one = is_one | F.col("cause").eqNullSafe(F.lit(name))
    return is_one


def placeholders(downloads: DataFrame, n_urls: int) -> DataFrame:
    """Images of at least `n_urls` URLs, by sha256 with the number of URLs, those of most first."""
    return (
        downloads.where(F.col(SHA256).isNotNull())
        .groupBy(SHA256)
        .agg(F.countDistinct(URL).alias("urls"))
        .where(F.col("urls") >= n_urls)
        .orderBy(F.desc("urls"), SHA256)
    )
