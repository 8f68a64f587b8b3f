"""Runs: what makes two of them the same, the `runs` table, and when one is up to date."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs import __version__, schemas, tables
from spark_jobs.addresses import join_address, parse_address
from spark_jobs.errors import SettingsError
from spark_jobs.job import Counts, Job, Run
from spark_jobs.settings import S, Settings


def new_run(spark: SparkSession, job: Job[S], settings: S) -> Run:
    """Look at the inputs and name the run.

    The id is a digest of job, settings, input versions and code: the same work again has the
    same id, whenever it runs. Raises InputDataError where an input is not there.
    """
    _refuse_shared_addresses(job.name, settings)
    inputs = {
        address: tables.input_version(spark, address)
        for address in settings.addresses("input").values()
    }
    sha = settings_digest(settings)
    identity = json.dumps([job.name, sha, inputs, code_digest()], sort_keys=True)
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Run(spark, job.name, run_id, sha, workspace_of(settings), inputs)


def is_up_to_date(run: Run, settings: Settings) -> Counts | None:
    """The counts of this very run if its outputs are all still what it wrote, else None."""
    outputs = settings.addresses("output").values()
    if not all(tables.last_run_id(run.spark, address) == run.run_id for address in outputs):
        return None
    address = join_address(run.workspace, "runs")
    if not tables.has_table(run.spark, address):
        return None
    rows = tables.read_table(run.spark, address, schemas.RUNS).where(
        F.col(schemas.RUN_ID) == run.run_id
    )
    last = rows.orderBy(F.desc("started")).select("counts").first()
    return None if last is None else dict(json.loads(last[0]))


def record_run(run: Run, settings: Settings, counts: Counts, started: datetime) -> None:
    """Add the run's row to the workspace's `runs`."""
    row = (
        run.run_id,
        run.job,
        settings.model_dump_json(),
        run.settings_sha,
        code_digest(),
        json.dumps(run.inputs, sort_keys=True),
        json.dumps(settings.addresses("output"), sort_keys=True),
        json.dumps(counts, sort_keys=True),
        started,
        (datetime.now(UTC) - started).total_seconds(),
    )
    frame = run.spark.createDataFrame([row], schemas.RUNS).coalesce(1)
    # Each execution is a row of its own, so the append is told apart by its start.
    commit = run.commit() | {"run_id": f"{run.run_id}-{started.isoformat()}"}
    tables.append_table(frame, join_address(run.workspace, "runs"), commit)


def workspace_of(settings: Settings) -> str:
    """Where `runs` and `rejected` of these settings live; by default beside the first output."""
    if settings.workspace is not None:
        return settings.workspace
    first = next(iter(settings.addresses("output").values()))
    return parse_address(first).parent()


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
    """Name and content of every module below a package, also inside a wheel."""
    for item in folder.iterdir():
        if item.is_dir():
            yield from _modules(item, f"{name}/{item.name}")
        elif item.name.endswith(".py"):
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
