"""Faults of Spark worded for people: what failed, the value seen, and the remedy.

Each function takes a cause and all causes, outermost first, and gives the error, or None where it
is not the fault that the function is for.
"""

import os
import re
import tempfile
from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_jobs.core.errors import CurationError, InputDataError, OutputTableError
from spark_jobs.storage.faults.causes import Cause

_REPAIR = "restore it from a copy, or run again what wrote it"
_FEWER_TASKS = "run fewer tasks at once (spark.executor.cores, in local mode spark.master)"
# The jars that Spark needs for the addresses of a scheme.
_STORES = {
    **dict.fromkeys(("s3", "s3a"), "org.apache.hadoop:hadoop-aws"),
    **dict.fromkeys(("abfs", "abfss", "wasbs"), "org.apache.hadoop:hadoop-azure"),
}
WRITE_FAILED = "TASK_WRITE_FAILED"  # says which output a task was writing, not why it failed


def written_path(causes: Sequence[Cause]) -> str | None:
    """The output that a failed task was writing."""
    return next((c.place for c in causes if c.condition == WRITE_FAILED), None)


def _read_path(cause: Cause, causes: Sequence[Cause]) -> str:
    """The file that the cause, else the innermost of all that names one, is about."""
    read = (c.place for c in reversed(causes) if c.condition != WRITE_FAILED and c.place)
    return cause.place or next(read, None) or "a file of the input"


def corrupt_file(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file that cannot be read to its end, or over a network."""
    inner = causes[-1]
    line = f"{inner.kind}: {inner.first_line}"[:160].removesuffix(": ")
    is_far = re.search("Timeout|Socket|Connect|Service|AWS|Azure|Storage", inner.kind)
    why = "run again" if is_far else f"it is corrupt or not of its format; {_REPAIR}"
    return InputDataError(f"{_read_path(cause, causes)}: cannot be read ({line}): {why}")


def no_footer(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """Parquet's exception of no class of its own for a file that does not end as one."""
    return corrupt_file(cause, causes) if "is not a Parquet file" in cause.message else None


def column_of_other_type(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A parquet file whose column has another type than in the folder's other files."""
    said = cause.parameters
    column = said.get("column", "[?]").strip("[]`")
    wanted = said.get("logicalType") or said.get("expectedType")
    there = said.get("physicalType") or said.get("actualType")
    return InputDataError(
        f"{_read_path(cause, causes)}: column {column!r} is {there}, but {wanted} in other files "
        "of its folder; write them with one type, or read each kind by its own address"
    )


def missing_file(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file that a table or a listing names and that is not there."""
    return InputDataError(
        f"{_read_path(cause, causes)}: went away while it was being read, or before: another "
        f"program removed or replaced it; {_REPAIR}"
    )


def absent_path(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """An address where nothing lies."""
    return InputDataError(f"{cause.place}: does not exist")


def absent_schema(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A name in the catalog below a schema that is not there."""
    schema = cause.parameters.get("schemaName", "of that name").replace("`", "")
    return CurationError(
        f"the catalog has no schema {schema}; CREATE SCHEMA {schema} first, or give a path: a file "
        "in the folder where one stands is ./name"
    )


def no_columns(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """An input of which Spark cannot tell the columns, since it has none."""
    form = cause.parameters.get("format", "").lower()
    return InputDataError(f"the input holds no {form} file with columns; give another --input")


def output_not_made(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta table whose folder cannot be made."""
    path = (cause.place or "the output").removesuffix("/_delta_log")
    why = causes[-1].first_line if causes[-1] is not cause else "no folder can be made there"
    return OutputTableError(
        f"{path}: cannot be written ({why}); give an --output in a folder that you may write to"
    )


def damaged_log(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A Delta log with files missing, or with content that is none."""
    return InputDataError(
        f"a Delta log is damaged ({cause.first_line.rstrip('.')}); restore the files in "
        "_delta_log, or remove the table and run again what wrote it"
    )


def no_permission(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A file or folder that this user may not read or write."""
    place = cause.place or written_path(causes) or "a file"
    return CurationError(
        f"{place}: no permission to read or write it ({cause.first_line}); change its mode or "
        "owner, or give another address"
    )


def file_not_found(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """Java's FileNotFoundException, which is also for files without permission."""
    if re.search("Permission denied|Read-only file system", cause.message):
        return no_permission(cause, causes)
    return missing_file(cause, causes)


def ended_stream(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """The end of a Python worker's stream, which is its death; of any other a file cut off."""
    over = causes[causes.index(cause) - 1]
    if cause.message or over.kind != "SparkException" or over.condition is not None:
        return corrupt_file(cause, causes)
    return CurationError(
        "a Python worker of Spark died, four times in a row: killed, out of memory, or crashed in "
        "a library; give executors more memory outside the heap (spark.executor.memoryOverhead), "
        f"or {_FEWER_TASKS}"
    )


def unknown_store(cause: Cause, causes: Sequence[Cause]) -> CurationError | None:
    """An address of an object store for which Spark lacks the jars."""
    match = re.search(r'scheme "(\w+)"|hadoop\.fs\.(\w+)\.', cause.message)
    if match is None:
        return None
    scheme = match[1] or match[2]
    jars = _STORES.get(scheme, "its Hadoop connector")
    other = " (write s3a:// for s3://)" if scheme == "s3" else ""
    return CurationError(
        f"{scheme}://...: Spark has no file system for such addresses{other}; start by "
        f"spark-submit --packages with {jars}"
    )


def disk_full(causes: Sequence[Cause]) -> CurationError | None:
    """ENOSPC, of which Java has the system's words alone."""
    full = [cause for cause in causes if "No space left on device" in cause.message]
    if not full:
        return None
    output, local = written_path(causes), f"spark.local.dir ({_local_dir()})"
    if in_python := re.search(r"No space left on device: '([^']+)'", full[-1].message):
        output = in_python[1]
    # What writes an output is Hadoop; what spills is not.
    is_output = in_python or any(cause.kind == "FSError" for cause in causes)
    disk = output if is_output else f"{output} or of {local}" if output else local
    return CurationError(
        f"no space left on the disk of {disk}; free some, or give another place; no table was "
        "changed"
    )


def _local_dir() -> str:
    """Where Spark spills to."""
    session, default = SparkSession.getActiveSession(), tempfile.gettempdir()
    named = None if session is None else session.conf.get("spark.local.dir", default)
    return os.environ.get("SPARK_LOCAL_DIRS") or named or default


def write_conflict(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A commit of Delta's that another one, at the same time, rules out."""
    return CurationError(
        f"another run changed the output at the same time ({cause.kind}); run again when it has "
        "ended"
    )


def java_not_started(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A JVM that ended before Spark ran in it."""
    memory = os.environ.get("SPARK_DRIVER_MEMORY", "4g")
    return CurationError(
        f"Spark's Java did not start (SPARK_DRIVER_MEMORY={memory}): expected Java 8, 11 or 17 in "
        "JAVA_HOME or PATH, and that much memory free; Java's own words stand above"
    )


def heap_too_small(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """OutOfMemoryError in a JVM that lives on."""
    return CurationError(
        f"Java's heap is too small ({cause.kind}: {cause.first_line}); give it more: "
        "SPARK_DRIVER_MEMORY=8g in local mode, --executor-memory of spark-submit"
    )
