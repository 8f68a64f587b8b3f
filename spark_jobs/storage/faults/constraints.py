"""Rows that the constraints of a Delta table refuse: its CHECKs, and columns without nulls."""

import re
from collections.abc import Sequence

from spark_jobs.core.errors import CurationError, OutputTableError
from spark_jobs.storage.faults.causes import Cause
from spark_jobs.storage.faults.lines import written_path

CHECK, NOT_NULL = "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"
# For clients of Spark Connect, which have the condition but not its parameters.
_CHECK_MESSAGE = re.compile(
    r"CHECK constraint \w+ (?P<expression>.*) violated by row with values:\s+(?P<values>- .*)",
    re.DOTALL,
)
_NOT_NULL_MESSAGE = re.compile(r"NOT NULL constraint violated for column: (?P<columnName>\S+)\.")


def refused_row(causes: Sequence[Cause]) -> str | None:
    """The row and the constraint that it breaks, in words; None for any other fault."""
    for cause in causes:
        if cause.condition == NOT_NULL:
            column = _parameter(cause, "columnName", _NOT_NULL_MESSAGE)
            return f"a row with {column} : null breaks the constraint {column} IS NOT NULL"
        if cause.condition == CHECK:
            expression = _parameter(cause, "expression", _CHECK_MESSAGE)
            lines = _parameter(cause, "values", _CHECK_MESSAGE).strip().splitlines()
            values = ", ".join(line.strip().removeprefix("- ") for line in lines)
            expression = re.sub(r"^\((.*)\)$", r"\1", expression)
            return f"a row with {values} breaks the constraint {expression}"
    return None


def broken_constraint(cause: Cause, causes: Sequence[Cause]) -> CurationError:
    """A row that a table refuses, of a write whose table is not at hand."""
    return OutputTableError(
        f"output {written_path(causes) or 'of the run'}: {refused_row([cause])}"
    )


def _parameter(cause: Cause, name: str, message: re.Pattern[str]) -> str:
    match = message.search(cause.message)
    in_message = match[name] if match else "a value that the message does not name"
    return cause.parameters.get(name) or in_message
