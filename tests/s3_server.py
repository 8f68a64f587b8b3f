"""An S3 server on loopback, and programs that use it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from udfs import stores

ROOT = Path(__file__).parents[1]
JARS = (
    "org.apache.hadoop:hadoop-aws:3.3.4",
    "com.amazonaws:aws-java-sdk-bundle:1.12.262",
)
KEY, SECRET = "AKIAPLANTEDKEY000001", "planted/secret+of40characters0123456789ab"


def jar(coordinates: str) -> Path:
    """The file of a package that Maven or Ivy has fetched before; skips without it."""
    group, name, version = coordinates.split(":")
    in_maven = Path.home() / ".m2/repository" / group.replace(".", "/") / name / version
    candidates = [
        in_maven / f"{name}-{version}.jar",
        Path.home() / f".ivy2/jars/{group}_{name}-{version}.jar",
    ]
    files = [file for file in candidates if file.is_file()]
    if not files:
        pytest.skip(f"{coordinates} is in neither ~/.m2 nor ~/.ivy2: make stores")
    return files[0]


@dataclass(frozen=True)
class S3:
    """A server with the bucket `lake`, and the environment of a program that uses it."""

    environment: dict[str, str]
    folder: Path
    client: Any

    def run(self, *arguments: object, fails: bool = False) -> tuple[dict[str, Any], str]:
        """(summary, stderr) of a command line in a process of its own."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=280)
        assert (process.returncode != 0) == fails, stderr[-6_000:]
        assert SECRET not in stdout + stderr
        return json.loads(stdout.strip().splitlines()[-1]), stderr

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        program = "from spark_jobs.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def download(self, prefix: str, folder: Path) -> None:
        """Copy what lies below a prefix of the bucket into a folder."""
        for page in self.client.get_paginator("list_objects_v2").paginate(
            Bucket="lake", Prefix=f"{prefix}/"
        ):
            for item in page.get("Contents", []):
                path = folder / item["Key"].removeprefix(f"{prefix}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                if not item["Key"].endswith("/"):
                    self.client.download_file("lake", item["Key"], str(path))


@contextmanager
def serving(folder: Path) -> Iterator[S3]:
    """A server until the end of the block; skips without moto or the jars."""
    server = pytest.importorskip("moto.server", reason="moto is not installed: make stores")
    jars = [str(jar(coordinates)) for coordinates in JARS]
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    options = {
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": KEY,
        "fs.s3a.secret.key": SECRET,
    }
    conf = {
        "spark.driver.extraClassPath": ":".join(jars),
        **{f"spark.hadoop.{name}": value for name, value in options.items()},
    }
    lines = "".join(f"{name} {value}\n" for name, value in conf.items())
    (folder / "spark-defaults.conf").write_text(lines)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYSPARK_", "SPARK_"))
    }
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = inherited | {"SPARK_CONF_DIR": str(folder), "PYTHONPATH": path}
    stores.share_options({"s3a://lake": options, "s3://lake": options})
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="lake")
    try:
        yield S3(environment, folder, client)
    finally:
        moto.stop()
        stores._options_of.clear()
