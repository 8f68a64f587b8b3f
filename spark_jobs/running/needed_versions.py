"""The versions of tables that the recorded runs of workspaces still need."""

from collections.abc import Iterable, Sequence

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.run_records import RunRecord, runs_behind

Versions = dict[str, set[str]]  # location of a table -> versions as runs record them


def output_locations(records: Iterable[RunRecord]) -> list[str]:
    """The locations that runs wrote, tables and files, each once, in the order of the runs."""
    addresses = (address for record in records for address in record.outputs.values())
    return list(dict.fromkeys(parse_address(address).location for address in addresses))


def needed_versions(records: Sequence[RunRecord], keep_runs: int) -> Versions:
    """Location -> versions that the newest runs of each output have read or written.

    `records`: oldest first. `keep_runs`: how many runs of each output count, with all runs that
    these go back to.
    """
    needed: Versions = {}
    for run in _needed_runs(records, keep_runs):
        for address, version in [*run.inputs.items(), *run.written.items()]:
            needed.setdefault(parse_address(address).location, set()).add(version)
    return needed


def _needed_runs(records: Sequence[RunRecord], keep_runs: int) -> list[RunRecord]:
    by_start = {}
    for location in output_locations(records):
        writers = [
            index for index, record in enumerate(records) if location in output_locations([record])
        ]
        for index in writers[-keep_runs:]:
            outputs = records[index].outputs.values()
            for run in runs_behind(records[: index + 1], outputs):
                by_start[run.run_id, run.started] = run
    return list(by_start.values())
