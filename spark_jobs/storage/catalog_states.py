"""What stands under a catalog's name that is no Delta table: a view, files, or neither."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import CurationError, InputDataError
from spark_jobs.core.made_of import TableState
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_lists import list_files

StateOf = Callable[[str], TableState]  # address -> what stands there

UNDETERMINED = "untold:"  # how the version of an input begins whose rows may be others each time
_FILE_FORMATS = {"parquet", "csv", "json", "orc", "text", "avro", "binaryfile"}
_DETAILS, _COLUMNS = "# Detailed Table Information", "Columns"
_PATH_FORMATS = {"delta", "parquet"}
_LEAVES_ROWS = {"Last Access", "Statistics", "Owner", "Comment", "Table Properties"}
# Without arguments or parentheses some of these are no functions to the parser.
_VOLATILE = re.compile(
    r"(?i)\b(?:rand|randn|random|uuid|shuffle|now|curdate|getdate|localtimestamp|unix_timestamp"
    r"|current_\w+|session_user|user|monotonically_increasing_id|spark_partition_id|input_file\w*"
    r"|reflect|java_method|try_reflect|ai_\w+|read_files|http_request|secret|tablesample)\b"
)
_RELATION = re.compile(r"'UnresolvedRelation \[(.+?)\], \[")
_FUNCTION = re.compile(r"'((?:`?\w+`?\.)*\w+)\(")
_OPERATORS = {"unresolvedalias", "unresolvedstar", "subqueryalias"}


def catalog_state(spark: SparkSession, table: Address, state_of: StateOf) -> TableState:
    """The state of a view by its text and the tables beneath, of a table of files by its files.

    Where neither tells which rows it has, such as a temporary view or another database's table, the
    version is one that never comes again. Raises InputDataError where the catalog has no such name.
    """
    details = _details(spark, table)
    try:
        if details.get("Type") == "VIEW":
            parts = [*_view_parts(spark, details, state_of)]
        else:
            parts = [*_file_parts(spark, table, details)]
    except (*SPARK_FAULTS, CurationError, LookupError):
        return _untold()
    version = f"{parts[0]}{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"
    return TableState(version, version)


def is_undetermined(version: str) -> bool:
    """Whether it could not be told which rows an input has."""
    return version.startswith(UNDETERMINED)


def _untold() -> TableState:
    version = f"{UNDETERMINED}{uuid.uuid4().hex[:16]}"
    return TableState(version, version)


def _details(spark: SparkSession, table: Address) -> dict[str, str]:
    """What the catalog says of a table; under Columns its columns, which a view may rename."""
    try:
        rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table.sql_name}").collect()
    except AnalysisException:
        raise InputDataError(f"{table}: the catalog has no such table") from None
    names = [row["col_name"] for row in rows]
    start = names.index(_DETAILS) if _DETAILS in names else len(rows)
    columns = [(row["col_name"], row["data_type"]) for row in rows[:start]]
    return {**{row["col_name"]: row["data_type"] for row in rows[start:]}, _COLUMNS: repr(columns)}


def _file_parts(spark: SparkSession, table: Address, details: dict[str, str]) -> Iterator[str]:
    """`files:`, the details, each file with size and time; LookupError where no file is behind."""
    uris = spark.read.table(table.location).inputFiles()
    if not uris and details["Provider"].lower() not in _FILE_FORMATS:
        raise LookupError(details["Provider"])
    yield "files:"
    yield repr(sorted((k, v) for k, v in details.items() if k not in _LEAVES_ROWS))
    yield from (f"{f.path} {f.size} {f.modified}" for f in list_files(spark, uris))


def _view_parts(spark: SparkSession, details: dict[str, str], state_of: StateOf) -> Iterator[str]:
    """`view:`, its text, and the versions of the tables beneath.

    LookupError where the rows do not follow from these: functions that others define or that
    give something else each time, tables that cannot be told.
    """
    text, home = details["View Text"], details["View Catalog and Namespace"]
    (plan,) = spark.sql(f"EXPLAIN EXTENDED {text}").first() or ("",)
    parsed, _, analysed = plan.partition("== Analyzed Logical Plan ==")
    if not analysed:
        raise LookupError(plan)
    names = {name.lower() for name in _FUNCTION.findall(parsed)} - _OPERATORS
    system = {row[0].lower() for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect()}
    if _VOLATILE.search(text) or names - system:
        raise LookupError(text)
    yield "view:"
    yield f"{home} {details[_COLUMNS]} {text}"
    common = set(re.findall(r"(?m)CTE \[(.*?)\]", parsed))
    for name in sorted(set(_RELATION.findall(parsed))):
        try:
            yield _version_beneath(name, home, state_of)
        except InputDataError:
            if not any(name in names.split(", ") for names in common):
                raise


def _version_beneath(name: str, home: str, state_of: StateOf) -> str:
    """`mark` of a table as a view names it: in full, from the view's own schema, or by its path."""
    *above, last = name.split(", ")
    if len(above) == 1 and "/" in last:
        prefix = f"{above[0]}:" if above[0].lower() in _PATH_FORMATS else ""
        address = prefix.lower() + last
    else:
        parts = home.split(".")
        missing = max(0, len(parts) - len(above))
        address = ".".join([*parts[:missing], *above, last])
    state = state_of(address)
    if is_undetermined(state.version):
        raise LookupError(address)
    return f"{address} {state.mark}"
