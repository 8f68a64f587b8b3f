"""Rows that a report shows as examples: which stayed, which went, and why."""

from collections.abc import Iterable
from typing import Any, TypeVar

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from spark_jobs.balancing.explanation import Explanation, MatchedEntry
from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address
from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.redaction import redacted
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    CAPTION,
    DRAW,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    REASON,
    RUN_ID,
    TAKEN_FROM,
    UID,
    T,
)
from spark_jobs.formats.report_tables import (
    entry_name,
    matches_before_balancing,
    read_run_entries,
    read_run_input,
    read_run_output,
)
from spark_jobs.report.blocks import Example, visible
from spark_jobs.storage.tables import has_table, read_table
from spark_jobs.subsets.draw import rows_of_classes

EXAMPLE_DRAW = Draw("report/examples", seed=0)
_SAMPLE_ROWS = 400
_MAX_EXAMPLES = 5

X = TypeVar("X")


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
    caption_of = _caption_by_uid(read_run_input(spark, run, "captions").where(is_sampled))
    output = read_run_output(spark, run, "output").where(is_sampled)
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
        return Example(
            visible(caption_of[uid]), uid in kept_uids, explanation.reason, names, visible(uid)
        )

    return (
        [example(row[UID], row[ENTRY_IDS], row[DRAW]) for row in kept],
        [example(row[UID], row[ENTRY_IDS], row[DRAW]) for row in dropped],
    )


def duplicate_examples(spark: SparkSession, run: RunRecord) -> list[Example]:
    """Some rows that a run of dedup-captions dropped, chosen by their uids alone."""
    n_dropped = run.counts["duplicates"]
    if not n_dropped:
        return []
    is_sampled = _is_sampled(n_dropped)
    captions = read_run_input(spark, run, "captions").where(is_sampled)
    output = read_run_output(spark, run, "output").where(is_sampled)
    dropped = first_dropped_uids(captions, output)
    caption_of = _caption_by_uid(captions.where(F.col(UID).isin(dropped)))
    reason = f"the same {run.settings['by']} has a row with a smaller uid"
    return [Example(visible(caption_of[uid]), False, reason, (), visible(uid)) for uid in dropped]


def first_dropped_uids(captions: DataFrame, output: DataFrame) -> list[str]:
    """At most five uids that the output lacks; they are joined in Spark, however many there are."""
    dropped = captions.select(UID).join(output.select(UID), on=UID, how="left_anti").distinct()
    rows = dropped.where(F.col(UID).isNotNull()).orderBy(_example_order(), UID)
    return [row[UID] for row in rows.limit(_MAX_EXAMPLES).collect()]


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
        Example(
            visible(redacted(row["row"] or "")),
            False,
            row[REASON].replace("_", " "),
            (),
            visible(row[UID] or ""),
        )
        for row in example_rows.collect()
    ]


def subset_examples(spark: SparkSession, run: RunRecord) -> tuple[list[Example], list[Example]]:
    """(rows that a run of sample-subset kept, rows that it left out), by their uids."""
    rows = read_run_input(spark, run, "input").where(_is_sampled(run.counts["rows_in"]))
    if CAPTION not in rows.columns:
        return [], []
    output = read_run_output(spark, run, "output").where(_is_sampled(run.counts["rows_in"]))
    kept_uids = {row[UID] for row in output.select(UID).distinct().collect()}
    settings = run.settings
    class_column, column = settings["class_column"], settings.get("column")
    names = [UID, CAPTION, class_column, *([column] if column else [])]
    drawn = rows.select(*map(named, names)).orderBy(_example_order()).collect()

    def example(row: Row) -> Example:
        is_kept = row[UID] in kept_uids
        reason = _subset_reason(row[3] if column else None, settings, is_kept)
        return _example(row, is_kept, reason, [str(row[2])])

    kept = _first_n([row for row in drawn if row[UID] in kept_uids])
    left_out = _first_n([row for row in drawn if row[UID] not in kept_uids])
    return [example(row) for row in kept], [example(row) for row in left_out]


def _subset_reason(score: float | None, settings: dict[str, Any], is_kept: bool) -> str:
    if score is None:
        return "drawn" if is_kept else "not drawn, or not of a chosen class"
    threshold = settings["threshold"]
    side = f"similarity {score:.4f} {'>=' if score >= threshold else '<'} {threshold:g}"
    if is_kept and score < threshold:
        return f"{side}, kept so that its class has a row"
    return f"{side}, but not drawn" if score >= threshold and not is_kept else side


def taken_examples(spark: SparkSession, run: RunRecord) -> list[Example]:
    """Some rows that a run of match-frequencies took, with their class and source."""
    output = read_run_output(spark, run, "output").where(_is_sampled(run.counts["rows"]))
    if CAPTION not in output.columns:
        return []
    names = [UID, CAPTION, run.settings["class_column"], TAKEN_FROM]
    rows = output.select(*map(named, names)).orderBy(_example_order()).limit(_MAX_EXAMPLES)
    return [_example(row, None, f"taken from {row[3]}", [str(row[2])]) for row in rows.collect()]


def _example(row: Row, is_kept: bool | None, reason: str, matched: list[str]) -> Example:
    caption, uid = visible(row[CAPTION] or ""), visible(row[UID] or "")
    return Example(caption, is_kept, reason, [visible(text, 40) for text in matched], uid)


def _matched_entries(spark: SparkSession, run: RunRecord, ids: set[int]) -> dict[int, MatchedEntry]:
    entries = read_run_entries(spark, run)
    if entries is None or not ids:
        return {}
    rows = rows_of_classes(entries.where(F.col(T).isNotNull()), ENTRY_ID, sorted(ids)).collect()
    return {
        r[ENTRY_ID]: MatchedEntry(
            r[ENTRY_ID], entry_name(r[ENTRY_ID], r[ENTRY]), r[ENTRY_COUNT], r[T]
        )
        for r in rows
    }


def _caption_by_uid(rows: DataFrame) -> dict[str, str]:
    """Caption by uid; of a uid with several captions the first in the order of texts."""
    first_captions = rows.groupBy(UID).agg(F.min(CAPTION).alias(CAPTION)).collect()
    return {row[UID]: row[CAPTION] or "" for row in first_captions}


def _is_sampled(n_rows: int) -> Column:
    return EXAMPLE_DRAW.of(UID) < min(1.0, _SAMPLE_ROWS / max(n_rows, 1))


def _example_order() -> Column:
    return EXAMPLE_DRAW.of(UID)


def _first_n(rows: Iterable[X], n: int = _MAX_EXAMPLES) -> list[X]:
    return [row for row, _ in zip(rows, range(n), strict=False)]
