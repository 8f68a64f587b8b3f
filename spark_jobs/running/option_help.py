"""Help texts of options: the type in plain words, and the default or that it is required."""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spark_jobs.core.settings import Settings, base_settings

_WORDS = {str: "text", int: "whole number", float: "number", bool: "yes/no", Any: "any value"}
_PLURALS = {"text": "texts", "any value": "values"}


def type_and_default(model: type[Settings], job: str, name: str) -> str:
    """`[whole number; default 0]`, `[text; required]`, or `[text]` for an optional setting."""
    field = model.model_fields[name]
    parts = [plain_type(field.annotation)]
    if field.is_required() and name not in base_settings(job):
        parts.append("required")
    else:
        default = default_of(field, job, name)
        parts += [] if default is None else [f"default {shown_default(default)}"]
        parts += _required_alternatives(model, job, name)
    return f"[{'; '.join(parts)}]"


def default_of(field: FieldInfo, job: str, name: str) -> Any:
    """The default of the job's base file, else of the model; None if there is none."""
    return base_settings(job).get(name, field.get_default(call_default_factory=True))


def plain_type(annotation: Any) -> str:
    """A type in plain words: text, number, yes/no, `a, b or c`, list of texts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None and annotation in _WORDS:
        return _WORDS[annotation]
    if origin in _GENERIC_TYPES:
        return _GENERIC_TYPES[origin](arguments)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "map"
    raise TypeError(f"no plain words for the type {annotation!r} of a setting")


def _choices(names: tuple[str, ...]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _union(types: tuple[Any, ...]) -> str:
    kinds = dict.fromkeys(plain_type(kind) for kind in types if kind is not NoneType)
    return " or ".join(kinds)


def _plural(kind: str) -> str:
    """The plural of a type's words; choices and lists stay as they are."""
    if "," in kind or " or " in kind or kind.startswith("list"):
        return kind
    return _PLURALS.get(kind, f"{kind}s")


_GENERIC_TYPES: dict[Any, Callable[[tuple[Any, ...]], str]] = {
    Annotated: lambda types: plain_type(types[0]),
    Literal: _choices,
    Union: _union,
    UnionType: _union,
    list: lambda types: f"list of {_plural(plain_type(types[0]))}",
    dict: lambda types: f"map of names to {_plural(plain_type(types[1]))}",
}


def shown_default(value: Any) -> str:
    """A default as a user would write it on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return f"[{', '.join(map(shown_default, value))}]"
    return repr(value) if value in ("", {}) else str(value)


def _required_alternatives(model: type[Settings], job: str, name: str) -> list[str]:
    """The note that one of the mutually exclusive settings is required, if none has a default."""
    defaults = (
        default_of(model.model_fields[other], job, other) for other in model.mutually_exclusive
    )
    if name not in model.mutually_exclusive or any(default is not None for default in defaults):
        return []
    flags = [f"--{other.replace('_', '-')}" for other in model.mutually_exclusive]
    return [f"one of {_choices(tuple(flags))} is required"]


def short_flags(field: FieldInfo) -> list[str]:
    """The flags of one letter that a setting names in its `json_schema_extra`: {"flag": "-n"}."""
    extra = field.json_schema_extra
    return [str(extra["flag"])] if isinstance(extra, dict) and "flag" in extra else []
