"""Runs: what makes two of them the same, the `runs` table, and when one is up to date."""

import hashlib
import json
import logging
import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs import __version__, schemas, tables
from spark_jobs.addresses import join_address, parse_address
from spark_jobs.errors import InputDataError, SettingsError
from spark_jobs.folder_marks import has_files, mark_file, marked_run_id, unmark_file
from spark_jobs.folders import has_file
from spark_jobs.job import Counts, Job, Run
from spark_jobs.run_records import RunRecord
from spark_jobs.settings import S, Settings

_log = logging.getLogger(__name__)


def new_run(spark: SparkSession, job: Job[S], settings: S) -> Run:
    """Look at the inputs and name the run.

    The id is a digest of job, settings, the rows of the inputs and code: the same work again has
    the same id, whenever it runs, also where a table was compacted meanwhile. Raises
    InputDataError where an input is not there.
    """
    _refuse_shared_addresses(job.name, settings)
    states = {
        address: tables.table_state(spark, address)
        for address in settings.addresses("input").values()
    }
    inputs = {address: state.version for address, state in states.items()}
    own_files = settings.own_files()
    sha = settings_digest(settings)
    marks = {address: state.mark for address, state in states.items()} | own_files
    identity = json.dumps([job.name, sha, marks, code_digest()], sort_keys=True)
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Run(spark, job.name, run_id, sha, settings.records(), inputs | own_files, states)


def is_up_to_date(run: Run, settings: Settings) -> Counts | None:
    """The counts of this very run if its outputs are all still what it wrote, else None."""
    outputs = settings.addresses("output").values()
    if not all(_last_run_id(run.spark, address) == run.run_id for address in outputs):
        return None
    if not all(has_file(file) for file in settings.addresses("file").values()):
        return None
    rows = read_runs(run.spark, run.workspace)
    last = None if rows is None else newest(rows.where(F.col(schemas.RUN_ID) == run.run_id))
    return None if last is None else dict(json.loads(last["counts"]))


def why_not_up_to_date(run: Run, settings: Settings) -> str:
    """What has changed since the last run that wrote the same outputs, in a few words."""
    outputs = settings.addresses("output").values()
    folders = [a for a in outputs if not tables.has_table(run.spark, a)]
    absent = [a for a in folders if not has_files(parse_address(a).location)]
    absent += [file for file in settings.addresses("file").values() if not has_file(file)]
    rows = read_runs(run.spark, run.workspace)
    same_place = F.col("outputs") == _outputs(settings)
    is_job = F.col(schemas.JOB) == run.job
    last = None if rows is None else newest(rows.where(is_job & same_place))
    if last is None:
        return "it has not run yet"
    if absent:
        return f"{absent[0]} is not there"
    changed = [
        *_changes("setting", json.loads(last["settings"]), json.loads(settings.model_dump_json())),
        *_changes("input", json.loads(last["inputs"]), run.inputs, same=tables.same_rows),
        *(["the code changed"] if last["code"] != code_digest() else []),
    ]
    altered = [a for a in folders if marked_run_id(parse_address(a).location) is None]
    if altered and not changed:
        return f"the files in {altered[0]} are not those that a run wrote"
    return ", ".join(changed) or "another run wrote its outputs"


def _last_run_id(spark: SparkSession, address: str) -> str | None:
    """The run that wrote what stands at an output's address: a table, or a folder of files."""
    return tables.last_run_id(spark, address) or marked_run_id(parse_address(address).location)


def read_runs(spark: SparkSession, workspace: str) -> DataFrame | None:
    """The table `runs` of a workspace; None where there is none."""
    address = join_address(workspace, "runs")
    if not tables.has_table(spark, address):
        return None
    needed = StructType([field for field in schemas.RUNS if field.name != schemas.DRAWS])
    rows = tables.read_table(spark, address, needed)
    # Runs recorded before draws were have none in this column, or lack the column.
    draws = F.col(schemas.DRAWS) if schemas.DRAWS in rows.columns else F.lit(None).cast("string")
    return rows.withColumn(schemas.DRAWS, F.coalesce(draws, F.lit("[]")))


def recorded_runs(spark: SparkSession, workspace: str) -> list[RunRecord]:
    """Every run of a workspace, oldest first; InputDataError where none is recorded."""
    rows = read_runs(spark, workspace)
    if rows is None:
        raise InputDataError(f"{join_address(workspace, 'runs')}: there is no table of runs")
    return [RunRecord.of_row(row) for row in rows.orderBy("started", schemas.RUN_ID).collect()]


def newest(runs: DataFrame) -> Row | None:
    """The run that started last."""
    return runs.orderBy(F.desc("started")).first()


def record_run(run: Run, settings: Settings, counts: Counts, started: datetime) -> None:
    """Mark the files that the run wrote, and add its row to the workspace's `runs`."""
    for file in settings.addresses("file").values():
        _mark_file(run, file)
    row = (
        run.run_id,
        run.job,
        settings.model_dump_json(),
        run.settings_sha,
        code_digest(),
        json.dumps(run.inputs, sort_keys=True),
        _outputs(settings),
        json.dumps(counts, sort_keys=True),
        json.dumps(run.draws),
        started,
        (datetime.now(UTC) - started).total_seconds(),
    )
    frame = run.spark.createDataFrame([row], schemas.RUNS).coalesce(1)
    # Each execution is a row of its own, so the append is told apart by its start.
    commit = run.commit() | {"run_id": f"{run.run_id}-{started.isoformat()}"}
    tables.append_table(frame, join_address(run.workspace, "runs"), commit)


def _mark_file(run: Run, file: str) -> None:
    """Say beside a file which draws its rows have been through; without any, nothing is said."""
    try:
        if run.draws_behind:
            mark_file(file, run.commit_to(file))
        else:
            unmark_file(file)
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", file, fault)


def _outputs(settings: Settings) -> str:
    """Setting -> address of the tables and files written, as JSON."""
    written = settings.addresses("output") | settings.addresses("file")
    return json.dumps(written, sort_keys=True)


def _changes(
    kind: str,
    before: dict[str, Any],
    now: dict[str, Any],
    same: Callable[[Any, Any], bool] = operator.eq,
) -> list[str]:
    """`setting t: 20 -> 30` for every difference."""
    names = sorted(n for n in {**before, **now} if not same(before.get(n), now.get(n)))
    return [f"{kind} {name}: {before.get(name)} -> {now.get(name)}" for name in names]


def settings_digest(settings: Settings) -> str:
    """16 hex digits of the settings as JSON."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


@cache
def code_digest() -> str:
    """The version and a digest of the packages' files: changes whenever the code does."""
    digest = hashlib.sha256()
    for package in ("spark_jobs", "udfs"):
        for name, content in sorted(_modules(files(package), package)):
            digest.update(name.encode() + content)
    return f"{__version__}+{digest.hexdigest()[:16]}"


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every module, template and table below a package, also inside a wheel."""
    for item in folder.iterdir():
        if item.is_dir():
            yield from _modules(item, f"{name}/{item.name}")
        elif item.name.endswith((".py", ".html", ".tsv")):
            yield f"{name}/{item.name}", item.read_bytes()


def _refuse_shared_addresses(job: str, settings: Settings) -> None:
    """One table cannot be both read and written, nor written twice."""
    seen: dict[str, str] = {}
    named = [*settings.addresses("input").items(), *settings.addresses("output").items()]
    outputs = settings.addresses("output")
    for name, address in named:
        location = parse_address(address).location
        if location in seen and (name in outputs):
            raise SettingsError(
                f"{job}: {name!r} and {seen[location]!r} are both {location}; "
                "an output needs an address of its own"
            )
        seen[location] = name
