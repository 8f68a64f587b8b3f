"""Python values as settings: paths, tuples and numbers of numpy become what YAML would give."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any


def plain_value(setting: str, value: Any) -> Any:
    """The value as text, number, list or map; ValueError, with what to write, for a DataFrame."""
    if isinstance(value, os.PathLike):
        return _path_text(setting, os.fspath(value))
    if isinstance(value, Mapping):
        return {key: plain_value(setting, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(setting, item) for item in value]
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    refuse_frame(setting, value)
    return value


def _path_text(setting: str, path: str) -> str:
    """The path with a `/`, as words with dots could be a table's name; ValueError for a URI.

    Path("s3://bucket/x") has become `s3:/bucket/x`.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        raise ValueError(f"setting {setting!r} = {path}: write a URI as text, not as a Path")
    return path if "/" in path else f"./{path}"


def refuse_frame(setting: str, value: Any) -> None:
    """Raise ValueError for a DataFrame or a result: jobs read and write tables by address."""
    kind, module = type(value).__name__, type(value).__module__
    if kind == "Result" and module.startswith("captionlake."):
        key = "output" if "output" in value.outputs else next(iter(value.outputs), "output")
        raise ValueError(
            f"setting {setting!r} takes the address of a table, found the result of {value.job}: "
            f"write {setting}=result.outputs[{key!r}]"
        )
    if kind == "DataFrame" and module.startswith(("pyspark.", "pandas.")):
        write = (
            f"frame.write.format('delta').save('./{setting}')"
            if module.startswith("pyspark.")
            else f"frame.to_parquet('{setting}.parquet')"
        )
        address = f"./{setting}" if module.startswith("pyspark.") else f"{setting}.parquet"
        raise ValueError(
            f"setting {setting!r} takes the address of a table, so that a run can be repeated; "
            f"found a DataFrame. Write it first: {write}, then {setting}={address!r}"
        )


def with_dotted_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of run with those of `set` merged in: `{"balance.t": 10}` is step balance's t.

    Raises ValueError if `set` is no map.
    """
    from spark_jobs.core.settings import merge

    merged = {key: value for key, value in settings.items() if key != "set"}
    changes = settings.get("set") or {}
    if not isinstance(changes, Mapping):
        raise ValueError("set: expected a map of step.setting to value, {'balance.t': 10}")
    for key, value in changes.items():
        nested = value
        for part in reversed(str(key).split(".")):
            nested = {part: nested}
        merged = merge(merged, nested)
    return merged
