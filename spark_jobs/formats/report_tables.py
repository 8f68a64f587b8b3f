"""Read what a report shows from the tables that runs wrote."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.sql.window import Window

from spark_jobs.balancing.explanation import Explanation, MatchedEntry
from spark_jobs.balancing.keep import matches_by_uid
from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, table_name
from spark_jobs.core.draws import Draw
from spark_jobs.core.redaction import redacted
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    AVAILABLE,
    CAPTION,
    CLASS_IDX,
    CLASS_NAME,
    CLASS_SIMILARITY,
    DRAW,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    KEPT_COUNT,
    REASON,
    ROWS,
    RUN_ID,
    TAKEN,
    TARGET,
    THRESHOLD,
    UID,
    T,
)
from spark_jobs.formats.entry_counts import read_entry_counts
from spark_jobs.formats.matches import LEFT_OUT, matches_of_captions
from spark_jobs.report.blocks import Example, visible
from spark_jobs.report.captions import MOST_MATCHES
from spark_jobs.report.classes import ClassCount
from spark_jobs.report.entries import EntryCounts, EntryRow
from spark_jobs.report.similarities import SimilarityPlan
from spark_jobs.scoring.thresholds import histogram, informative_thresholds
from spark_jobs.storage.old_versions import read_recorded_version, refuse_lost_version
from spark_jobs.storage.tables import has_table, read_table
from spark_jobs.subsets.draw import rows_of_classes

_EXAMPLE_DRAW = Draw("report/examples", seed=0)
_SAMPLE_ROWS = 400
_MAX_EXAMPLES = 5
_MAX_ENTRIES = 10

X = TypeVar("X")


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
        n_bank=entries.count(),
    )


def read_run_entries(spark: SparkSession, run: RunRecord) -> DataFrame | None:
    """entry_id, entry, entry_count, kept_count and t of a run; the last two null if unrecorded."""
    if "probabilities" in run.outputs:
        return _read_output(spark, run, "probabilities", schemas.ENTRY_PROBABILITIES)
    address = run.outputs.get("entry_counts") or run.settings.get("entry_counts")
    if address is None:
        return None
    t = None if run.settings.get("by_language") else run.counts.get("t")
    version = run.written.get(address) or run.inputs.get(address)
    refuse_lost_version(spark, address, version)
    counted = read_entry_counts(spark, address, version)
    return counted.withColumns({KEPT_COUNT: F.lit(None).cast("long"), T: F.lit(t).cast("long")})


def matches_per_caption(matches: DataFrame) -> dict[int, int]:
    """Number of captions by number of matches; MOST_MATCHES + 1 stands for all larger numbers."""
    n_matches = F.least(F.size(ENTRY_IDS), F.lit(MOST_MATCHES + 1)).alias("n")
    return {row["n"]: row["count"] for row in matches.groupBy(n_matches).count().collect()}


def matches_before_balancing(spark: SparkSession, run: RunRecord) -> DataFrame:
    """The matches that a run balanced, a row per uid."""
    matches = _read_input(spark, run, "matches")
    if LEFT_OUT in run.counts:
        matches = matches_of_captions(matches, _read_input(spark, run, "captions"))
    return matches_by_uid(matches)


def matches_after_balancing(spark: SparkSession, run: RunRecord) -> DataFrame:
    """The matches of the captions that a run kept, a row per uid."""
    kept = _read_output(spark, run, "output")
    if ENTRY_IDS in kept.columns:
        return matches_by_uid(kept)
    return matches_before_balancing(spark, run).join(kept.select(UID), on=UID, how="left_semi")


def matches_written(spark: SparkSession, run: RunRecord) -> DataFrame | None:
    """The matches that a run of match-concepts wrote; None if it only counted."""
    if "output" not in run.outputs:
        return None
    return matches_by_uid(_read_output(spark, run, "output", schemas.MATCHES))


def balanced_examples(spark: SparkSession, run: RunRecord) -> tuple[list[Example], list[Example]]:
    """(captions that a run of balance-captions kept, captions that it dropped), with the reasons.

    The choice of examples depends on their uids alone.
    """
    is_sampled = _is_sampled(run.counts["rows_in"])
    matches = matches_before_balancing(spark, run).where(is_sampled)
    seed = run.settings["seed"]
    drawn = (
        matches.withColumn(DRAW, Draw(run.draws[0], seed).of(UID))
        .orderBy(_example_order())
        .collect()
    )
    caption_of = _caption_by_uid(_read_input(spark, run, "captions").where(is_sampled))
    output = _read_output(spark, run, "output").where(is_sampled)
    kept_uids = {row[UID] for row in output.select(UID).distinct().collect()}
    rows = [row for row in drawn if row[UID] in caption_of]
    kept = _first_n([row for row in rows if row[UID] in kept_uids])
    not_kept = [row for row in rows if row[UID] not in kept_uids]
    # Prefer captions with entries: all those without are dropped for the same reason.
    dropped = [*_first_n([row for row in not_kept if row[ENTRY_IDS]], _MAX_EXAMPLES - 1)]
    without_entries = [row for row in not_kept if not row[ENTRY_IDS]]
    dropped += _first_n(without_entries, _MAX_EXAMPLES - len(dropped))
    entries = _matched_entries(
        spark, run, {id_ for row in [*kept, *dropped] for id_ in row[ENTRY_IDS]}
    )

    def example(uid: str, entry_ids: list[int], draw: float) -> Example:
        matched = [entries[id_] for id_ in entry_ids if id_ in entries]
        explanation = Explanation(uid, matched, seed, draw, uid in kept_uids)
        names = [f"{visible(entry.entry, 40)} {entry.count:,}" for entry in matched]
        return Example(visible(caption_of[uid]), uid in kept_uids, explanation.reason, names)

    return (
        [example(row[UID], row[ENTRY_IDS], row[DRAW]) for row in kept],
        [example(row[UID], row[ENTRY_IDS], row[DRAW]) for row in dropped],
    )


def duplicate_examples(spark: SparkSession, run: RunRecord) -> list[Example]:
    """Some rows that a run of dedup-captions dropped."""
    n_dropped = run.counts["duplicates"]
    if not n_dropped:
        return []
    is_sampled = _is_sampled(n_dropped)
    caption_of = _caption_by_uid(
        _read_input(spark, run, "captions").where(is_sampled).orderBy(_example_order())
    )
    output = _read_output(spark, run, "output").where(is_sampled)
    kept_uids = {row[UID] for row in output.select(UID).collect()}
    dropped = _first_n([uid for uid in caption_of if uid not in kept_uids])
    reason = f"the same {run.settings['by']} has a row with a smaller uid"
    return [Example(visible(caption_of[uid]), False, reason) for uid in dropped]


def rejected_examples(spark: SparkSession, run: RunRecord, workspace: str) -> list[Example]:
    """Some rows that a run rejected, one or two of each reason."""
    address = join_address(workspace, "rejected")
    if not run.counts.get("rejected") or not has_table(spark, address):
        return []
    rows = read_table(spark, address, schemas.REJECTED).where(F.col(RUN_ID) == run.run_id)
    nth = F.row_number().over(Window.partitionBy(REASON).orderBy("row", UID))
    first_rows = rows.withColumn("nth", nth).where("nth <= 2")
    example_rows = first_rows.orderBy("nth", REASON).limit(_MAX_EXAMPLES)
    return [
        Example(visible(redacted(row["row"] or "")), False, row[REASON].replace("_", " "))
        for row in example_rows.collect()
    ]


def similarity_plan(spark: SparkSession, run: RunRecord, used: float | None) -> SimilarityPlan:
    """The thresholds of a run of plan-threshold, with the histogram of the scores that it read."""
    rows = _read_output(spark, run, "output", schemas.SIMILARITY_PLAN).orderBy(THRESHOLD)
    bars = histogram(_read_input(spark, run, "scores"), run.settings["column"])
    kept = informative_thresholds(rows.toPandas())[[THRESHOLD, ROWS, CLASS_SIMILARITY]]
    return SimilarityPlan(list(kept.itertuples(index=False, name=None)), bars, used)


def class_counts(spark: SparkSession, run: RunRecord) -> tuple[list[ClassCount], list[str]]:
    """(counts of a subset's classes, in class order, names of its source tables)."""
    rows = _read_output(spark, run, "counts", schemas.CLASS_FREQUENCIES)
    names = (CLASS_NAME, TARGET, AVAILABLE, TAKEN)
    class_rows = rows.orderBy(CLASS_IDX).select(*names).collect()
    sources = run.settings.get("sources") or [run.settings["input"]]
    return [ClassCount(*row) for row in class_rows], [table_name(address) for address in sources]


def _entry_rows(rows: DataFrame) -> list[EntryRow]:
    columns = rows.select(ENTRY_ID, ENTRY, ENTRY_COUNT, KEPT_COUNT)
    return [
        EntryRow(_entry_name(row[ENTRY_ID], row[ENTRY]), row[ENTRY_COUNT], row[KEPT_COUNT])
        for row in columns.limit(_MAX_ENTRIES).collect()
    ]


def _matched_entries(spark: SparkSession, run: RunRecord, ids: set[int]) -> dict[int, MatchedEntry]:
    entries = read_run_entries(spark, run)
    if entries is None or not ids:
        return {}
    rows = rows_of_classes(entries.where(F.col(T).isNotNull()), ENTRY_ID, sorted(ids)).collect()
    return {
        r[ENTRY_ID]: MatchedEntry(
            r[ENTRY_ID], _entry_name(r[ENTRY_ID], r[ENTRY]), r[ENTRY_COUNT], r[T]
        )
        for r in rows
    }


def _entry_name(entry_id: int, entry: str | None) -> str:
    return f"entry_id {entry_id}" if entry is None else entry


def _caption_by_uid(rows: DataFrame) -> dict[str, str]:
    """Caption by uid; the first one of a uid with several captions."""
    captions: dict[str, str] = {}
    for row in rows.select(UID, CAPTION).collect():
        captions.setdefault(row[UID], row[CAPTION] or "")
    return captions


def _read_input(spark: SparkSession, run: RunRecord, setting: str) -> DataFrame:
    address = run.settings[setting]
    return read_recorded_version(spark, address, schemas.EMPTY, run.inputs.get(address))


def _read_output(
    spark: SparkSession, run: RunRecord, setting: str, needed: StructType = schemas.EMPTY
) -> DataFrame:
    """Read a table in the version that the run wrote, even if it was overwritten since."""
    address = run.outputs[setting]
    return read_recorded_version(spark, address, needed, run.written.get(address))


def _is_sampled(n_rows: int) -> Column:
    return _EXAMPLE_DRAW.of(UID) < min(1.0, _SAMPLE_ROWS / max(n_rows, 1))


def _example_order() -> Column:
    return _EXAMPLE_DRAW.of(UID)


def _first_n(rows: Iterable[X], n: int = _MAX_EXAMPLES) -> list[X]:
    return [row for row, _ in zip(rows, range(n), strict=False)]
