"""Get the SparkSession: on Databricks, under spark-submit, by Spark Connect, or in local mode."""

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
from types import FrameType

from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.errors import CurationError, SettingsError
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.storage.connect import refuse_silent_server, send_code
from spark_jobs.storage.default_store import is_default_store_local
from spark_jobs.storage.java import java_options
from spark_jobs.storage.java_classes import remember_java_classes
from spark_jobs.storage.platforms import is_databricks
from spark_jobs.storage.session_settings import change_setting
from spark_jobs.storage.spark_line import installed_line

# Where one of these is set, a path may be of another file system than the driver's own.
_OF_CLUSTERS = {
    *("PYSPARK_GATEWAY_PORT", "DATABRICKS_RUNTIME_VERSION", "HADOOP_CONF_DIR", "SPARK_REMOTE"),
}
VERIFY_PAGES = "parquet.page.verify-checksum.enabled"  # writers add checksums by default
_log = logging.getLogger(__name__)


def open_session(conf: Mapping[str, str] | None = None) -> SparkSession:
    """Return the session of this thread or program, or build one.

    `conf` adds to conf/spark in local mode. A thread without an active session of its own gets the
    one that the program has, as it is.

    Sets a master only if nothing else decides it. The session verifies the checksums of parquet
    pages, whoever built it.
    """
    existing = _existing_session()
    if existing is not None:
        _refuse_without_delta(existing)
    session = existing or _build_session(conf)
    if is_remote(session):
        send_code(session)
    _verify_pages(session)
    return session


def reads_local_paths() -> bool:
    """Whether paths are of this machine, as in local mode, which a program without a session gets.

    Asked before a session is opened; False on clusters and under Spark Connect.
    """
    if os.environ.keys() & _OF_CLUSTERS:
        return False
    session = _existing_session()
    if session is None:
        return is_default_store_local(None)
    if is_remote(session):
        return False
    is_local = str(session.conf.get("spark.master", "")).startswith("local")
    return is_local and is_default_store_local(session)


def has_session() -> bool:
    """Whether this thread or program has a session that is not stopped."""
    return _existing_session() is not None


def _existing_session() -> SparkSession | None:
    """The session of this thread or program; None without one, or if its context was stopped.

    PySpark forgets a session that `SparkSession.stop` ended, but not one whose context was stopped.
    """
    try:
        session = SparkSession.active()
    except PySparkRuntimeError:
        return None
    is_stopped = not is_remote(session) and session._sc._jsc is None
    return None if is_stopped else session


def _refuse_without_delta(session: SparkSession) -> None:
    """Raise CurationError for a session without Delta that another program has built.

    Databricks and the servers of Spark Connect may have Delta without a setting that says so.
    """
    if is_remote(session) or is_databricks():
        return
    if "delta" not in (session.conf.get("spark.sql.extensions", "") or "").lower():
        raise CurationError(
            "the active Spark session has no Delta: build it by "
            "delta.configure_spark_with_delta_pip with spark.sql.extensions = "
            "io.delta.sql.DeltaSparkSessionExtension, or restart Python, and captionlake starts a "
            "session of its own"
        )


def _build_session(conf: Mapping[str, str] | None) -> SparkSession:
    if is_databricks() or "SPARK_REMOTE" in os.environ:
        refuse_silent_server(os.environ.get("SPARK_REMOTE", ""))
        return SparkSession.builder.getOrCreate()
    settings = _read_conf("session")
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # not started by spark-submit
        settings |= _read_conf("local")
        if os.environ.get("SPARK_DRIVER_MEMORY"):  # which the setting would override
            _check_memory(os.environ["SPARK_DRIVER_MEMORY"])
            del settings["spark.driver.memory"]
        settings |= conf or {}
        _prepare_local_mode(settings)
    builder = SparkSession.builder.appName("captionlake")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with _interrupts_wait():
        session = builder.getOrCreate()
    remember_java_classes(session)
    return session


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C wait until the session stands, then go to the handler that the program had.

    A JVM whose Python ends while it starts stays for ever. A second Ctrl-C ends the wait. PySpark
    puts a handler of its own in place, which asks the JVM to cancel all jobs over the connection on
    which the interrupted call waits for its answer: that fails, and the call with it, so that the
    interrupt is lost. It stays only in the place of Python's own handler.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or current_thread() is not main_thread():
        yield
        return
    waiting: list[FrameType | None] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if waiting:
            handler(number, frame)
        waiting.append(frame)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is wait or handler is not signal.default_int_handler:
            signal.signal(signal.SIGINT, handler)
    if waiting:
        handler(signal.SIGINT, waiting[0])


def _verify_pages(session: SparkSession) -> None:
    """Make a flipped bit in a parquet page fail the read instead of changing a value.

    The parquet readers of all tables and files use the session's settings, so this also works if
    another program built the session. Does nothing if the platform does not allow the setting.
    """
    change_setting(session, VERIFY_PAGES, "true")


def _read_conf(name: str) -> dict[str, str]:
    values = read_yaml_map(conf_file("spark", f"{name}.yml"))
    return {key: str(value) for key, value in values.items()}


def _check_memory(size: str) -> None:
    """Raise SettingsError for a size that Java would refuse without naming the variable."""
    if not re.fullmatch(r"[1-9]\d*[kmgt]b?", size, re.IGNORECASE):
        raise SettingsError(f"SPARK_DRIVER_MEMORY={size}: expected a size such as 8g or 512m")


def _prepare_local_mode(settings: dict[str, str]) -> None:
    """Set what must be in place before the JVM starts: Java, jars, the workers' Python."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Otherwise only the Spark thread that runs out of memory dies, and its task hangs.
    options = f"-XX:+ExitOnOutOfMemoryError {java_options(installed_line())}".strip()
    log_conf = conf_file("spark", "log4j2.properties")
    if isinstance(log_conf, Path) and "CAPTIONLAKE_DEBUG" not in os.environ:
        options += f" -Dlog4j2.configurationFile={log_conf.as_uri()}"
    key = "spark.driver.extraJavaOptions"
    settings[key] = f"{settings.get(key, '')} {options}".strip()
    settings.setdefault("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    # Spark creates this folder at once, by default in the current directory.
    settings.setdefault("spark.sql.warehouse.dir", f"{tempfile.gettempdir()}/captionlake-warehouse")
    settings.setdefault("spark.python.daemon.module", "udfs.worker_daemon")
    # Hadoop uses 022, ignoring the umask of the process.
    settings["spark.hadoop.fs.permissions.umask-mode"] = f"{_umask():03o}"
    settings |= delta_jars()


def _umask() -> int:
    """The umask of this process; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def delta_jars() -> dict[str, str]:
    """Settings that give Spark the Delta jars: files already downloaded, else Maven coordinates.

    Empty if Spark's own jars folder has Delta.
    """
    import pyspark

    spark_jars = Path(os.environ.get("SPARK_HOME", Path(pyspark.__file__).parent)) / "jars"
    if any(spark_jars.glob("delta-spark_*.jar")):
        return {}
    version = _delta_version()
    line = installed_line()
    ivy = Path.home() / line.ivy
    ivy_jars = ivy / "jars"
    names = [
        f"io.delta_delta-spark_{line.scala}-{version}.jar",
        f"io.delta_delta-storage-{version}.jar",
        f"org.antlr_antlr4-runtime-{line.antlr}.jar",
    ]
    if all((ivy_jars / name).is_file() for name in names):
        return {"spark.jars": ",".join(str(ivy_jars / name) for name in names)}
    _log.info("fetching the jars of Delta %s (once)", version)
    return {
        "spark.jars.packages": f"io.delta:delta-spark_{line.scala}:{version}",
        "spark.jars.ivy": str(ivy),  # Java may assume another home folder
    }


def _delta_version() -> str:
    try:
        return importlib.metadata.version("delta-spark")
    except importlib.metadata.PackageNotFoundError:
        raise CurationError(
            "Delta Lake is not there: pip install 'captionlake[spark]', or give Spark its jars"
        ) from None
