"""Substitution of `${name}` in a recipe's settings."""

import re
from collections.abc import Mapping
from typing import Any

from spark_jobs.core.settings import did_you_mean

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def fill_in(value: Any, variables: Mapping[str, Any]) -> Any:
    """Substitute variables in a setting, also inside lists and maps.

    A text that is just `${name}` becomes the variable's value with its type, such as a number.
    Raises ValueError if a variable is not defined, has no value, or contains a variable itself.
    """
    if isinstance(value, str):
        whole_text = _VARIABLE.fullmatch(value)
        if whole_text:
            return _value(whole_text[1], variables)
        return _VARIABLE.sub(lambda reference: str(_value(reference[1], variables)), value)
    if isinstance(value, list):
        return [fill_in(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill_in(item, variables) for key, item in value.items()}
    return value


def variables_in(value: Any) -> list[str]:
    """The names of the variables in a setting, also inside lists and maps, each once."""
    if isinstance(value, str):
        return list(dict.fromkeys(_VARIABLE.findall(value)))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(name for item in items for name in variables_in(item)))


def is_variable(value: Any) -> bool:
    """Whether a setting is just `${name}`."""
    return isinstance(value, str) and _VARIABLE.fullmatch(value) is not None


def _value(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise ValueError(f"there is no variable {name!r}{did_you_mean(name, variables)}")
    if variables[name] is None:
        raise ValueError(f"variable {name!r} has no value: --set {name}=...")
    inner = _VARIABLE.search(str(variables[name]))
    if inner:
        raise ValueError(f"variable {name!r} holds {inner[0]}, expected a value without variables")
    return variables[name]
