"""Platforms that run the commands of `workload.py`: local mode, a cluster, a Connect server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.image_server import ImageServer, running
from tests.platforms.cluster import SHUFFLE_PARTITIONS, Cluster, started_cluster
from tests.platforms.workload import Place, digests, make_inputs, other_jobs, recipes
from tests.processes import QUICK_JAVA

PROGRAMS = Path(__file__).parent
ROOT = PROGRAMS.parents[1]


@dataclass(frozen=True)
class Outcome:
    """What commands came to on a platform.

    `results`: by the command's name. `code`: where the workers had the package udfs from. `folder`:
    where they wrote.
    """

    results: dict[str, dict[str, Any]]
    code: list[str]
    folder: Path

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of all that was written; DeltaTable refuses a table whose first write failed."""
        return digests(self.folder)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    with running(ImageServer()) as server:
        make_inputs(folder / "of_all", server.url)
        yield folder / "of_all"


def clean_environment(**variables: str) -> dict[str, str]:
    """This program's environment without what pytest's own Spark left in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "SPARK_"))}
    return kept | QUICK_JAVA | variables


def run_commands(
    program: list[object], commands: dict[str, list[str]], out: Path, environment: dict[str, str]
) -> Outcome:
    """Run the commands by `program`, which ends with run_commands.py, in the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    listed, results = out / "_commands", out / "_results"
    listed.write_text(json.dumps([*commands.values()]))
    done = subprocess.run(
        [*map(str, program), str(listed), str(results)],
        env=environment, cwd=out, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6_000:]
    read = json.loads(results.read_text())
    by_name = dict(zip(commands, read["commands"], strict=True))
    return Outcome(by_name, read["code"], out)


def run_locally(commands: dict[str, list[str]], out: Path) -> Outcome:
    environment = clean_environment(PYTHONPATH=str(ROOT), SPARK_DRIVER_MEMORY="1g")
    program = [sys.executable, PROGRAMS / "run_commands.py", SHUFFLE_PARTITIONS]
    return run_commands(program, commands, out, environment)


@pytest.fixture(scope="session")
def local_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="session")
def local(inputs: Path, tiny_clip: Path, local_folder: Path) -> Outcome:
    """The recipes in local mode."""
    return run_locally(recipes(inputs, tiny_clip, local_folder), local_folder)


@pytest.fixture(scope="session")
def local_jobs(local: Outcome, inputs: Path, local_folder: Path) -> Outcome:
    """The other jobs, after the recipes; digests of both."""
    return run_locally(other_jobs(inputs, Place(local_folder)), local_folder)


@pytest.fixture(scope="session")
def worker_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This Python with its packages, but without the editable install of captionlake."""
    folder = tmp_path_factory.mktemp("python")
    packages = folder / "packages"
    packages.mkdir()
    for path in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for entry in path.iterdir():
            # A .pth adds the sources; the backport would come before the module of that name.
            if entry.suffix != ".pth" and entry.name != "dataclasses.py":
                with suppress(FileExistsError):
                    (packages / entry.name).symlink_to(entry)
    program = folder / "python"
    path = f'PYTHONPATH="$PYTHONPATH:{packages}"'
    program.write_text(f'#!/bin/sh\n{path} exec {sys.executable} -S "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture(scope="session")
def connect_server(worker_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server that has Delta, but not captionlake."""
    pytest.importorskip("grpc", reason="the extra connect is not installed")
    settings = connect_settings(tmp_path_factory.mktemp("server"))
    environment = clean_environment(
        PYSPARK_PYTHON=str(worker_python), PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1"
    )
    with subprocess.Popen(
        [sys.executable, PROGRAMS / "connect_server.py", *settings],
        env=environment, cwd=tmp_path_factory.mktemp("cwd"), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr,
    ) as server:  # fmt: skip
        # Ivy writes to standard output too, where it fetches Delta for the first time.
        lines = (line.split() for line in server.stdout)  # type: ignore[union-attr]
        port = next((words[1] for words in lines if words[:1] == ["port"]), None)
        assert port, "the server did not start; its own words stand above"
        yield f"sc://127.0.0.1:{port}"
        server.stdin.close()  # type: ignore[union-attr]


def connect_jar() -> Path:
    """The jar of the server, which serves clients of 3.5.9 too; fetched once by Maven."""
    name, version = "spark-connect_2.12", "3.5.7"
    folder = Path.home() / ".m2/repository/org/apache/spark" / name / version
    jar = folder / f"{name}-{version}.jar"
    if not jar.is_file():
        if shutil.which("mvn") is None:
            pytest.skip("the jar of the Connect server is not here, nor Maven to fetch it")
        artifact = f"-Dartifact=org.apache.spark:{name}:{version}"
        command = ["mvn", "-q", "-B", "dependency:get", artifact, "-Dtransitive=false"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    return jar


def connect_settings(folder: Path) -> list[str]:
    from spark_jobs.storage.session import _read_conf, delta_jars

    jars = delta_jars()
    jars["spark.jars"] = ",".join([*filter(None, [jars.get("spark.jars")]), str(connect_jar())])
    settings = _read_conf("session") | jars
    settings |= {
        "spark.master": "local[2,4]",
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # VACUUM's tasks
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
    }
    return [SHUFFLE_PARTITIONS, *(f"{key}={value}" for key, value in settings.items())]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation", "-o", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    # PySpark leaves files of other endings out of the workers' path.
    return next(folder.glob("*.whl")).rename(folder / "captionlake.zip")


@pytest.fixture(scope="module")
def cluster(worker_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = clean_environment(PYTHONPATH="", PYSPARK_PYTHON=str(worker_python))
    with started_cluster(tmp_path_factory.mktemp("cluster"), environment) as cluster:
        yield cluster
