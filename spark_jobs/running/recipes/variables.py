"""`${name}` in a recipe's settings."""

import re
from collections.abc import Mapping
from typing import Any

from spark_jobs.core.settings import did_you_mean

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def fill_in(value: Any, variables: Mapping[str, Any]) -> Any:
    """Put variables into a setting, also inside lists and maps.

    A text that is one variable and nothing else takes its value as it is, a number as a number.
    Raises ValueError for a variable that is not there, has no value, or names a variable.
    """
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole:
            return _value(whole[1], variables)
        return _VARIABLE.sub(lambda found: str(_value(found[1], variables)), value)
    if isinstance(value, list):
        return [fill_in(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill_in(item, variables) for key, item in value.items()}
    return value


def _value(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise ValueError(f"there is no variable {name!r}{did_you_mean(name, variables)}")
    if variables[name] is None:
        raise ValueError(f"variable {name!r} has no value: --set {name}=...")
    inner = _VARIABLE.search(str(variables[name]))
    if inner:
        raise ValueError(f"variable {name!r} holds {inner[0]}, expected a value without variables")
    return variables[name]
