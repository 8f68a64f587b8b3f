"""The funnel of a report: how many rows each step left."""

from collections.abc import Sequence

from spark_jobs.core.count_words import counts_text
from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.blocks import Bar, Bars, Block, Note, Section, Table
from spark_jobs.report.stages import MATCH_FREQUENCIES, Branch, branches, output_name, stages_of

# Why balancing lost rows; not shown where a stage "matched" has shown the unmatched ones.
_OF_BALANCING = {"unmatched", "thinned"}
# Counts of a run that are not reasons why rows were lost.
_NO_REASONS = {
    *("rows_in", "kept", "matched", "matches", "entries", "t", "dropped", "rejected", "captions"),
    *("accepted", "rows", "scored", "left_out", "synsets", "synsets_found", "lemmas"),
    *("restored", "drawn_from", "classes", "target", "short", "without_class"),
    *("groups", "not_compared", "contaminated"),
    *("without_matches", "matches_left_out"),  # the first are among the unmatched
}
_NO_REASON_PREFIXES = ("from_", "classes_")  # rows taken by source, numbers of classes


def funnel_section(runs: Sequence[RunRecord]) -> Section:
    """Bars from the rows read to the rows kept, with the losses of each step; all steps."""
    all_branches = branches(runs)
    blocks: list[Block] = [_bars(branch, len(all_branches) > 1) for branch in all_branches]
    if not blocks:
        blocks = [Note("No step of these runs counts captions.")]
    return Section("Rows", [*blocks, _steps_table(runs)])


def _bars(branch: Branch, is_named: bool) -> Bars:
    is_match = branch.runs[0].job == MATCH_FREQUENCIES
    bars = [Bar("wanted" if is_match else "read", f"{branch.n_read:,}", float(branch.n_read > 0))]
    # Index of a run -> the rows that it left; of matching those that match.
    n_left_by_run: list[int] = []
    for run, parent in zip(branch.runs, branch.parents, strict=True):
        n_before = branch.n_read if parent is None else n_left_by_run[parent]
        reasons = run.counts
        is_fork = branch.forks() and branch.parents.count(parent) > 1
        for label, name in stages_of(run):
            n_left = run.counts[name]
            if run.job != "balance-captions" or _is_matching(branch, parent):
                reasons = {name: n for name, n in reasons.items() if name not in _OF_BALANCING}
            losses = _shortage(run) if is_match else _losses(reasons, n_before - n_left)
            share = n_left / branch.n_read if branch.n_read else 0.0
            shown_label = output_name(run) if is_fork else label
            bars.append(Bar(shown_label, f"{n_left:,}", min(share, 1.0), losses))
            n_before, reasons = n_left, {}  # a job rejects rows before its first stage
        n_left_by_run.append(n_before)
    where = f": {branch.name}" if is_named else ""
    title = "Rows wanted and taken" if is_match else "Captions after each step"
    return Bars(f"{title}{where}", bars)


def _is_matching(branch: Branch, index: int | None) -> bool:
    return index is not None and "matched" in branch.runs[index].counts


def _steps_table(runs: Sequence[RunRecord]) -> Table:
    rows = [(output_name(run), run.job, _run_counts(run)) for run in runs]
    return Table("All steps, in their order", ["table", "job", "counts"], rows, 3, is_wide=True)


def _run_counts(run: RunRecord) -> str:
    """The counts of a run, the rows that it read first; zeros are left out."""
    names = sorted(run.counts, key=lambda name: name != "rows_in")  # records have them by name
    return counts_text({name: run.counts[name] for name in names if run.counts[name]})


def _shortage(run: RunRecord) -> str:
    n_short = run.counts["short"]
    return f"{n_short:,} missing, in {run.counts['classes_short']:,} classes" if n_short else ""


def _losses(counts: dict[str, int], n_lost: int) -> str:
    """How many rows a step lost, and the reasons among its counts."""
    reasons = {
        name: n
        for name, n in counts.items()
        if name not in _NO_REASONS and not name.startswith(_NO_REASON_PREFIXES) and n and n < n_lost
    }
    in_brackets = f" ({counts_text(reasons)})" if reasons else ""
    return f"{n_lost:,} fewer{in_brackets}" if n_lost > 0 else ""
