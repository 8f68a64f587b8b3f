"""The lines a command ends with, for people: what happened, and where its tables are."""

import os
from collections.abc import Mapping
from pathlib import Path

from spark_jobs.core.addresses import parse_address
from spark_jobs.running.launch import Summary
from spark_jobs.running.next_steps import next_step_lines


def result_lines(summary: Summary) -> list[str]:
    """What a pipeline did, then where the tables and the report are; a job has said the former."""
    happened = [_happened(summary)] if summary.steps else []
    if summary.status == "would_run":
        return happened
    report = [] if summary.report is None else [f"Report: {_as_typed(summary.report)}"]
    return [*happened, *_where(summary), *report, *next_step_lines(summary, _as_typed)]


def _happened(summary: Summary) -> str:
    """`curate: done in 45.2 s: 3,050 rows in, 1,593 rows out (52.2%)`."""
    n_steps = len(summary.steps)
    outdated = sum(step["status"] != "up_to_date" for step in summary.steps)
    if summary.status == "would_run":
        return f"{summary.job}: {outdated} of {n_steps} steps would run"
    word = f"done in {summary.seconds:.1f} s" if outdated else "up to date"
    return ": ".join([summary.job, word, *_rows_in_and_out(summary.counts)])


def _rows_in_and_out(counts: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The rows that the first step read and those that the last filtering step kept, if any did."""
    rows_in = next((c["rows_in"] for c in counts.values() if "rows_in" in c), None)
    kept = next((c["kept"] for c in reversed([*counts.values()]) if "kept" in c), None)
    if not isinstance(rows_in, int) or not isinstance(kept, int):
        return []
    share = f" ({kept / rows_in:.1%})" if rows_in else ""
    return [f"{rows_in:,} rows in, {kept:,} rows out{share}"]


def _where(summary: Summary) -> list[str]:
    """A line per folder or schema with the names of the tables in it; reports are left out."""
    names: dict[str, list[str]] = {}
    for address in summary.outputs.values():
        location = parse_address(address).location
        if address == summary.report:
            continue
        parent = parse_address(address).parent()
        names.setdefault(parent, []).append(location[len(parent) :].lstrip("/."))
    return [f"In {_as_typed(parent)}: {', '.join(tables)}" for parent, tables in names.items()]


def _as_typed(location: str) -> str:
    """A path inside the working directory relative to it, as a user would type it."""
    folder = os.getcwd()
    if location == folder:
        return "."
    inside = location.startswith(f"{folder}/")
    return f"./{Path(location).relative_to(folder)}" if inside else location
