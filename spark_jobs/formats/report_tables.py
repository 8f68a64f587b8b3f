"""Read what a report shows from the tables that runs wrote."""

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.balancing.keep import matches_by_uid
from spark_jobs.core import schemas
from spark_jobs.core.addresses import table_name
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    AVAILABLE,
    CLASS_IDX,
    CLASS_NAME,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    KEPT_COUNT,
    TAKEN,
    TARGET,
    UID,
    T,
)
from spark_jobs.formats.entry_counts import read_entry_counts
from spark_jobs.formats.matches import LEFT_OUT, matches_of_captions
from spark_jobs.report.captions import MOST_MATCHES
from spark_jobs.report.classes import ClassCount
from spark_jobs.report.entries import EntryCounts, EntryRow
from spark_jobs.storage.old_versions import read_recorded_version, readable_version

_MAX_ENTRIES = 10


def entry_counts(spark: SparkSession, run: RunRecord) -> EntryCounts | None:
    """The entry counts that a run balanced by or wrote; None if it has none."""
    entries = read_run_entries(spark, run)
    if entries is None:
        return None
    matched = entries.where(F.col(ENTRY_COUNT) > 0)
    columns = matched.select(ENTRY_COUNT, KEPT_COUNT, T).toPandas()
    columns = columns.sort_values(ENTRY_COUNT, ascending=False, kind="stable")
    has_kept = len(columns) > 0 and not columns[KEPT_COUNT].isna().any()
    return EntryCounts(
        counts=columns[ENTRY_COUNT].to_numpy(np.int64),
        kept=columns[KEPT_COUNT].to_numpy(np.int64) if has_kept else None,
        ts=sorted(int(t) for t in columns[T].dropna().unique()),
        largest=_entry_rows(matched.orderBy(F.desc(ENTRY_COUNT), ENTRY_ID)),
        rarest=_entry_rows(matched.orderBy(ENTRY_COUNT, ENTRY_ID)),
        n_bank=count_rows(entries),
    )


def read_run_entries(spark: SparkSession, run: RunRecord) -> DataFrame | None:
    """entry_id, entry, entry_count, kept_count and t of a run; the last two null if unrecorded."""
    if "probabilities" in run.outputs:
        return read_run_output(spark, run, "probabilities", schemas.ENTRY_PROBABILITIES)
    address = run.outputs.get("entry_counts") or run.settings.get("entry_counts")
    if address is None:
        return None
    t = None if run.settings.get("by_language") else run.counts.get("t")
    recorded = run.written.get(address) or run.inputs.get(address)
    version = readable_version(spark, address, recorded)
    counted = read_entry_counts(spark, address, version)
    return counted.withColumns({KEPT_COUNT: F.lit(None).cast("long"), T: F.lit(t).cast("long")})


def matches_per_caption(matches: DataFrame) -> dict[int, int]:
    """Number of captions by number of matches; MOST_MATCHES + 1 stands for all larger numbers."""
    n_matches = F.least(F.size(ENTRY_IDS), F.lit(MOST_MATCHES + 1)).alias("n")
    return {row["n"]: row["count"] for row in matches.groupBy(n_matches).count().collect()}


def matches_before_balancing(spark: SparkSession, run: RunRecord) -> DataFrame:
    """The matches that a run balanced, a row per uid."""
    matches = read_run_input(spark, run, "matches")
    if LEFT_OUT in run.counts:
        matches = matches_of_captions(matches, read_run_input(spark, run, "captions"))
    return matches_by_uid(matches)


def matches_after_balancing(spark: SparkSession, run: RunRecord) -> DataFrame:
    """The matches of the captions that a run kept, a row per uid."""
    kept = read_run_output(spark, run, "output")
    if ENTRY_IDS in kept.columns:
        return matches_by_uid(kept)
    return matches_before_balancing(spark, run).join(kept.select(UID), on=UID, how="left_semi")


def matches_written(spark: SparkSession, run: RunRecord) -> DataFrame | None:
    """The matches that a run of match-concepts wrote; None if it only counted."""
    if "output" not in run.outputs:
        return None
    return matches_by_uid(read_run_output(spark, run, "output", schemas.MATCHES))


def class_counts(spark: SparkSession, run: RunRecord) -> tuple[list[ClassCount], list[str]]:
    """(counts of a subset's classes, in class order, names of its source tables)."""
    rows = read_run_output(spark, run, "counts", schemas.CLASS_FREQUENCIES)
    names = (CLASS_NAME, TARGET, AVAILABLE, TAKEN)
    class_rows = rows.orderBy(CLASS_IDX).select(*names).collect()
    sources = run.settings.get("sources") or [run.settings["input"]]
    return [ClassCount(*row) for row in class_rows], [table_name(address) for address in sources]


def _entry_rows(rows: DataFrame) -> list[EntryRow]:
    columns = rows.select(ENTRY_ID, ENTRY, ENTRY_COUNT, KEPT_COUNT)
    return [
        EntryRow(entry_name(row[ENTRY_ID], row[ENTRY]), row[ENTRY_COUNT], row[KEPT_COUNT])
        for row in columns.limit(_MAX_ENTRIES).collect()
    ]


def entry_name(entry_id: int, entry: str | None) -> str:
    """The text of an entry, or its id where the text is not known."""
    return f"entry_id {entry_id}" if entry is None else entry


def read_run_input(spark: SparkSession, run: RunRecord, setting: str) -> DataFrame:
    """Read the table of a setting in the version that the run read."""
    address = run.settings[setting]
    return read_recorded_version(spark, address, schemas.EMPTY, run.inputs.get(address))


def read_run_output(
    spark: SparkSession, run: RunRecord, setting: str, needed: StructType = schemas.EMPTY
) -> DataFrame:
    """Read a table in the version that the run wrote, even if it was overwritten since."""
    address = run.outputs[setting]
    return read_recorded_version(spark, address, needed, run.written.get(address))
