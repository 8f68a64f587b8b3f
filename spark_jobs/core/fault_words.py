"""What is wrong with a value, in our words, from pydantic's errors."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_WHOLE_NUMBER = "expected a whole number"
_NUMBER = "expected a number"
_YES_NO = "expected true or false"
_TEXT = "expected text, in quotes where it looks like a number or a date"
_MAP = "expected a map of keys and values"

# Type of pydantic's error -> what was expected, with the numbers of its `ctx`.
_WORDS: dict[str, str] = {
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "expected a finite number",
    "bool_type": _YES_NO,
    "bool_parsing": _YES_NO,
    "string_type": _TEXT,
    "string_unicode": "expected text, found bytes that are not UTF-8",
    "string_too_short": "expected {min_length} or more characters",
    "string_too_long": "expected {max_length} or fewer characters",
    "string_pattern_mismatch": "expected letters, digits and _, with a letter or a digit first",
    "literal_error": "expected {expected}",
    "list_type": "expected a list, such as [a, b]",
    "too_short": "expected {min_length} or more items, found {actual_length}",
    "too_long": "expected {max_length} or fewer items, found {actual_length}",
    "dict_type": _MAP,
    "model_type": _MAP,
    "model_attributes_type": _MAP,
    "greater_than": "expected a number above {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than": "expected a number below {lt}",
    "less_than_equal": "expected {le} or less",
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "json_invalid": "is no JSON",
    "none_required": "expected no value",
}


def fault_words(error: ErrorDetails) -> str:
    """What was expected in place of the value; the message of a check of our own as it is.

    "is not valid" for types of errors that no setting of ours gives.
    """
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] in ("value_error", "assertion_error"):
        return str(context["error"])
    return _WORDS.get(error["type"], "is not valid").format_map(_plain_numbers(context))


def _plain_numbers(context: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds as people write them: 1 for 1.0."""
    return {name: _plain_number(value) for name, value in context.items()}


def _plain_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
