"""explain: what became of captions, and why, from the tables that the recorded runs read."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import and_, or_
from typing import Any

import numpy as np
from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.balance_settings import BalanceCaptions
from spark_jobs.balancing.choose_t import entry_thresholds
from spark_jobs.balancing.entry_count import count_matches
from spark_jobs.balancing.explanation import Explanation, MatchedEntry
from spark_jobs.balancing.keep import matches_by_uid
from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address
from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.redaction import redacted, shown
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_ID,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    REASON,
    UID,
)
from spark_jobs.core.settings import Settings, TablesFolder
from spark_jobs.dedup.dedup_settings import DedupCaptions
from spark_jobs.formats.entry_counts import counted_entries, read_entry_counts, unnamed_entries
from spark_jobs.formats.matches import LEFT_OUT, matches_of_captions
from spark_jobs.running.job import Pipeline
from spark_jobs.running.row_trail import RecordedRun, RowTrail
from spark_jobs.running.run_rows import run_rows
from spark_jobs.storage.old_versions import default_if_lost
from spark_jobs.storage.small_tables import Rows
from spark_jobs.storage.tables import has_table, read_table
from spark_jobs.subsets.draw import rows_of_classes

LOST = (
    "not known any more: a version of a table that run {run} read or wrote was removed since "
    "(VACUUM, or a table made again); balance again to explain it"
)
# Jobs whose effect on a caption is told by its balancing.
_EXPLAINED = ("ingest-captions", "dedup-captions", "match-concepts", "balance-captions")
_NO_MATCHES = (
    "match-and-balance stores no matches: a curate without --no-intermediate tells entries, their "
    "counts and the draw too"
)
_MAX_UIDS = 5  # of captions with the same text that are explained

Lines = Mapping[str, list[str]]  # uid -> what happened to it


class Explain(Settings):
    """Settings of explain."""

    mutually_exclusive = ("uid", "caption")

    uid: str | None = Field(None, description="uid of the caption")
    caption: str | None = Field(None, description="the caption itself, exactly as it is")
    run: TablesFolder = Field(description="folder or catalog.schema with the table runs")
    run_id: str | None = Field(None, description="a run of balance-captions; default: the last")


def answer_lines(spark: SparkSession, settings: Explain) -> list[str]:
    """Look for the captions in balancing, then dedup, then ingest, and say what happened there.

    Then what other recorded runs did with them; of a folder without a balancing, what all did.
    """
    runs = run_rows(spark, settings.run)
    balance = _last_run(runs, "balance-captions", settings.run_id)
    if balance is None and settings.run_id:
        raise InputDataError(
            f"{settings.run}: runs has no run of balance-captions with run_id {settings.run_id}"
        )
    if balance is None:
        lines = _trails(settings, RowTrail(spark, settings.run, runs))
        if _last_run(runs, "match-and-balance", None) is not None:
            lines.append(_NO_MATCHES)
    else:
        dedup = _last_run(runs, "dedup-captions", None)
        steps = RecordedRun(spark, balance), RecordedRun(spark, dedup) if dedup else None
        lost = [shown(settings.uid or settings.caption), LOST.format(run=balance["run_id"])]
        others = RowTrail(spark, settings.run, runs, left_out=_EXPLAINED)
        lines = default_if_lost(partial(_explain, settings, *steps, others), lost)
    return [redacted(line) for line in lines]


def _trails(settings: Explain, trail: RowTrail) -> list[str]:
    """What all runs did with the uid, or with the first uids that have the caption."""
    heading = []
    if settings.uid is not None:
        uids = [settings.uid]
    else:
        uids = trail.uids_of_caption(settings.caption or "", _MAX_UIDS + 1)
        if len(uids) > _MAX_UIDS:
            heading = [f"more than {_MAX_UIDS} uids have this caption; the first {_MAX_UIDS}:"]
    blocks = [[f"uid {uid}", *ls] for uid in uids[:_MAX_UIDS] if (ls := trail.lines(uid))]
    if not blocks and settings.uid is None:
        raise InputDataError(
            f"{shown(settings.caption)} is in no table of the runs in {settings.run}; a row that "
            "was rejected is found by --uid"
        )
    return [*heading, *_joined(blocks, uids, settings)]


def _explain(
    settings: Explain, balance: RecordedRun, dedup: RecordedRun | None, others: RowTrail
) -> list[str]:
    heading: list[str] = []
    if settings.uid is not None:
        uids = [settings.uid]
    else:
        uids, heading = _uids_of_caption(settings.caption or "", balance, dedup)
    explained = _first_explanation(
        uids,
        partial(explain_balance, run=balance),
        partial(_explain_left_out, run=balance),
        partial(explain_dedup, run=dedup),
        partial(explain_rejected, balance.spark, join_address(settings.run, "rejected")),
    )
    blocks = []
    for uid in uids:
        trail = others.lines(uid)
        if uid in explained or trail:
            blocks.append([*explained.get(uid, [f"uid {uid}"]), *trail])
    return [*heading, *_joined(blocks, uids, settings)]


def _joined(blocks: list[list[str]], uids: Sequence[str], settings: Explain) -> list[str]:
    """The lines of all uids, with an empty one between two; InputDataError if there are none."""
    if not blocks:
        raise InputDataError(f"uid {uids[0]!r} is in no table of the runs in {settings.run}")
    return [*blocks[0], *(line for block in blocks[1:] for line in ("", *block))]


def _first_explanation(
    uids: Sequence[str], *explanations: Callable[[Sequence[str]], Lines]
) -> dict[str, list[str]]:
    """The lines of each uid from the first of the steps that knows it."""
    explained: dict[str, list[str]] = {}
    for explain in explanations:
        others = [uid for uid in uids if uid not in explained]
        explained |= explain(others) if others else {}
    return explained


def _uids_of_caption(
    caption: str, balance: RecordedRun, dedup: RecordedRun | None
) -> tuple[list[str], list[str]]:
    """The first uids with this caption, and a line that says how many there are if not one."""
    if dedup is not None:
        address, frame = _captions_of(dedup, DedupCaptions)
    else:
        address, frame = _captions_of(balance, BalanceCaptions)
    if CAPTION not in frame.columns:
        raise InputDataError(f"{address} has no column {CAPTION!r}; give --uid")
    same = frame.where(F.col(CAPTION) == caption).select(UID).distinct()
    uids = [row[UID] for row in same.orderBy(UID).limit(_MAX_UIDS + 1).collect()]
    if not uids:
        raise InputDataError(f"{address} has no caption {shown(caption)}{_similar(frame, caption)}")
    if len(uids) <= _MAX_UIDS:
        return uids, [f"{len(uids)} uids have this caption:"] if len(uids) > 1 else []
    heading = f"{count_rows(same):,} uids have this caption; the first {_MAX_UIDS} of them:"
    return uids[:_MAX_UIDS], [heading]


def _captions_of(
    run: RecordedRun, model: type[BalanceCaptions] | type[DedupCaptions]
) -> tuple[str, DataFrame]:
    captions = model.model_validate_json(run.row["settings"]).captions
    return captions, run.read(captions)


def _similar(frame: DataFrame, caption: str) -> str:
    """`; did you mean '...'`: a caption that holds the text, whatever the case of its letters."""
    holds_text = F.lower(CAPTION).contains(caption.strip().lower())
    row = frame.where(holds_text).select(CAPTION).first() if caption.strip() else None
    return f"; did you mean {shown(row[CAPTION])}?" if row else ""


def _last_run(runs: Rows, job: str, run_id: str | None) -> dict[str, Any] | None:
    """The newest run of a job, or its newest with that run_id; None if there is none."""
    of_job = [row for row in runs if row[schemas.JOB] == job]
    chosen = [row for row in of_job if run_id in (None, row[schemas.RUN_ID])]
    return chosen[-1] if chosen else None


def _is_one_of(uids: Sequence[str]) -> Column:
    """A filter that goes into the scan; there are _MAX_UIDS at most."""
    return reduce(or_, (F.col(UID) == uid for uid in uids))


def explain_balance(uids: Sequence[str], run: RecordedRun) -> Lines:
    """Entries, keep probability and draw of those of the uids that were balanced."""
    settings = BalanceCaptions.model_validate_json(run.row["settings"])
    draw = Draw(json.loads(run.row["draws"])[0], settings.seed)
    matches = run.read(settings.matches)
    chosen = matches.where(_is_one_of(uids))
    if LEFT_OUT in json.loads(run.row["counts"]):
        captions = run.read(settings.captions).where(_is_one_of(uids))
        matches, chosen = (
            matches_of_captions(matches, run.read(settings.captions)),
            matches_of_captions(chosen, captions),
        )
    by_uid = matches_by_uid(chosen) if CAPTION_ID in chosen.columns else chosen
    columns = [UID, ENTRY_IDS, *(name for name in (CAPTION,) if name in by_uid.columns)]
    rows = by_uid.select(*columns, draw.of(UID).alias("draw")).collect()
    entries = _entries(run, settings, matches, {i for row in rows for i in row[ENTRY_IDS] or []})
    lifted: set[str] = set()
    if settings.floor > 0 and rows:
        output = run.read_output(settings.output).where(_is_one_of(uids))
        lifted = {row[UID] for row in output.select(UID).distinct().collect()}
    explained = {}
    for row in rows:
        n_texts = sorted(Counter(row[ENTRY_IDS] or []).items())
        explanation = Explanation(
            row[UID],
            [entries[entry_id].of_texts(n) for entry_id, n in n_texts],
            settings.seed,
            row["draw"],
            row[UID] in lifted,
        )
        uid_line, *lines = explanation.lines()
        caption = [f"caption {shown(row[CAPTION])}"] if CAPTION in columns else []
        explained[row[UID]] = [uid_line, *caption, *lines]
    return explained


def _entries(
    run: RecordedRun, settings: BalanceCaptions, matches: DataFrame, entry_ids: set[int]
) -> dict[int, MatchedEntry]:
    """The entries with these ids, with the count and the t that the run used."""
    if not entry_ids:
        return {}
    if settings.entry_counts is not None:
        version = json.loads(run.row["inputs"])[settings.entry_counts]
        counts = read_entry_counts(run.spark, settings.entry_counts, version)
    else:
        counts = unnamed_entries(count_matches(matches))
    t: int = json.loads(run.row["counts"])["t"]
    thresholds = dict.fromkeys(entry_ids, t)
    if settings.by_language:
        counted = counted_entries(counts, settings.entry_counts or settings.matches)
        of_entries = entry_thresholds(settings, counted, settings.tail_fraction)(t)
        by_id = np.broadcast_to(of_entries, counted.counts.shape)
        thresholds = {entry_id: int(by_id[entry_id]) for entry_id in entry_ids}
    rows = rows_of_classes(counts, ENTRY_ID, sorted(entry_ids))
    return {
        row[ENTRY_ID]: MatchedEntry(
            row[ENTRY_ID], row[ENTRY] or "", row[ENTRY_COUNT], thresholds[row[ENTRY_ID]]
        )
        for row in rows.collect()
    }


def _explain_left_out(uids: Sequence[str], run: RecordedRun) -> Lines:
    """Lines for uids in the captions or the matches only, or in both with other caption_ids."""
    settings = BalanceCaptions.model_validate_json(run.row["settings"])
    if settings.captions == settings.matches:
        return {}
    tables = {"captions": settings.captions, "matches": settings.matches}
    uids_in = {
        name: {row[UID] for row in run.read(a).where(_is_one_of(uids)).select(UID).collect()}
        for name, a in tables.items()
    }
    lines = {}
    for uid in uids:
        present = [name for name in tables if uid in uids_in[name]]
        places = " and ".join(f"the {name} {tables[name]}" for name in present)
        if len(present) == len(tables):
            lines[uid] = [f"uid {uid}", f"not balanced: it is in {places}, by different texts"]
        elif present:
            (absent,) = set(tables) - set(present)
            lines[uid] = [f"uid {uid}", f"not balanced: it is in {places}, not in the {absent}"]
    return lines


def explain_dedup(uids: Sequence[str], run: RecordedRun | None) -> Lines:
    """Lines that name the copy kept in place of each uid that the run read."""
    if run is None:
        return {}
    settings = DedupCaptions.model_validate_json(run.row["settings"])
    captions = run.read(settings.captions)
    keys = settings.by.split("+")
    rows = captions.where(_is_one_of(uids)).select(UID, *map(named, keys)).collect()
    if not rows:
        return {}
    copies = [
        reduce(and_, (named(key).eqNullSafe(F.lit(row[key])) for key in keys)) for row in rows
    ]
    kept_uids = [F.min(F.when(is_copy, F.col(UID))) for is_copy in copies]
    (kept,) = captions.agg(F.array(*kept_uids)).first() or ([],)
    return {
        row[UID]: [f"uid {row[UID]}", f"dropped: a copy by {settings.by}; uid {kept_uid} stayed"]
        for row, kept_uid in zip(rows, kept, strict=True)
    }


def explain_rejected(spark: SparkSession, address: str, uids: Sequence[str]) -> Lines:
    """Lines with the reasons why ingest rejected each of the uids that it rejected."""
    if not has_table(spark, address):
        return {}
    rejected = read_table(spark, address, schemas.REJECTED).where(_is_one_of(uids))
    rows = rejected.select(UID, REASON).distinct().orderBy(REASON).collect()
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row[UID], []).append(row[REASON])
    return {
        uid: [f"uid {uid}", f"rejected: {', '.join(of_uid)}"] for uid, of_uid in reasons.items()
    }


JOB = Pipeline(
    "explain",
    "Say why one caption was kept or dropped, by balancing and by each other step.",
    Explain,
    answer_lines=answer_lines,
    example='captionlake explain --caption "a photo of a dog" --run ./curated',
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
