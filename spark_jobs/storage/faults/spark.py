"""Turn Spark's exceptions into errors of one line that names file or table, cause and remedy."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from spark_jobs.core.errors import CurationError
from spark_jobs.storage.faults.causes import Cause, causes_of
from spark_jobs.storage.faults.constraints import CHECK, NOT_NULL, broken_constraint
from spark_jobs.storage.faults.lines import (
    WRITE_FAILED,
    absent_bucket,
    absent_path,
    absent_schema,
    column_of_other_type,
    corrupt_file,
    damaged_log,
    disk_full,
    ended_stream,
    file_not_found,
    heap_too_small,
    java_not_started,
    lost_connection,
    missing_file,
    newer_table,
    no_columns,
    no_credentials,
    no_delta,
    no_footer,
    no_permission,
    output_not_made,
    retention_too_short,
    unknown_host,
    unknown_store,
    write_conflict,
    written_path,
)
from spark_jobs.storage.faults.workers import worker_fault

# ConnectionError: what py4j raises once the JVM is gone.
SPARK_FAULTS = (PySparkException, Py4JError, ConnectionError)

# (cause, all causes, outermost first) -> the error; None if the cause is another fault.
_Rule: TypeAlias = Callable[[Cause, Sequence[Cause]], CurationError | None]

_JVM_ENDED = (
    "Spark's Java process ended; where it says OutOfMemoryError above, give it more: "
    "SPARK_DRIVER_MEMORY=8g in local mode (4g is usual), --driver-memory of spark-submit"
)


def to_curation_error(fault: BaseException, table: str | None = None) -> CurationError:
    """The CurationError that tells a user what `fault` means.

    `table`: the one being opened, for faults that name neither it nor a file of it. The error comes
    from the first rule that applies to the condition or class of a cause, innermost first; else
    from the trace of a Python worker; else it repeats the innermost cause.
    """
    if isinstance(fault, Py4JNetworkError | ConnectionError):
        return CurationError(_JVM_ENDED)
    causes = causes_of(fault)
    error = classify(causes) or _error_of_worker(causes) or _error_in_own_words(causes)
    if table is None or table in str(error):
        return error
    return type(error)(f"table {table}: {error}")


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether Spark has failed for the memory of a JVM: the driver's, or that of an executor."""
    if isinstance(fault, Py4JNetworkError | ConnectionError):  # which memory ends most often
        return True
    causes = causes_of(fault)
    is_full = any(
        heap_too_small in (_CONDITIONS.get(c.condition or ""), _CLASSES.get(c.class_name))
        for c in causes
    )
    return is_full or any("ExecutorLostFailure" in cause.message for cause in causes)


def classify(causes: Sequence[Cause]) -> CurationError | None:
    """The error from the rules for conditions and classes; None if no rule applies.

    Innermost cause first, as it is more specific than the failures that it led to.
    """
    for cause in reversed(causes):
        condition = cause.condition or ""
        keys = (condition, condition.partition(".")[0], cause.class_name)
        for rule in (rules[key] for key in keys for rules in _RULES if key in rules):
            if error := rule(cause, causes):
                return error
    return disk_full(causes)


def _error_of_worker(causes: Sequence[Cause]) -> CurationError | None:
    errors = (worker_fault(cause.message) for cause in reversed(causes))
    return next((error for error in errors if error is not None), None)


def _error_in_own_words(causes: Sequence[Cause]) -> CurationError:
    with_message = [c for c in causes if c.first_line and c.condition != WRITE_FAILED]
    cause = with_message[-1] if with_message else causes[-1]
    line = cause.first_line or cause.class_name
    if cause.condition is None and cause.class_name not in line:
        line = f"{cause.class_name}: {line}"
    output = written_path(causes)
    line = f"writing {output}: {line}" if output else line
    return CurationError(f"{line} (CAPTIONLAKE_DEBUG=1 shows the whole trace)")


# A condition without a dot also covers its subconditions. _LEGACY_...: names of Spark 3.5.
_CONDITIONS: Mapping[str, _Rule] = {
    "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH": column_of_other_type,
    "_LEGACY_ERROR_TEMP_2063": column_of_other_type,
    "FAILED_READ_FILE.FILE_NOT_EXIST": missing_file,
    "_LEGACY_ERROR_TEMP_2055": missing_file,
    "FAILED_READ_FILE": corrupt_file,
    "CANNOT_READ_FILE_FOOTER": corrupt_file,
    "_LEGACY_ERROR_TEMP_2064": corrupt_file,
    "DATA_SOURCE_NOT_FOUND": no_delta,
    "PARSE_SYNTAX_ERROR": no_delta,
    "PATH_NOT_FOUND": absent_path,
    "SCHEMA_NOT_FOUND": absent_schema,
    "UNABLE_TO_INFER_SCHEMA": no_columns,
    CHECK: broken_constraint,
    NOT_NULL: broken_constraint,
    "DELTA_CANNOT_CREATE_LOG_PATH": output_not_made,
    "DELTA_STATE_RECOVER_ERROR": damaged_log,
    "DELTA_VERSIONS_NOT_CONTIGUOUS": damaged_log,
    "DELTA_TRUNCATED_TRANSACTION_LOG": damaged_log,
    "DELTA_LOG_FILE_NOT_FOUND": damaged_log,
    "DELTA_MISSING_FILES_UNEXPECTED_VERSION": damaged_log,
    "DELTA_UNSUPPORTED_FEATURES_FOR_READ": newer_table,
    "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE": newer_table,
    "DELTA_INVALID_PROTOCOL_VERSION": newer_table,
    "DELTA_CONCURRENT_APPEND": write_conflict,
    "DELTA_CONCURRENT_DELETE_DELETE": write_conflict,
    "DELTA_CONCURRENT_DELETE_READ": write_conflict,
    "DELTA_CONCURRENT_TRANSACTION": write_conflict,
    "DELTA_CONCURRENT_WRITE": write_conflict,
    "DELTA_METADATA_CHANGED": write_conflict,
    "DELTA_PROTOCOL_CHANGED": write_conflict,
    "JAVA_GATEWAY_EXITED": java_not_started,
    "UNABLE_TO_ACQUIRE_MEMORY": heap_too_small,
}
_CLASSES: Mapping[str, _Rule] = {
    "ConcurrentAppendException": write_conflict,
    "ConcurrentDeleteDeleteException": write_conflict,
    "ConcurrentDeleteReadException": write_conflict,
    "ConcurrentTransactionException": write_conflict,
    "ConcurrentWriteException": write_conflict,
    "MetadataChangedException": write_conflict,
    "ProtocolChangedException": write_conflict,
    "ChecksumException": corrupt_file,
    "ParquetDecodingException": corrupt_file,
    "RuntimeException": no_footer,
    "EOFException": ended_stream,
    "SocketException": lost_connection,
    "ClassNotFoundException": unknown_store,
    "UnsupportedFileSystemException": unknown_store,
    "AccessControlException": no_permission,
    "AccessDeniedException": no_permission,
    "FileNotFoundException": file_not_found,
    "IllegalArgumentException": retention_too_short,
    "UnknownStoreException": absent_bucket,
    "NoAuthWithAWSException": no_credentials,
    "UnknownHostException": unknown_host,
    "OutOfMemoryError": heap_too_small,
    "SparkOutOfMemoryError": heap_too_small,
}
_RULES = (_CONDITIONS, _CLASSES)
