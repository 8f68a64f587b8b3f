"""The jobs as Python functions: the source of captionlake/jobs.py, from the jobs' settings.

`make functions` writes it.
"""

import json
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from spark_jobs.core.settings import RoleName, Settings, base_settings
from spark_jobs.core.yaml_files import parse_yaml_value
from spark_jobs.running.job import AnyJob
from spark_jobs.running.option_help import default_of, short_flags, type_and_default
from spark_jobs.running.registry import all_jobs

# Settings of text that are paths, or may be, without being an input or output of the job itself.
PATHS = {"input", "bank", "output", "run", "recipe", "synsets", "model"}
_ADDRESS_ROLES: tuple[RoleName, ...] = ("input", "output", "folder", "file", "workspace")
_WIDTH = 92  # of the docstrings, without their indent
_HEAD = '''\
"""A function per job, with its settings as keyword arguments; see `captionlake.calls.job`.

Written by `make functions` from the settings of the jobs: change those, not this file.
"""

# mypy: disable-error-code="empty-body"

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from captionlake.calls import job
from captionlake.results import Result

Address: TypeAlias = str | os.PathLike[str]
'''


@dataclass(frozen=True)
class _Parameter:
    """A parameter: `default` is source text, None if required; `note` is its type in words."""

    name: str
    type: str
    default: str | None
    note: str
    description: str

    @property
    def signature(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.type}{default}"

    def doc_lines(self) -> list[str]:
        text = f"{self.description[0].upper()}{self.description[1:]}."
        indent = " " * 4
        lines = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
        return [f"{self.name} : {self.note}", *lines]


_NOTE_NO = "True or False; default False"
_COMMON = [
    _Parameter("force", "bool", "False", _NOTE_NO, "run even if the outputs are up to date"),
    _Parameter(
        *("quiet", "bool", "False", _NOTE_NO),
        "send the lines on progress to the logger `captionlake` instead of stderr",
    ),
]
_SET_OF_RUN = _Parameter(
    *("set", "Mapping[str, Any] | None", "None", "map of names to values"),
    "settings of steps, such as {'balanced_captions.t': 10}",
)
_VARIABLES_OF_RUN = _Parameter(
    *("**variables", "Any", None, "any value"),
    "variables of the recipe, such as input='./pairs'; what a recipe has says `captionlake init`",
)


def functions_source() -> str:
    """The content of captionlake/jobs.py."""
    jobs = all_jobs()
    names = "".join(f'    "{_function_name(job)}",\n' for job in sorted(jobs))
    functions = "".join(map(_function, jobs.values()))
    return f"{_HEAD}\n__all__ = [\n{names}]\n{functions}"


def _function_name(job: str) -> str:
    return job.replace("-", "_")


def _function(job: AnyJob) -> str:
    parameters = [*_parameters(job)]
    by_position = [p.signature for p in parameters if p.name in job.arguments]
    by_name = [p.signature for p in parameters if p.name not in job.arguments]
    lines = "".join(f"    {parameter},\n" for parameter in [*by_position, "*", *by_name])
    doc = [f'"""{job.summary}', "", "Parameters", "----------"]
    doc += [line for parameter in parameters for line in parameter.doc_lines()]
    doc += ["", "Examples", "--------", f">>> {python_example(job, job.example)}"]
    body = textwrap.indent("\n".join([*doc, '"""']), " " * 4).replace("\\", "\\\\")
    return f"\n\n@job\ndef {_function_name(job.name)}(\n{lines}) -> Result:\n{body}\n"


def _parameters(job: AnyJob) -> Iterator[_Parameter]:
    """The settings, first those that are required, then those of all jobs and of all calls."""
    model = job.settings

    def place(name: str) -> tuple[bool, bool]:
        return name in Settings.model_fields, not _is_required(job, name)

    for name in sorted(model.model_fields, key=place):
        field = model.model_fields[name]
        default = None if _is_required(job, name) else _source(default_of(field, job.name, name))
        kind, help_ = python_type(model, name), type_and_default(model, job.name, name)
        yield _Parameter(name, kind, default, _note(help_, kind), str(field.description))
    yield from ([_SET_OF_RUN] if job.name == "run" else [])
    yield from _COMMON
    yield from ([_VARIABLES_OF_RUN] if job.name == "run" else [])


def _is_required(job: AnyJob, name: str) -> bool:
    return job.settings.model_fields[name].is_required() and name not in base_settings(job.name)


def _note(help_: str, kind: str) -> str:
    """A type and default as the command line's help has them, in Python's words."""
    text = re.sub(r"--([\w-]+)", lambda flag: flag[1].replace("-", "_"), help_[1:-1])
    if "Address" in kind:
        text = re.sub(r"^(list of )?text", r"\1address", text).replace("addresss", "addresses")
    for shown, value in {"yes": "True", "no": "False"}.items():
        text = text.replace(f"yes/no; default {shown}", f"True or False; default {value}")
    return text


def python_example(job: AnyJob, command: str) -> str:
    """A command line of the job as a call in Python."""
    by_position: list[str] = []
    settings: dict[str, str] = {}
    words = iter(shlex.split(command.replace("\\\n", " "))[2:])
    long_options = _long_options(job.settings)
    for given in words:
        word = long_options.get(given, given)
        if not word.startswith("--"):
            by_position.append(word)
        elif word == "--set":
            name, _, text = next(words).partition("=")
            settings[name] = text
        elif (name := word[2:].replace("-", "_")) in job.settings.model_fields:
            is_switch = job.settings.model_fields[name].annotation is bool
            settings[name] = "true" if is_switch else next(words)
        else:
            settings[name.removeprefix("no_")] = "false"
    arguments = [_quoted(word) for word in by_position]
    arguments += [f"{name}={_example_value(job, name, text)}" for name, text in settings.items()]
    return f"cl.{_function_name(job.name)}({', '.join(arguments)})"


def _long_options(model: type[Settings]) -> dict[str, str]:
    """Flag of one letter -> the option that it stands for."""
    fields = model.model_fields.items()
    return {flag: f"--{name}" for name, field in fields for flag in short_flags(field)}


def _example_value(job: AnyJob, name: str, text: str) -> str:
    """The source of a value that stands on the command line: text, or YAML for all else."""
    if name in job.settings.model_fields:
        kinds = python_type(job.settings, name).removesuffix(" | None")
        if kinds in ("str", "Address") or kinds.startswith("Literal"):
            return _quoted(text)
    return _source(parse_yaml_value(text, name))


def python_type(model: type[Settings], name: str) -> str:
    """The type of a setting for callers: addresses may be paths, lists any sequence."""
    field = model.model_fields[name]
    is_address = any(name in model.names_with_role(role) for role in _ADDRESS_ROLES)
    text = "Address" if is_address or name in PATHS else "str"
    parts = get_args(field.annotation)
    metadata = [*field.metadata, *(m for p in parts for m in getattr(p, "__metadata__", ()))]
    takes_one_text = any(isinstance(m, BeforeValidator) for m in metadata)
    kind = _type(field.annotation, text)
    return f"{text} | {kind}" if takes_one_text else kind


def _type(annotation: Any, text: str) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], text)
    if origin is Literal:
        return f"Literal[{', '.join(map(_quoted, arguments))}]"
    if origin in (Union, UnionType):
        kinds = [_type(part, text) for part in arguments if part is not NoneType]
        none = ["None"] if NoneType in arguments else []
        return " | ".join(dict.fromkeys([*kinds, *none]))
    if origin is list:
        return f"Sequence[{_type(arguments[0], text)}]"
    if origin is dict:
        return f"Mapping[str, {_type(arguments[1], 'str')}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "Mapping[str, Any]"
    return text if annotation is str else "Any" if annotation is Any else str(annotation.__name__)


def _source(value: Any) -> str:
    """A value as source, with its texts in double quotes."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_source(k)}: {_source(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_source, value))}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(functions_source())
