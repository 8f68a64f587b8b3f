"""A standalone Spark cluster on loopback: a master, and workers of one core each."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyspark

SPARK_HOME = Path(pyspark.__file__).parent
# Alike everywhere: a model's batches follow from it, and from them the last bits of vectors.
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions=3"
_START_S = 60.0


@dataclass(frozen=True)
class Cluster:
    """`url`: of the master. `workers`: their JVMs, of which the executors are children."""

    url: str
    workers: list[subprocess.Popen[bytes]]

    def executors(self) -> list[psutil.Process]:
        children = [c for w in self.workers for c in psutil.Process(w.pid).children(recursive=True)]
        return [child for child in children if "CoarseGrainedExecutorBackend" in _command(child)]

    def kill_executors(self) -> int:
        """Kill the JVMs of all executors; how many they were."""
        executors = self.executors()
        for executor in executors:
            executor.send_signal(signal.SIGKILL)
        return len(executors)


@contextmanager
def started_cluster(
    folder: Path, environment: dict[str, str], n_workers: int = 2
) -> Iterator[Cluster]:
    """A cluster that ends with the block; its logs and its workers' folders are in `folder`."""
    with ExitStack() as stack:
        master = stack.enter_context(
            _daemon("deploy.master.Master", ["--port", "0"], folder / "master.log", environment)
        )
        url = _wait_for(r"Starting Spark master at (spark://\S+)", folder / "master.log", master)
        workers = []
        for number in range(n_workers):
            log = folder / f"worker_{number}.log"
            arguments = ["--port", "0", "--cores", "1", "--memory", "1g"]
            arguments += ["--work-dir", str(folder / f"work_{number}"), url]
            worker = _daemon("deploy.worker.Worker", arguments, log, environment)
            workers.append(stack.enter_context(worker))
        for number, worker in enumerate(workers):
            _wait_for(r"(Successfully registered)", folder / f"worker_{number}.log", worker)
        yield Cluster(url, workers)


@contextmanager
def _daemon(
    name: str, arguments: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    command = [SPARK_HOME / "bin/spark-class", f"org.apache.spark.{name}", "--host", "127.0.0.1"]
    # SPARK_LOCAL_IP: pages of the web UI listen there too.
    variables = environment | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--webui-port", "0", *arguments],
            env=variables, cwd=log.parent, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(30)
        for child in children:
            if child.is_running():
                child.kill()


def _wait_for(pattern: str, log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(pattern, log.read_text(errors="replace")):
            return match[1]
        time.sleep(0.1)
    raise AssertionError(f"{pattern} is not in {log}:\n{log.read_text(errors='replace')[-2_000:]}")


def submit(cluster: Cluster, wheel: Path, python: Path, program: Path, *conf: str) -> list[object]:
    """A spark-submit of a program, whose arguments follow."""
    from spark_jobs.storage.session import delta_jars

    settings = delta_jars() | {
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.pyspark.python": python,
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    pairs = [*(f"{key}={value}" for key, value in settings.items()), SHUFFLE_PARTITIONS, *conf]
    return [
        *(SPARK_HOME / "bin/spark-submit", "--master", cluster.url),
        *(word for pair in pairs for word in ("--conf", pair)),
        *("--py-files", wheel, program),
    ]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of the applications whose event logs are in a folder, as far as they are there."""
    lines = [line for log in folder.iterdir() for line in log.read_text().split("\n")[:-1]]
    return [json.loads(line) for line in lines]  # what follows the last line break is not whole yet
