"""The one SparkSession builder: Databricks, spark-submit, Spark Connect, or local mode."""

import importlib.metadata
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from pyspark.sql import SparkSession

from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.errors import CurationError, SettingsError
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.java import java_options

VERIFY_PAGES = "parquet.page.verify-checksum.enabled"  # pages have one unless a writer left it out
_log = logging.getLogger(__name__)


def open_session(conf: Mapping[str, str] | None = None) -> SparkSession:
    """Take the session that there is, else build one; `conf` adds to conf/spark in local mode.

    A master is set only where nothing else decides it. Whoever built the session, it verifies the
    checksums of parquet pages.
    """
    active = SparkSession.getActiveSession()
    session = _build_session(conf) if active is None else active
    _verify_pages(session)
    return session


def _build_session(conf: Mapping[str, str] | None) -> SparkSession:
    if "DATABRICKS_RUNTIME_VERSION" in os.environ or "SPARK_REMOTE" in os.environ:
        return SparkSession.builder.getOrCreate()
    settings = _read_conf("session")
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # not started by spark-submit
        settings |= _read_conf("local")
        if os.environ.get("SPARK_DRIVER_MEMORY"):  # Spark's own variable, which a setting overrules
            _check_memory(os.environ["SPARK_DRIVER_MEMORY"])
            del settings["spark.driver.memory"]
        settings |= conf or {}
        _prepare_local_mode(settings)
    builder = SparkSession.builder.appName("captionlake")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with _own_interrupts():
        return builder.getOrCreate()


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Leave a program its handler of Ctrl-C, for which Spark puts one of its own.

    Spark's asks the JVM to cancel all jobs on the connection on which the interrupted call waits
    for its answer, which fails, and with it the call: of the interrupt nothing is left to see.
    """
    handler = signal.getsignal(signal.SIGINT)
    yield
    usual = (signal.default_int_handler, signal.SIG_DFL, signal.SIG_IGN, None)
    if handler not in usual and current_thread() is main_thread():
        signal.signal(signal.SIGINT, handler)


def _verify_pages(session: SparkSession) -> None:
    """Have a flipped bit in a page of a parquet file fail the read instead of change a value.

    A session's own settings reach the reader of each table and file, so this also works where
    another program made the session; a platform that allows no such setting is left as it is.
    """
    try:
        session.conf.set(VERIFY_PAGES, "true")
    except SPARK_FAULTS:
        _log.info("this platform sets %s itself", VERIFY_PAGES)


def _read_conf(name: str) -> dict[str, str]:
    values = read_yaml_map(conf_file("spark", f"{name}.yml"))
    return {key: str(value) for key, value in values.items()}


def _check_memory(size: str) -> None:
    """Refuse what Java would refuse, without a word of where it came from."""
    if not re.fullmatch(r"[1-9]\d*[kmgt]b?", size, re.IGNORECASE):
        raise SettingsError(f"SPARK_DRIVER_MEMORY={size}: expected a size such as 8g or 512m")


def _prepare_local_mode(settings: dict[str, str]) -> None:
    """Everything that must stand before the JVM starts: Java, jars, the workers' Python."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Else a thread of Spark's that runs out of memory dies alone, and its task waits for ever.
    options = f"-XX:+ExitOnOutOfMemoryError {java_options()}".strip()
    quiet = conf_file("spark", "log4j2.properties")
    if isinstance(quiet, Path) and "CAPTIONLAKE_DEBUG" not in os.environ:
        options += f" -Dlog4j2.configurationFile={quiet.as_uri()}"
    key = "spark.driver.extraJavaOptions"
    settings[key] = f"{settings.get(key, '')} {options}".strip()
    settings.setdefault("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    # Spark makes this folder at once, by default in the folder one happens to stand in.
    settings.setdefault("spark.sql.warehouse.dir", f"{tempfile.gettempdir()}/captionlake-warehouse")
    # Hadoop's is 022, whatever the process has.
    settings["spark.hadoop.fs.permissions.umask-mode"] = f"{_umask():03o}"
    settings |= delta_jars()


def _umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def delta_jars() -> dict[str, str]:
    """The settings that give Spark the Delta jars: files already fetched, else Maven coordinates.

    Nothing is set where Spark's own jars folder holds Delta.
    """
    import pyspark

    own = Path(os.environ.get("SPARK_HOME", Path(pyspark.__file__).parent)) / "jars"
    if any(own.glob("delta-spark_*.jar")):
        return {}
    version = _delta_version()
    ivy = Path.home() / ".ivy2"
    fetched = ivy / "jars"
    names = [
        f"io.delta_delta-spark_2.12-{version}.jar",
        f"io.delta_delta-storage-{version}.jar",
        "org.antlr_antlr4-runtime-4.9.3.jar",
    ]
    if all((fetched / name).is_file() for name in names):
        return {"spark.jars": ",".join(str(fetched / name) for name in names)}
    _log.info("fetching the jars of Delta %s (once)", version)
    return {
        "spark.jars.packages": f"io.delta:delta-spark_2.12:{version}",
        "spark.jars.ivy": str(ivy),  # Java's own idea of the home folder may be another
    }


def _delta_version() -> str:
    try:
        return importlib.metadata.version("delta-spark")
    except importlib.metadata.PackageNotFoundError:
        raise CurationError(
            "Delta Lake is not there: pip install 'captionlake[spark]', or give Spark its jars"
        ) from None
