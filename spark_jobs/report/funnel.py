"""How many rows each step left."""

from collections.abc import Sequence

from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.blocks import Bar, Bars, Note, Section

# What the rows that a job leaves are called, and under which name they are counted.
_LEFT = {
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
_NO_REASONS = {
    *("rows_in", "kept", "matched", "matches", "entries", "t", "dropped", "rejected", "captions"),
    *("accepted", "rows", "scored", "left_out", "synsets", "synsets_found", "lemmas"),
    *("restored", "drawn_from", "classes", "target", "short"),
}
_NO_ROWS_LOST = ("from_", "classes_")  # rows taken, numbers of classes

# Reads tables of its own, so that what came before is not what it draws from.
_BEGINS_ANEW = "match-frequencies"


def funnel_section(runs: Sequence[RunRecord]) -> Section:
    """From the rows read to the rows kept, with the losses of each step."""
    stages = _stages(runs)
    if not stages:
        return Section("Rows", [Note("No step of these runs counts captions.")])
    read = stages[0].counts["rows_in"]
    bars = [Bar("read", f"{read:,}", 1.0 if read else 0.0)]
    matched: dict[int, int] = {}  # rows in -> those of them that match, which balancing takes on
    for run in stages:
        rows_in, reasons = run.counts["rows_in"], run.counts
        for label, name in _LEFT[run.job]:
            left = run.counts[name]
            lost = _lost(reasons, matched.get(rows_in, rows_in) - left)
            bars.append(Bar(label, f"{left:,}", left / read if read else 0.0, lost))
            if label == "matched":
                matched[rows_in] = left
            rows_in, reasons = left, {}  # what a job rejects, it rejects first
    return Section("Rows", [Bars("Captions after each step", bars)])


def key_figures(runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """The numbers that one looks for first: (number, what it counts)."""
    stages = _stages(runs)
    if not stages:
        return []
    label, name = _LEFT[stages[-1].job][-1]
    read, left = stages[0].counts["rows_in"], stages[-1].counts[name]
    share = [(f"{left / read:.1%}", "of those read")] if read else []
    ts = [(f"{run.counts['t']:,}", "t") for run in runs if "t" in run.counts][-1:]
    return [(f"{read:,}", "captions read"), (f"{left:,}", f"captions {label}"), *share, *ts]


def _stages(runs: Sequence[RunRecord]) -> list[RunRecord]:
    stages = [run for run in runs if run.job in _LEFT and _LEFT[run.job][-1][1] in run.counts]
    begins = [place for place, run in enumerate(stages) if run.job == _BEGINS_ANEW]
    return stages[begins[-1] :] if begins else stages


def _lost(counts: dict[str, int], lost: int) -> str:
    reasons = [
        f"{name.replace('_', ' ')} {n:,}"
        for name, n in counts.items()
        if name not in _NO_REASONS and not name.startswith(_NO_ROWS_LOST) and n and n < lost
    ]
    told = f" ({', '.join(reasons)})" if reasons else ""
    return f"{lost:,} fewer{told}" if lost else ""
