"""Whether a path without a scheme is of this machine, by Spark's and Hadoop's settings."""

import os
from pathlib import Path

from pyspark.sql import SparkSession

from spark_jobs.storage.session_settings import setting

_KEY = "spark.hadoop.fs.defaultFS"


def is_default_store_local(session: SparkSession | None) -> bool:
    """Whether the session's paths are local; without one, those of a session to be built."""
    if session is not None and not setting(session, _KEY, "file:").startswith("file:"):
        return False
    return not any(_names_a_store(file) for file in _settings_files())


def _settings_files() -> list[Path]:
    """The files, there or not, from which Spark in local mode may take a default file system."""
    folder = os.environ.get("SPARK_CONF_DIR")
    home = os.environ.get("SPARK_HOME")
    if folder is None and home is None:
        return []
    conf = Path(folder) if folder is not None else Path(str(home), "conf")
    return [conf / "spark-defaults.conf", conf / "core-site.xml"]


def _names_a_store(file: Path) -> bool:
    try:
        return b"fs.defaultFS" in file.read_bytes()
    except OSError:
        return False
