"""explain: why one uid was kept or dropped, from the tables that the recorded runs read."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.balance_settings import BalanceCaptions
from spark_jobs.balancing.choose_t import entry_thresholds
from spark_jobs.balancing.entry_count import count_matches
from spark_jobs.balancing.explanation import Explanation, MatchedEntry
from spark_jobs.balancing.keep import matches_by_uid
from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_parent
from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY, ENTRY_COUNT, ENTRY_ID, ENTRY_IDS, REASON, UID
from spark_jobs.core.settings import Settings
from spark_jobs.dedup.dedup_settings import DedupCaptions
from spark_jobs.formats.entry_counts import counted_entries, read_entry_counts, unnamed_entries
from spark_jobs.formats.matches import LEFT_OUT, matches_of_captions
from spark_jobs.running.job import Pipeline, Step
from spark_jobs.running.up_to_date import newest_run, read_runs
from spark_jobs.storage.old_versions import default_if_lost, read_recorded_version
from spark_jobs.storage.tables import has_table, read_table
from spark_jobs.subsets.draw import rows_of_classes

LOST = (
    "not known any more: a version of a table that run {run} read or wrote was removed since "
    "(VACUUM, or a table made again); balance again to explain it"
)


class Explain(Settings):
    """Settings of explain."""

    uid: str = Field(description="uid of the caption")
    run: str = Field(description="folder or catalog.schema with the table runs")
    run_id: str | None = Field(None, description="a run of balance-captions; default: the last")


def answer_lines(spark: SparkSession, settings: Explain) -> list[str]:
    """Look for the uid in balancing, then dedup, then ingest, and say why it stayed or went."""
    parent = parse_parent(settings.run)
    balance = last_run(spark, parent, "balance-captions", settings.run_id)
    if balance is None and last_run(spark, parent, "match-and-balance", settings.run_id):
        raise InputDataError(
            f"{parent}: match-and-balance stores no matches to explain by; curate without "
            "--no-intermediate does"
        )
    if balance is None:
        with_run_id = f" with run_id {settings.run_id}" if settings.run_id else ""
        raise InputDataError(f"{parent}: runs has no run of balance-captions{with_run_id}")
    balance_lines = default_if_lost(partial(explain_balance, spark, settings.uid, balance), None)
    if balance_lines is None:
        return [f"uid {settings.uid}", LOST.format(run=balance["run_id"])]
    explanation_lines = (
        balance_lines
        or explain_dedup(spark, settings.uid, last_run(spark, parent, "dedup-captions", None))
        or explain_rejected(spark, settings.uid, join_address(parent, "rejected"))
    )
    if not explanation_lines:
        raise InputDataError(f"uid {settings.uid!r} is in no table of the runs in {parent}")
    return explanation_lines


def last_run(spark: SparkSession, parent: str, job: str, run_id: str | None) -> Row | None:
    """The newest row of `runs` of a job, or its run with that run_id; None if there is none."""
    rows = read_runs(spark, parent)
    if rows is None:
        raise InputDataError(f"{join_address(parent, 'runs')}: there is no table of runs")
    rows = rows.where(F.col(schemas.JOB) == job)
    return newest_run(rows if run_id is None else rows.where(F.col(schemas.RUN_ID) == run_id))


def explain_balance(spark: SparkSession, uid: str, run: Row) -> list[str]:
    """The uid's entries, keep probability and draw in that run; empty if it was not balanced."""
    settings = BalanceCaptions.model_validate_json(run["settings"])
    draw = Draw(json.loads(run["draws"])[0], settings.seed)
    match_rows = _read(spark, run, settings.matches)
    if LEFT_OUT in json.loads(run["counts"]):
        match_rows = matches_of_captions(match_rows, _read(spark, run, settings.captions))
    matches = matches_by_uid(match_rows)
    row = matches.where(F.col(UID) == uid).select(ENTRY_IDS, draw.of(UID).alias("draw")).first()
    if row is None:
        return _explain_left_out(spark, uid, run, settings)
    entries = []
    if row[ENTRY_IDS]:
        entries = _matched_entries(spark, run, settings, match_rows, row[ENTRY_IDS])
    output_version = json.loads(run[schemas.WRITTEN]).get(settings.output)
    output = read_recorded_version(spark, settings.output, schemas.EMPTY, output_version)
    in_output = settings.floor > 0 and output.where(F.col(UID) == uid).limit(1).count() > 0
    return Explanation(uid, entries, settings.seed, row["draw"], in_output).lines()


def _explain_left_out(
    spark: SparkSession, uid: str, run: Row, settings: BalanceCaptions
) -> list[str]:
    """Lines for a uid in the captions or the matches only, or in both with other caption_ids.

    Empty for a uid in neither.
    """
    tables = {"captions": settings.captions, "matches": settings.matches}
    tables_with_uid = [
        name
        for name, address in tables.items()
        if not _read(spark, run, address).where(F.col(UID) == uid).isEmpty()
    ]
    if not tables_with_uid:
        return []
    present = " and ".join(f"the {name} {tables[name]}" for name in tables_with_uid)
    if len(tables_with_uid) == len(tables):
        return [f"uid {uid}", f"not balanced: it is in {present}, by different texts"]
    (absent,) = set(tables) - set(tables_with_uid)
    return [f"uid {uid}", f"not balanced: it is in {present}, not in the {absent}"]


def explain_dedup(spark: SparkSession, uid: str, run: Row | None) -> list[str]:
    """Lines that name the copy kept in place of the uid; empty if the run did not read the uid."""
    if run is None:
        return []
    settings = DedupCaptions.model_validate_json(run["settings"])
    captions = _read(spark, run, settings.captions)
    row = captions.where(F.col(UID) == uid).first()
    if row is None:
        return []
    is_copy = F.lit(True)
    for column in settings.by.split("+"):
        is_copy = is_copy & named(column).eqNullSafe(F.lit(row[column]))
    kept_copy = captions.where(is_copy).agg(F.min(UID).alias(UID)).first()
    kept_uid = kept_copy[UID] if kept_copy else None
    return [f"uid {uid}", f"dropped: a copy by {settings.by}; uid {kept_uid} stayed"]


def explain_rejected(spark: SparkSession, uid: str, address: str) -> list[str]:
    """Lines with the reasons why ingest rejected the uid; empty if it did not."""
    if not has_table(spark, address):
        return []
    rejected = read_table(spark, address, schemas.REJECTED).where(F.col(UID) == uid)
    reasons = [row[REASON] for row in rejected.select(REASON).distinct().orderBy(REASON).collect()]
    return [f"uid {uid}", f"rejected: {', '.join(reasons)}"] if reasons else []


def _matched_entries(
    spark: SparkSession,
    run: Row,
    settings: BalanceCaptions,
    matches: DataFrame,
    entry_ids: list[int],
) -> list[MatchedEntry]:
    """The entries with these ids, with the count and the t that the run used, by entry_id."""
    if settings.entry_counts is not None:
        version = json.loads(run["inputs"])[settings.entry_counts]
        counts = read_entry_counts(spark, settings.entry_counts, version)
    else:
        counts = unnamed_entries(count_matches(matches))
    t = json.loads(run["counts"])["t"]
    counted = counted_entries(counts, settings.entry_counts or settings.matches)
    thresholds = np.broadcast_to(
        entry_thresholds(settings, counted, settings.tail_fraction)(t), counted.counts.shape
    )
    rows = rows_of_classes(counts, ENTRY_ID, entry_ids).orderBy(ENTRY_ID).collect()
    return [
        MatchedEntry(
            row[ENTRY_ID], row[ENTRY] or "", row[ENTRY_COUNT], int(thresholds[row[ENTRY_ID]])
        )
        for row in rows
    ]


def _read(spark: SparkSession, run: Row, address: str) -> DataFrame:
    """Read an input of the run in the version that it read."""
    versions: dict[str, Any] = json.loads(run["inputs"])
    return read_recorded_version(spark, address, schemas.EMPTY, versions[address])


def steps(spark: SparkSession, settings: Explain) -> Iterator[Step]:
    """No steps: explaining only reads."""
    return iter(())


JOB = Pipeline(
    "explain",
    "Say why one caption was kept or dropped: its entries, their counts, and the draw.",
    Explain,
    steps,
    answer_lines=answer_lines,
    example="captionlake explain --uid 4c0a2e0e2a6b3bf5a23c3fd4b9cd1a77 --run ./curated",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
