"""What `--help` says of a setting: its type in plain words, its default or that it is needed."""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spark_jobs.core.settings import Settings, base_settings

_WORDS = {str: "text", int: "whole number", float: "number", bool: "yes/no", Any: "any value"}
_PLURALS = {"text": "texts", "any value": "values"}


def type_and_default(model: type[Settings], job: str, name: str) -> str:
    """`[whole number; default 0]`, `[text; required]`, or `[text]` for what may be left out."""
    field = model.model_fields[name]
    parts = [plain_type(field.annotation)]
    if field.is_required() and name not in base_settings(job):
        parts.append("required")
    else:
        default = default_of(field, job, name)
        parts += [] if default is None else [f"default {_shown(default)}"]
        parts += _instead_of(model, job, name)
    return f"[{'; '.join(parts)}]"


def default_of(field: FieldInfo, job: str, name: str) -> Any:
    """The value where none is given: the base file's, else the model's; None for none."""
    return base_settings(job).get(name, field.get_default(call_default_factory=True))


def plain_type(annotation: Any) -> str:
    """A type in plain words: text, number, yes/no, `a, b or c`, list of texts."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is None and annotation in _WORDS:
        return _WORDS[annotation]
    if origin in _FORMS:
        return _FORMS[origin](inside)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "map"
    raise TypeError(f"no plain words for the type {annotation!r} of a setting")


def _choices(names: tuple[str, ...]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _union(types: tuple[Any, ...]) -> str:
    kinds = dict.fromkeys(plain_type(kind) for kind in types if kind is not NoneType)
    return " or ".join(kinds)


def _many(kind: str) -> str:
    """The plural of a type's words; choices and what is a list itself stay as they are."""
    if "," in kind or " or " in kind or kind.startswith("list"):
        return kind
    return _PLURALS.get(kind, f"{kind}s")


_FORMS: dict[Any, Callable[[tuple[Any, ...]], str]] = {
    Annotated: lambda types: plain_type(types[0]),
    Literal: _choices,
    Union: _union,
    UnionType: _union,
    list: lambda types: f"list of {_many(plain_type(types[0]))}",
    dict: lambda types: f"map of names to {_many(plain_type(types[1]))}",
}


def _shown(value: Any) -> str:
    """A default as one would write it on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value) if value in ("", {}) else str(value)


def _instead_of(model: type[Settings], job: str, name: str) -> list[str]:
    """That exactly one of several settings is needed, where none of them has a default."""
    defaults = (
        default_of(model.model_fields[other], job, other) for other in model.mutually_exclusive
    )
    if name not in model.mutually_exclusive or any(default is not None for default in defaults):
        return []
    flags = [f"--{other.replace('_', '-')}" for other in model.mutually_exclusive]
    return [f"one of {_choices(tuple(flags))} is required"]
