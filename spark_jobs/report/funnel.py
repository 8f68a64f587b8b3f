"""The funnel of a report: how many rows each step left."""

from collections.abc import Sequence

from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.blocks import Bar, Bars, Note, Section

# Job -> its stages: (label of the rows that it leaves, name under which they are counted).
_STAGES = {
    "ingest-captions": [("accepted", "kept")],
    "dedup-captions": [("unique", "kept")],
    "match-concepts": [("matched", "matched")],
    "balance-captions": [("kept", "kept")],
    "match-and-balance": [("accepted", "accepted"), ("matched", "matched"), ("kept", "kept")],
    "label-synsets": [("labelled", "captions")],
    "score-definitions": [("of one synset", "scored")],
    "filter-captions": [("passed", "kept")],
    "vary-captions": [("with a caption", "kept")],
    "sample-subset": [("drawn", "kept")],
    "match-frequencies": [("taken", "rows")],
}
# Why balancing lost rows; not shown where a stage "matched" has shown the unmatched ones.
_OF_BALANCING = {"unmatched", "thinned"}
# Counts of a run that are not reasons why rows were lost.
_NO_REASONS = {
    *("rows_in", "kept", "matched", "matches", "entries", "t", "dropped", "rejected", "captions"),
    *("accepted", "rows", "scored", "left_out", "synsets", "synsets_found", "lemmas"),
    *("restored", "drawn_from", "classes", "target", "short"),
    *("without_matches", "matches_left_out"),  # the first are among the unmatched
}
_NO_REASON_PREFIXES = ("from_", "classes_")  # rows taken by source, numbers of classes

# The job that starts a new branch: its input rows are not the previous job's output rows.
_STARTS_BRANCH = "match-frequencies"


def funnel_section(runs: Sequence[RunRecord]) -> Section:
    """Bars from the rows read to the rows kept, with the losses of each step."""
    stages = _stages(runs)
    if not stages:
        return Section("Rows", [Note("No step of these runs counts captions.")])
    n_read = stages[0].counts["rows_in"]
    bars = [Bar("read", f"{n_read:,}", 1.0 if n_read else 0.0)]
    # rows_in -> how many of them match: balancing reads all rows of the table of matches.
    n_matched: dict[int, int] = {}
    for run in stages:
        rows_in, reasons = run.counts["rows_in"], run.counts
        for label, name in _STAGES[run.job]:
            n_left = run.counts[name]
            if run.job != "balance-captions" or rows_in in n_matched:
                reasons = {name: n for name, n in reasons.items() if name not in _OF_BALANCING}
            losses = _losses(reasons, n_matched.get(rows_in, rows_in) - n_left)
            bars.append(Bar(label, f"{n_left:,}", n_left / n_read if n_read else 0.0, losses))
            if label == "matched":
                n_matched[rows_in] = n_left
            rows_in, reasons = n_left, {}  # a job rejects rows before its first stage
    return Section("Rows", [Bars("Captions after each step", bars)])


def key_figures(runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """The most important numbers of the runs: (number, what it counts)."""
    stages = _stages(runs)
    if not stages:
        return []
    label, name = _STAGES[stages[-1].job][-1]
    n_read, n_left = stages[0].counts["rows_in"], stages[-1].counts[name]
    share = [(f"{n_left / n_read:.1%}", "of those read")] if n_read else []
    ts = [(f"{run.counts['t']:,}", "t") for run in runs if "t" in run.counts][-1:]
    return [(f"{n_read:,}", "captions read"), (f"{n_left:,}", f"captions {label}"), *share, *ts]


def _stages(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs that count rows, from the last start of a branch on."""
    stages = [run for run in runs if run.job in _STAGES and _STAGES[run.job][-1][1] in run.counts]
    starts = [index for index, run in enumerate(stages) if run.job == _STARTS_BRANCH]
    return stages[starts[-1] :] if starts else stages


def _losses(counts: dict[str, int], n_lost: int) -> str:
    """How many rows a step lost, and the reasons among its counts."""
    reasons = [
        f"{name.replace('_', ' ')} {n:,}"
        for name, n in counts.items()
        if name not in _NO_REASONS and not name.startswith(_NO_REASON_PREFIXES) and n and n < n_lost
    ]
    in_brackets = f" ({', '.join(reasons)})" if reasons else ""
    return f"{n_lost:,} fewer{in_brackets}" if n_lost else ""
