"""Run ids, rows for the table `runs`, and whether the outputs of a job are up to date."""

import hashlib
import json
import logging
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.redaction import redacted, redacted_names, redacted_values
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.settings import Settings
from spark_jobs.running.code_digest import code_digest
from spark_jobs.running.job import Job
from spark_jobs.running.run_rows import newest_run
from spark_jobs.storage import table_states, tables
from spark_jobs.storage.catalog_states import is_undetermined
from spark_jobs.storage.file_stamps import stamp_of
from spark_jobs.storage.light_writes import append_row
from spark_jobs.storage.outputs.files import mark_run
from spark_jobs.storage.outputs.folder_marks import has_files, marked_run_id
from spark_jobs.storage.outputs.places import refuse_overlapping_outputs
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.stores import open_stores

_log = logging.getLogger(__name__)


def new_run(spark: SparkSession, job: Job[Any], settings: Settings) -> Run:
    """Read the state of the inputs and give the run its id.

    The id is a digest of job, settings, code and the rows of the inputs: identical work has the
    same id at any time, even if an input table was compacted in between. Raises InputDataError if
    an input is missing.
    """
    open_stores(spark, settings)
    refuse_overlapping_outputs(spark, job.name, settings)
    banks = settings.names_with_role("bank")
    states = {
        address: (table_states.bank_state if name in banks else table_states.table_state)(
            spark, address
        )
        for name, address in settings.addresses("input").items()
    }
    inputs = {address: state.version for address, state in states.items()}
    own_files = settings.own_files()
    digest = settings_digest(settings)
    marks = {address: state.mark for address, state in states.items()} | own_files
    identity = json.dumps([job.name, digest, marks, code_digest(job.name)], sort_keys=True)
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Run(
        spark, job.name, run_id, digest, settings.workspace_address(), inputs | own_files, states
    )


def up_to_date_record(run: Run, settings: Settings) -> RunRecord | None:
    """The record of the earlier run with this id if all its outputs are unchanged, else None."""
    outputs = settings.addresses("output").values()
    if not all(_last_run_id(run.spark, address) == run.run_id for address in outputs):
        return None
    if not all(stamp_of(file) for file in settings.addresses("file").values()):
        return None
    last = newest_run(run.spark, run.workspace, run_id=run.run_id)
    if last is None or _altered_files(settings, last):
        return None
    return RunRecord.from_row(last)


def _altered_files(settings: Settings, last: Mapping[str, Any]) -> list[str]:
    """Output files whose stamp differs from the one that the run `last` recorded, if any."""
    written = json.loads(last[schemas.WRITTEN])
    files = settings.addresses("file").values()
    return [f for f in files if written.get(redacted(f), stamp_of(f)) != stamp_of(f)]


def why_not_up_to_date(run: Run, settings: Settings, writers: Mapping[str, str]) -> str:
    """What changed since the last run with the same outputs, in a few words.

    `writers`: address -> the step that has just written it, named in place of the versions.
    """
    outputs = settings.addresses("output").values()
    folders = [a for a in outputs if not tables.has_table(run.spark, a)]
    missing = [a for a in folders if not has_files(parse_address(a).location)]
    missing += [file for file in settings.addresses("file").values() if stamp_of(file) is None]
    outputs_json = _outputs_json(settings)
    last = newest_run(run.spark, run.workspace, job=run.job, outputs=outputs_json)
    if last is None:
        return "first run"
    if missing:
        return f"{missing[0]} is not there"
    changes = changes_since(run, settings, last, writers)
    altered_folders = [a for a in folders if marked_run_id(parse_address(a).location) is None]
    if altered_folders and not changes:
        return f"the files in {altered_folders[0]} are not those that a run wrote"
    altered_files = _altered_files(settings, last)
    if altered_files and not changes:
        return f"{altered_files[0]} is not what a run wrote"
    return ", ".join(changes) or "another run wrote its outputs"


def changes_since(
    run: Run, settings: Settings, last: Mapping[str, Any], writers: Mapping[str, str]
) -> list[str]:
    """The settings, inputs and code that differ from those of the run `last`, in words."""
    changes = _differences("setting", json.loads(last["settings"]), recorded_settings(settings))
    if not changes and last["settings_sha"] != run.settings_sha:
        changes = ["a setting whose value is not recorded"]
    before = {a: v for a, v in json.loads(last["inputs"]).items() if not is_undetermined(v)}
    inputs = {a: v for a, v in redacted_names(run.inputs).items() if not is_undetermined(v)}
    steps = {redacted(address): step for address, step in writers.items()}
    after = [
        steps[address]
        for address in inputs.keys() & steps.keys()
        if not table_states.has_same_rows(before.pop(address, None), inputs.pop(address))
    ]
    return [
        *changes,
        *([f"after {', '.join(sorted(set(after)))}"] if after else []),
        *_differences("input", before, inputs, same=table_states.has_same_rows),
        *(
            f"which rows {redacted(address)} has cannot be told"
            for address in run.undetermined_inputs
        ),
        *(["the code changed"] if last["code"] != code_digest(run.job) else []),
    ]


def _last_run_id(spark: SparkSession, address: str) -> str | None:
    """The id of the run that last wrote an output, a table or a folder of files."""
    return tables.last_run_id(spark, address) or marked_run_id(parse_address(address).location)


def record_run(run: Run, settings: Settings, counts: Counts, started: datetime) -> None:
    """Write the marks of the run's output files, and add its row to the workspace's `runs`."""
    for file in settings.addresses("file").values():
        _mark_file(run, file)
    row = (
        run.run_id,
        run.job,
        json.dumps(recorded_settings(settings)),
        run.settings_sha,
        code_digest(run.job),
        json.dumps(redacted_names(run.inputs), sort_keys=True),
        _outputs_json(settings),
        json.dumps(redacted_names(counts), sort_keys=True),
        json.dumps(run.draws),
        json.dumps(redacted_names(run.written | _stamps(settings)), sort_keys=True),
        started,
        (datetime.now(UTC) - started).total_seconds(),
    )
    # append_row skips a run_id that it has appended before; each execution gets its own row.
    metadata = run.run_metadata() | {"run_id": f"{run.run_id}-{started.isoformat()}"}
    append_row(run.spark, row, schemas.RUNS, join_address(run.workspace, "runs"), metadata)


def _mark_file(run: Run, file: str) -> None:
    """Write a mark beside a file: the run that wrote it and the provenance of its rows."""
    try:
        mark_run(file, run.output_metadata(file))
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", file, fault)


def _stamps(settings: Settings) -> dict[str, str]:
    stamps = {file: stamp_of(file) for file in settings.addresses("file").values()}
    return {file: stamp for file, stamp in stamps.items() if stamp is not None}


def _outputs_json(settings: Settings) -> str:
    """Setting -> address of the output tables and files, redacted, as JSON."""
    outputs = settings.addresses("output") | settings.addresses("file")
    return json.dumps(redacted_values(outputs), sort_keys=True)


def _differences(
    kind: str,
    before: dict[str, Any],
    now: dict[str, Any],
    same: Callable[[Any, Any], bool] = operator.eq,
) -> list[str]:
    """A text like `setting t: 20 -> 30` for each key whose values differ."""
    names = sorted(n for n in {**before, **now} if not same(before.get(n), now.get(n)))
    return [f"{kind} {name}: {before.get(name)} -> {now.get(name)}" for name in names]


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON for the run's record and the log, redacted."""
    values: dict[str, Any] = redacted_values(settings.model_dump(mode="json"))
    return values


def settings_digest(settings: Settings) -> str:
    """Digest of the settings with their credentials, 16 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
