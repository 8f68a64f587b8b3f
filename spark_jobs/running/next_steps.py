"""The last lines of a run: the commands that go on from its result."""

import shlex
from collections.abc import Callable

from spark_jobs.core.addresses import parse_address
from spark_jobs.running.launch import Summary

# Jobs whose output is a result: pairs to look at, and to train on.
_RESULTS = {
    *("balance-captions", "match-and-balance", "sample-subset", "match-frequencies"),
    "filter-captions",
}


def next_step_lines(summary: Summary, as_typed: Callable[[str], str]) -> list[str]:
    """Commands for the last table of pairs that a pipeline wrote; empty if it wrote none.

    `as_typed`: an address as a user would type it, which is then quoted for the shell.
    """
    results = [step for step in summary.steps if step["job"] in _RESULTS]
    if not results:
        return []
    last = results[-1]
    address = summary.outputs[f"{last.get('name') or last['job']}.output"]
    table, folder = (
        shlex.quote(as_typed(typed)) for typed in (address, parse_address(address).parent())
    )
    commands = [f"captionlake show {table}"]
    if last["job"] == "balance-captions":
        commands.append(f"captionlake explain --run {folder} --uid UID")
    commands.append(f"captionlake export-pairs --input {table} --output ./to_download")
    return [f"{'' if number else 'Next:':<6}{line}" for number, line in enumerate(commands)]
