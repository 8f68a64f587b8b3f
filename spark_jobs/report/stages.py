"""The stages of a report's runs: how many rows each step read and left, branch by branch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from spark_jobs.core.addresses import table_name
from spark_jobs.core.run_records import RunRecord, writers_of_inputs

MATCHED = ("matched", "matched")
# Job -> the stages that a run may have: (label of the rows that it leaves, name of their count).
STAGES = {
    "ingest-captions": [("accepted", "kept"), MATCHED],
    "dedup-captions": [("unique", "kept"), MATCHED],
    "dedup-images": [("unique", "kept")],
    "decontaminate": [("in no benchmark", "kept")],
    "match-concepts": [MATCHED],
    "balance-captions": [("kept", "kept")],
    "match-and-balance": [("accepted", "accepted"), MATCHED, ("kept", "kept")],
    "label-synsets": [("labelled", "captions")],
    "score-definitions": [("of one synset", "scored")],
    "filter-captions": [("passed", "kept")],
    "vary-captions": [("with a caption", "kept")],
    "sample-subset": [("drawn", "kept")],
    "match-frequencies": [("taken", "rows")],
}
MATCH_FREQUENCIES = "match-frequencies"  # its rows come from several tables: it starts a branch


@dataclass
class Branch:
    """Runs that lead on from the same rows, oldest first, with the run that each continues.

    `parents`: index inside `runs`, None for runs that read the first rows.
    """

    runs: list[RunRecord] = field(default_factory=list)
    parents: list[int | None] = field(default_factory=list)

    @property
    def n_read(self) -> int:
        """Rows that the first run read; of match-frequencies the rows that were wanted."""
        first = self.runs[0]
        return first.counts["target" if first.job == MATCH_FREQUENCIES else "rows_in"]

    @property
    def name(self) -> str:
        """The name of the table that the last run wrote."""
        return output_name(self.runs[-1])

    def ends(self) -> list[RunRecord]:
        """The runs that no other continues."""
        return [run for index, run in enumerate(self.runs) if index not in self.parents]

    def forks(self) -> bool:
        """Whether several runs continue the same rows."""
        return any(self.parents.count(parent) > 1 for parent in self.parents)


def branches(runs: Sequence[RunRecord]) -> list[Branch]:
    """The runs that count rows, by the rows that they started from; in the order of their ends."""
    all_branches: list[Branch] = []
    place: dict[int, tuple[Branch, int]] = {}  # index of a run -> its branch, and place in it
    for index, (run, writers) in enumerate(zip(runs, writers_of_inputs(runs), strict=True)):
        if not _counts_rows(run):
            continue
        placed = [place[writer] for writer in writers if writer in place]
        branch, parent = (None, None)
        if placed and run.job != MATCH_FREQUENCIES:
            branch, parent = placed[-1]
        branch = branch or _of_same_rows(all_branches, run)
        if branch is None:
            all_branches.append(branch := Branch())
        place[index] = (branch, len(branch.runs))
        branch.runs.append(run)
        branch.parents.append(parent)
    return sorted(all_branches, key=lambda branch: branch.runs[-1].started)


def stages_of(run: RunRecord) -> list[tuple[str, str]]:
    """The stages of a run: (label, name of the count)."""
    return [(label, name) for label, name in STAGES.get(run.job, []) if name in run.counts]


def output_name(run: RunRecord) -> str:
    """The name of the first table that a run wrote."""
    return table_name(run.outputs.get("output") or next(iter(run.outputs.values()), run.job))


def _counts_rows(run: RunRecord) -> bool:
    return bool(stages_of(run))


def _of_same_rows(all_branches: Sequence[Branch], run: RunRecord) -> Branch | None:
    """The branch whose first run is of the same job and read the same tables."""
    for branch in all_branches:
        first = branch.runs[0]
        is_same = first.job == run.job and first.inputs == run.inputs
        if is_same and run.inputs and run.job != MATCH_FREQUENCIES:
            return branch
    return None
