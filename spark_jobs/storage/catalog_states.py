"""States of catalog entries that are not Delta tables: views, tables of files, and others."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import CurationError, InputDataError
from spark_jobs.core.made_of import TableState
from spark_jobs.storage.catalog_details import COLUMNS, PROVIDER, catalog_details
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_lists import list_files

StateOf = Callable[[str], TableState]  # address -> state of what is there

UNDETERMINED = "untold:"  # prefix of versions of inputs whose rows may differ at each read
_FILE_FORMATS = {"parquet", "csv", "json", "orc", "text", "avro", "binaryfile"}
_PATH_FORMATS = {"delta", "parquet"}
# Details of a table that may change without a change of its rows.
_UNRELATED_TO_ROWS = {"Last Access", "Statistics", "Owner", "Comment", "Table Properties"}
# Names whose value differs from call to call, searched in the text since the parser takes some of
# them for columns when they have no parentheses.
_VOLATILE = re.compile(
    r"(?i)\b(?:rand|randn|random|uuid|shuffle|now|curdate|getdate|localtimestamp|unix_timestamp"
    r"|current_\w+|session_user|user|monotonically_increasing_id|spark_partition_id|input_file\w*"
    r"|reflect|java_method|try_reflect|ai_\w+|read_files|http_request|secret|tablesample)\b"
)
_RELATION = re.compile(r"'UnresolvedRelation \[(.+?)\], \[")
_FUNCTION = re.compile(r"'((?:`?\w+`?\.)*\w+)\(")
_OPERATORS = {"unresolvedalias", "unresolvedstar", "subqueryalias"}


def catalog_state(spark: SparkSession, table: Address, state_of: StateOf) -> TableState:
    """The state of a view from its text and tables, or of a table of files from its files.

    If neither determines the rows, as for a temporary view or a table of another database, the
    version is random, so it never equals another. Raises InputDataError if the catalog has no such
    name.
    """
    try:
        details = catalog_details(spark, table)
    except AnalysisException:
        raise InputDataError(f"{table}: the catalog has no such table") from None
    try:
        if details.get("Type") == "VIEW":
            parts = [*_view_parts(spark, details, state_of)]
        else:
            parts = [*_file_parts(spark, table, details)]
    except (*SPARK_FAULTS, CurationError, LookupError):
        return _undetermined_state()
    version = f"{parts[0]}{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"
    return TableState(version, version)


def is_undetermined(version: str) -> bool:
    """Whether a version does not identify the rows of its input."""
    return version.startswith(UNDETERMINED)


def _undetermined_state() -> TableState:
    version = f"{UNDETERMINED}{uuid.uuid4().hex[:16]}"
    return TableState(version, version)


def _file_parts(spark: SparkSession, table: Address, details: dict[str, str]) -> Iterator[str]:
    """`files:`, the details, each file with size and time; LookupError if it has no files."""
    uris = spark.read.table(table.location).inputFiles()
    if not uris and details[PROVIDER].lower() not in _FILE_FORMATS:
        raise LookupError(details[PROVIDER])
    yield "files:"
    yield repr(sorted((k, v) for k, v in details.items() if k not in _UNRELATED_TO_ROWS))
    yield from (f"{f.path} {f.size} {f.modified}" for f in list_files(spark, uris))


def _view_parts(spark: SparkSession, details: dict[str, str], state_of: StateOf) -> Iterator[str]:
    """`view:`, the view's text, and the versions of the tables that it reads.

    LookupError if these do not determine the rows: with user-defined or nondeterministic functions,
    or tables without a version.
    """
    text, namespace = details["View Text"], details["View Catalog and Namespace"]
    (plan,) = spark.sql(f"EXPLAIN EXTENDED {text}").first() or ("",)
    parsed, _, analysed = plan.partition("== Analyzed Logical Plan ==")
    if not analysed:
        raise LookupError(plan)
    functions = {name.lower() for name in _FUNCTION.findall(parsed)} - _OPERATORS
    built_in = {row[0].lower() for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect()}
    if _VOLATILE.search(text) or functions - built_in:
        raise LookupError(text)
    yield "view:"
    yield f"{namespace} {details[COLUMNS]} {text}"
    cte_lists = set(re.findall(r"(?m)CTE \[(.*?)\]", parsed))
    for name in sorted(set(_RELATION.findall(parsed))):
        try:
            yield _table_version(name, namespace, state_of)
        except InputDataError:
            if not any(name in ctes.split(", ") for ctes in cte_lists):
                raise


def _table_version(name: str, namespace: str, state_of: StateOf) -> str:
    """`<address> <mark>` of a table that a view reads.

    `name`: its parts as in the parsed plan, joined by ", ": a full name, one relative to the view's
    namespace, or a format and a path.
    """
    *qualifiers, last = name.split(", ")
    if len(qualifiers) == 1 and "/" in last:
        prefix = f"{qualifiers[0]}:" if qualifiers[0].lower() in _PATH_FORMATS else ""
        address = prefix.lower() + last
    else:
        namespace_parts = namespace.split(".")
        n_missing = max(0, len(namespace_parts) - len(qualifiers))
        address = ".".join([*namespace_parts[:n_missing], *qualifiers, last])
    state = state_of(address)
    if is_undetermined(state.version):
        raise LookupError(address)
    return f"{address} {state.mark}"
