"""Tables of the runs in a report: start, code, settings and input versions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.blocks import Block, Section, Table


def runs_section(runs: Sequence[RunRecord]) -> Section:
    """A section with the runs, and the settings and inputs of each."""
    columns = ["job", "run", "started (UTC)", "code", "seconds"]
    rows = [
        (r.job, r.run_id, f"{r.started:%Y-%m-%d %H:%M:%S}", r.code, f"{r.seconds:,.1f}")
        for r in runs
    ]
    blocks: list[Block] = [Table("Runs", columns, rows, first_number=4)]
    blocks += [_settings_table(run) for run in runs]
    return Section("Runs and settings", blocks, folds=True)


def _settings_table(run: RunRecord) -> Table:
    settings = [(name, _text(value)) for name, value in run.settings.items() if value is not None]
    versions = [(address, f"version {version}") for address, version in run.inputs.items()]
    return Table(run.job, ["setting or input", "value"], [*settings, *versions], first_number=2)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, Mapping | list | bool) else str(value)
