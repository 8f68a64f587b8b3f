"""The versions of tables that the recorded runs of workspaces still need."""

from collections.abc import Iterable, Sequence

from spark_jobs.core.addresses import parse_address, place_of_address
from spark_jobs.core.run_records import RunRecord, runs_behind

Versions = dict[str, set[str]]  # place of a table -> versions as runs record them


def output_locations(records: Iterable[RunRecord]) -> list[str]:
    """The locations that runs wrote, tables and files, in the order of the runs.

    Each place once, as it was spelt first.
    """
    addresses = (address for record in records for address in record.outputs.values())
    by_place: dict[str, str] = {}
    for address in addresses:
        by_place.setdefault(place_of_address(address), parse_address(address).location)
    return list(by_place.values())


def needed_versions(records: Sequence[RunRecord], keep_runs: int) -> Versions:
    """Place of a table -> versions that the newest runs of each output have read or written.

    `records`: oldest first. `keep_runs`: how many runs of each output count, with all runs that
    these go back to.
    """
    needed: Versions = {}
    for run in _needed_runs(records, keep_runs):
        for address, version in [*run.inputs.items(), *run.written.items()]:
            needed.setdefault(place_of_address(address), set()).add(version)
    return needed


def _needed_runs(records: Sequence[RunRecord], keep_runs: int) -> list[RunRecord]:
    writers_of: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        for place in {place_of_address(address) for address in record.outputs.values()}:
            writers_of.setdefault(place, []).append(index)
    by_start = {}
    for writers in writers_of.values():
        for index in writers[-keep_runs:]:
            outputs = records[index].outputs.values()
            for run in runs_behind(records[: index + 1], outputs):
                by_start[run.run_id, run.started] = run
    return list(by_start.values())
