"""Runs: what makes two of them the same, the `runs` table, and when one is up to date."""

import hashlib
import json
import logging
import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.redaction import redacted, redacted_names, redacted_values
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.settings import S, Settings
from spark_jobs.running.code_digest import code_digest
from spark_jobs.running.job import Job
from spark_jobs.storage import table_states, tables
from spark_jobs.storage.catalog_states import is_undetermined
from spark_jobs.storage.file_stamps import stamp_of
from spark_jobs.storage.outputs.files import mark_run
from spark_jobs.storage.outputs.folder_marks import has_files, marked_run_id
from spark_jobs.storage.outputs.places import refuse_overlapping_outputs
from spark_jobs.storage.run import Counts, Run

# Columns that tables of runs lack which were made before these were, and what they would say.
_ADDED = {schemas.DRAWS: "[]", schemas.WRITTEN: "{}"}
_log = logging.getLogger(__name__)


def new_run(spark: SparkSession, job: Job[S], settings: S) -> Run:
    """Look at the inputs and name the run.

    The id is a digest of job, settings, the rows of the inputs and code: the same work again has
    the same id, whenever it runs, also where a table was compacted meanwhile. Raises
    InputDataError where an input is not there.
    """
    refuse_overlapping_outputs(spark, job.name, settings)
    states = {
        address: table_states.table_state(spark, address)
        for address in settings.addresses("input").values()
    }
    inputs = {address: state.version for address, state in states.items()}
    own_files = settings.own_files()
    sha = settings_digest(settings)
    marks = {address: state.mark for address, state in states.items()} | own_files
    identity = json.dumps([job.name, sha, marks, code_digest(job.name)], sort_keys=True)
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Run(
        spark, job.name, run_id, sha, settings.workspace_address(), inputs | own_files, states
    )


def up_to_date_counts(run: Run, settings: Settings) -> Counts | None:
    """The counts of this very run if its outputs are all still what it wrote, else None."""
    outputs = settings.addresses("output").values()
    if not all(_last_run_id(run.spark, address) == run.run_id for address in outputs):
        return None
    if not all(stamp_of(file) for file in settings.addresses("file").values()):
        return None
    rows = read_runs(run.spark, run.workspace)
    last = None if rows is None else newest_run(rows.where(F.col(schemas.RUN_ID) == run.run_id))
    if last is None or _altered_files(settings, last):
        return None
    return dict(json.loads(last["counts"]))


def _altered_files(settings: Settings, last: Row) -> list[str]:
    """Files that are others now than a run left there; what it left may be unknown."""
    left = json.loads(last[schemas.WRITTEN])
    files = settings.addresses("file").values()
    return [f for f in files if left.get(redacted(f), stamp_of(f)) != stamp_of(f)]


def why_not_up_to_date(run: Run, settings: Settings) -> str:
    """What has changed since the last run that wrote the same outputs, in a few words."""
    outputs = settings.addresses("output").values()
    folders = [a for a in outputs if not tables.has_table(run.spark, a)]
    absent = [a for a in folders if not has_files(parse_address(a).location)]
    absent += [file for file in settings.addresses("file").values() if stamp_of(file) is None]
    rows = read_runs(run.spark, run.workspace)
    same_place = F.col("outputs") == _outputs(settings)
    is_job = F.col(schemas.JOB) == run.job
    last = None if rows is None else newest_run(rows.where(is_job & same_place))
    if last is None:
        return "it has not run yet"
    if absent:
        return f"{absent[0]} is not there"
    changed = _changed(run, settings, last)
    altered = [a for a in folders if marked_run_id(parse_address(a).location) is None]
    if altered and not changed:
        return f"the files in {altered[0]} are not those that a run wrote"
    files = _altered_files(settings, last)
    if files and not changed:
        return f"{files[0]} is not what a run wrote"
    return ", ".join(changed) or "another run wrote its outputs"


def _changed(run: Run, settings: Settings, last: Row) -> list[str]:
    """Settings, inputs and code that are others than those of an earlier run."""
    changes = _changes("setting", json.loads(last["settings"]), recorded_settings(settings))
    if not changes and last["settings_sha"] != run.settings_sha:
        changes = ["a setting whose value is not recorded"]
    before = {a: v for a, v in json.loads(last["inputs"]).items() if not is_undetermined(v)}
    inputs = {a: v for a, v in redacted_names(run.inputs).items() if not is_undetermined(v)}
    return [
        *changes,
        *_changes("input", before, inputs, same=table_states.has_same_rows),
        *(
            f"which rows {redacted(address)} has cannot be told"
            for address in run.undetermined_inputs
        ),
        *(["the code changed"] if last["code"] != code_digest(run.job) else []),
    ]


def _last_run_id(spark: SparkSession, address: str) -> str | None:
    """The run that wrote what stands at an output's address: a table, or a folder of files."""
    return tables.last_run_id(spark, address) or marked_run_id(parse_address(address).location)


def read_runs(spark: SparkSession, workspace: str) -> DataFrame | None:
    """The table `runs` of a workspace; None where there is none."""
    address = join_address(workspace, "runs")
    if not tables.has_table(spark, address):
        return None
    needed = StructType([field for field in schemas.RUNS if field.name not in _ADDED])
    rows = tables.read_table(spark, address, needed)
    there = {name: named(name) for name in _ADDED if name in rows.columns}
    absent = F.lit(None).cast("string")
    filled = {n: F.coalesce(there.get(n, absent), F.lit(empty)) for n, empty in _ADDED.items()}
    return rows.withColumns(filled)


def recorded_runs(spark: SparkSession, workspace: str) -> list[RunRecord]:
    """Every run of a workspace, oldest first; InputDataError where none is recorded."""
    rows = read_runs(spark, workspace)
    if rows is None:
        raise InputDataError(f"{join_address(workspace, 'runs')}: there is no table of runs")
    return [RunRecord.from_row(row) for row in rows.orderBy("started", schemas.RUN_ID).collect()]


def newest_run(runs: DataFrame) -> Row | None:
    """The run that started last."""
    return runs.orderBy(F.desc("started")).first()


def record_run(run: Run, settings: Settings, counts: Counts, started: datetime) -> None:
    """Mark the files that the run wrote, and add its row to the workspace's `runs`."""
    for file in settings.addresses("file").values():
        _mark_file(run, file)
    row = (
        run.run_id,
        run.job,
        json.dumps(recorded_settings(settings)),
        run.settings_sha,
        code_digest(run.job),
        json.dumps(redacted_names(run.inputs), sort_keys=True),
        _outputs(settings),
        json.dumps(redacted_names(counts), sort_keys=True),
        json.dumps(run.draws),
        json.dumps(redacted_names(run.written | _stamps(settings)), sort_keys=True),
        started,
        (datetime.now(UTC) - started).total_seconds(),
    )
    frame = run.spark.createDataFrame([row], schemas.RUNS).coalesce(1)
    # Each execution is a row of its own, so the append is told apart by its start.
    commit = run.run_metadata() | {"run_id": f"{run.run_id}-{started.isoformat()}"}
    tables.append_table(frame, join_address(run.workspace, "runs"), commit)


def _mark_file(run: Run, file: str) -> None:
    """Say beside a file which run wrote it, and which draws its rows have been through."""
    try:
        mark_run(file, run.output_metadata(file))
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", file, fault)


def _stamps(settings: Settings) -> dict[str, str]:
    stamps = {file: stamp_of(file) for file in settings.addresses("file").values()}
    return {file: stamp for file, stamp in stamps.items() if stamp is not None}


def _outputs(settings: Settings) -> str:
    """Setting -> address of the tables and files written, as JSON."""
    written = settings.addresses("output") | settings.addresses("file")
    return json.dumps(redacted_values(written), sort_keys=True)


def _changes(
    kind: str,
    before: dict[str, Any],
    now: dict[str, Any],
    same: Callable[[Any, Any], bool] = operator.eq,
) -> list[str]:
    """`setting t: 20 -> 30` for every difference."""
    names = sorted(n for n in {**before, **now} if not same(before.get(n), now.get(n)))
    return [f"{kind} {name}: {before.get(name)} -> {now.get(name)}" for name in names]


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """The settings as they are written down and shown: without credentials."""
    shown: dict[str, Any] = redacted_values(settings.model_dump(mode="json"))
    return shown


def settings_digest(settings: Settings) -> str:
    """16 hex digits of the settings as JSON, credentials too."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
