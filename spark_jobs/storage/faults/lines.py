"""Error messages for faults of Spark: what failed, the value seen, and the remedy.

Each function named after a fault takes a cause and all causes, outermost first, and returns the
error, or None if the cause is another fault.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Sequence

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark_jobs.core.errors import CurationError, InputDataError, OutputTableError, SettingsError
from spark_jobs.storage.faults.causes import Cause
from spark_jobs.storage.spark_line import installed_line
from udfs.stores import STORES, place_of

_REPAIR = "restore it from a copy, or run again what wrote it"
_FEWER_TASKS = "run fewer tasks at once (spark.executor.cores, in local mode spark.master)"
WRITE_FAILED = "TASK_WRITE_FAILED"  # names the output that a task was writing, not the cause


def written_path(causes: Sequence[Cause]) -> str | None:
    """Path of the output that the failed task was writing to; None if it was not writing."""
    return next((c.path for c in causes if c.condition == WRITE_FAILED), None)


def _read_path(cause: Cause, causes: Sequence[Cause]) -> str:
    """The file that the cause names, else the innermost other cause that names one."""
    paths = (c.path for c in reversed(causes) if c.condition != WRITE_FAILED and c.path)
    return cause.path or next(paths, None) or "a file of the input"


def corrupt_file(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file that cannot be read completely: damaged, or on a store that does not answer."""
    inner = causes[-1]
    line = f"{inner.class_name}: {inner.first_line}"[:160].removesuffix(": ")
    is_network_fault = re.search(
        "Timeout|Socket|Connect|Service|AWS|Azure|Storage", inner.class_name
    )
    advice = "run again" if is_network_fault else f"it is corrupt or not of its format; {_REPAIR}"
    return InputDataError(f"{_read_path(cause, causes)}: cannot be read ({line}): {advice}")


def no_footer(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """A file without a parquet footer, for which the reader raises a plain RuntimeException."""
    return corrupt_file(cause, causes) if "is not a Parquet file" in cause.message else None


def column_of_other_type(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A parquet file whose column has another type than in the folder's other files."""
    parameters = cause.parameters
    column = parameters.get("column", "[?]").strip("[]`")
    expected = parameters.get("logicalType") or parameters.get("expectedType")
    actual = parameters.get("physicalType") or parameters.get("actualType")
    return InputDataError(
        f"{_read_path(cause, causes)}: column {column!r} is {actual}, but {expected} in other "
        "files of its folder; write them with one type, or read each kind by its own address"
    )


def missing_file(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file that does not exist although a table or a listing names it."""
    return InputDataError(
        f"{_read_path(cause, causes)}: went away while it was being read, or before: another "
        f"program removed or replaced it; {_REPAIR}"
    )


def absent_path(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """An address where nothing exists."""
    return InputDataError(f"{cause.path}: does not exist")


def absent_schema(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A catalog name in a schema that does not exist."""
    schema = cause.parameters.get("schemaName", "of that name").replace("`", "")
    schema = schema.removeprefix("spark_catalog.")  # Spark 4 names the catalog as well
    return CurationError(
        f"the catalog has no schema {schema}; CREATE SCHEMA {schema} first, or give a path: a file "
        "in the folder where one stands is ./name"
    )


def no_columns(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """An input whose schema Spark cannot infer, since it has no file with columns."""
    format_name = cause.parameters.get("format", "").lower()
    return InputDataError(
        f"the input holds no {format_name} file with columns; give another --input"
    )


def output_not_made(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta table whose folder cannot be created."""
    path = (cause.path or "the output").removesuffix("/_delta_log")
    reason = causes[-1].first_line if causes[-1] is not cause else "no folder can be made there"
    return OutputTableError(
        f"{path}: cannot be written ({reason}); give an --output in a folder that you may write to"
    )


def damaged_log(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta log with missing files or invalid content."""
    return InputDataError(
        f"a Delta log is damaged ({cause.first_line.rstrip('.')}); restore the files in "
        "_delta_log, or remove the table and run again what wrote it"
    )


def newer_table(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta table with a feature that this Delta does not know, as newer Databricks has them."""
    told = cause.first_line.partition("] ")[2] or cause.first_line
    return InputDataError(
        f"{told.rstrip('.')}; drop the feature (ALTER TABLE ... DROP FEATURE), write the rows to "
        "a plain table, or run where Delta knows it"
    )


def no_permission(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file or folder that this user may not read or write."""
    path = cause.path or written_path(causes) or "a file"
    return CurationError(
        f"{path}: no permission to read or write it ({cause.first_line}); change its mode or "
        "owner, or give another address"
    )


def file_not_found(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """Java's FileNotFoundException, which it also raises for a file without permission."""
    if re.search("Permission denied|Read-only file system", cause.message):
        return no_permission(cause, causes)
    return missing_file(cause, causes)


def ended_stream(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """EOFException: the death of a Python worker if from its stream, otherwise a truncated file."""
    outer = causes[causes.index(cause) - 1]
    if cause.message or outer.class_name != "SparkException" or outer.condition is not None:
        return corrupt_file(cause, causes)
    return _dead_worker()


def lost_connection(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """SocketException: the death of a Python worker if in Spark's part for them, as in Spark 4."""
    of_worker = any("org.apache.spark.api.python." in outer.message for outer in causes)
    return _dead_worker() if of_worker else None


def _dead_worker() -> CurationError:
    return CurationError(
        "a Python worker of Spark died, four times in a row: killed, out of memory, or crashed in "
        "a library; give executors more memory outside the heap (spark.executor.memoryOverhead), "
        f"or {_FEWER_TASKS}"
    )


def no_delta(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """A cluster or a server of Spark Connect that lacks the jars of Delta or their settings."""
    if not re.search(r"\bdelta\b|DeltaCatalog|DESCRIBE HISTORY", cause.message):
        return None
    line = installed_line()
    return CurationError(
        "the cluster's Spark has no Delta: start spark-submit, or the server of Spark Connect, "
        f"with --packages io.delta:delta-spark_{line.scala}:{line.delta} and the settings "
        "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension and "
        "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"
    )


def unknown_store(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """An address of a store for which Spark lacks the jars."""
    match = re.search(r'scheme "(\w+)"|hadoop\.fs\.(\w+)\.', cause.message)
    if match is None:
        return None
    scheme = match[1] or match[2]
    jars = STORES[scheme].connector if scheme in STORES else "its Hadoop connector"
    if jars.startswith("org.apache.hadoop:"):
        jars = f"{jars}:{installed_line().hadoop}"
    hint = " (write s3a:// for s3://)" if scheme == "s3" else ""
    return CurationError(
        f"{scheme}://...: Spark has no file system for such addresses{hint}; add {jars} to "
        "spark.jars.packages (docs/object-stores.md)"
    )


def absent_bucket(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """An address in a bucket, container or file system that the store does not have."""
    place = place_of(cause.path or "")
    return InputDataError(
        f"{place.store if place else 'the store'}: there is no such bucket; create it, or give "
        "another address"
    )


def no_credentials(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A store for which no credentials were given, or which refuses them."""
    return CurationError(
        f"{causes[0].path or 'a store'}: no valid credentials ({cause.first_line[:160]}); set them "
        "in Spark's configuration, such as spark.hadoop.fs.s3a.access.key, or in the environment"
    )


def unknown_host(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A store whose host cannot be found or does not answer."""
    return CurationError(
        f"{cause.first_line}: the store does not answer ({cause.class_name}); check the endpoint "
        "and the account in the address"
    )


def disk_full(causes: Sequence[Cause]) -> CurationError | None:
    """A full disk (ENOSPC), which Java reports only in the system's words."""
    disk_faults = [cause for cause in causes if "No space left on device" in cause.message]
    if not disk_faults:
        return None
    output, local_dir = written_path(causes), f"spark.local.dir ({_local_dir()})"
    if python_fault := re.search(r"No space left on device: '([^']+)'", disk_faults[-1].message):
        output = python_fault[1]
    # FSError is Hadoop's, which writes outputs; Spark's spills do not go through Hadoop.
    is_output = python_fault or any(cause.class_name == "FSError" for cause in causes)
    disk = output if is_output else f"{output} or of {local_dir}" if output else local_dir
    return CurationError(
        f"no space left on the disk of {disk}; free some, or give another place; no table was "
        "changed"
    )


def _local_dir() -> str:
    """The folder that Spark spills to."""
    session, default = SparkSession.getActiveSession(), tempfile.gettempdir()
    setting = None
    if session is not None:
        with contextlib.suppress(PySparkException):  # a platform may keep it to itself
            setting = session.conf.get("spark.local.dir", default)
    return os.environ.get("SPARK_LOCAL_DIRS") or setting or default


def write_conflict(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta commit that conflicts with a concurrent one."""
    return CurationError(
        f"another run changed the output at the same time ({cause.class_name}); run again when "
        "it has ended"
    )


def retention_too_short(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """A VACUUM that would remove files sooner than the table allows; others are not Delta's."""
    if "vacuum files with such a low retention period" not in cause.message:
        return None
    return SettingsError(
        "a table does not allow to remove files so soon, since runs may still read them: give more "
        "--retention-hours (168 is Delta's least), or set the table's property "
        "delta.deletedFileRetentionDuration, such as 'interval 24 hours'"
    )


def java_not_started(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A JVM that ended before Spark started in it."""
    memory = os.environ.get("SPARK_DRIVER_MEMORY", "4g")
    return CurationError(
        f"Spark's Java did not start (SPARK_DRIVER_MEMORY={memory}): expected Java "
        f"{installed_line().java} in JAVA_HOME or PATH, and that much memory free; Java's own "
        "words stand above"
    )


def heap_too_small(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """OutOfMemoryError in a JVM that still runs."""
    return CurationError(
        f"Java's heap is too small ({cause.class_name}: {cause.first_line}); give it more: "
        "SPARK_DRIVER_MEMORY=8g in local mode, --executor-memory of spark-submit"
    )
