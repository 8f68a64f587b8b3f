"""Settings of a job: YAML and `--set` in, a frozen model out, every fault named at once."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from spark_jobs.conf_files import conf_file
from spark_jobs.errors import SettingsError

RoleName = Literal["input", "output", "workspace"]


@dataclass(frozen=True)
class Role:
    """What a setting's address is to the job: read, written, or the folder of its records."""

    name: RoleName


InputAddress = Annotated[str, Role("input")]
OutputAddress = Annotated[str, Role("output")]
Workspace = Annotated[str, Role("workspace")]


class Settings(BaseModel):
    """Base of every job's settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Settings that stand for each other: exactly one is given, and one that a user gives takes the
    # place of the one in the base file.
    one_of: ClassVar[tuple[str, ...]] = ()

    workspace: Workspace | None = Field(
        None, description="folder or catalog.schema of runs and rejected; default: output's parent"
    )

    @model_validator(mode="after")
    def _one_is_given(self) -> Self:
        given = [name for name in self.one_of if getattr(self, name) is not None]
        if self.one_of and len(given) != 1:
            names = f"{', '.join(self.one_of[:-1])} and {self.one_of[-1]}"
            found = f", found {' and '.join(given)}" if given else ""
            raise ValueError(f"expected exactly one of {names}{found}")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """Setting -> address of every filled setting with this role, in the order of the fields."""
        found = {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if _has_role(field.annotation, field.metadata, role)
        }
        return {name: address for name, address in found.items() if address is not None}


S = TypeVar("S", bound=Settings)


def _has_role(annotation: Any, metadata: Iterable[Any], role: RoleName) -> bool:
    """Whether a field's type, or the type inside its Optional, carries the role."""
    inside = (m for part in get_args(annotation) for m in getattr(part, "__metadata__", ()))
    return Role(role) in [m for m in (*metadata, *inside) if isinstance(m, Role)]


def load_settings(
    model: type[S],
    job: str,
    config: Path | None,
    overrides: Iterable[str],
    given: Mapping[str, str],
) -> S:
    """Build a job's settings: its base file, `config`, options, then `key=value` overrides.

    Raises SettingsError with every fault at once, one a line.
    """
    said: dict[str, Any] = {} if config is None else read_yaml_map(config)
    for key, text in given.items():
        said = _merge(said, {key: _value_of(model, key, text)})
    for override in overrides:
        said = _merge(said, _parse_override(model, override))
    base = base_settings(job)
    if any(said.get(name) is not None for name in model.one_of):
        base = {name: value for name, value in base.items() if name not in model.one_of}
    return validate_settings(model, job, _merge(base, said))


def base_settings(job: str) -> dict[str, Any]:
    """The papers' defaults for a job, from conf/base."""
    base = conf_file("base", f"{job.replace('-', '_')}.yml")
    return read_yaml_map(base) if base.is_file() else {}


def validate_settings(model: type[S], job: str, values: Mapping[str, Any]) -> S:
    """Check `values` against the model; SettingsError lists every fault."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        lines = [_fault_line(error, model) for error in fault.errors()]
        raise SettingsError(f"{job}: " + "; ".join(lines)) from None


def read_yaml_map(path: Path | Traversable) -> dict[str, Any]:
    """Read a YAML file of settings; SettingsError where it is missing or no map."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read ({fault.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path}: is no YAML ({' '.join(str(fault).split())})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a map of settings, found {type(content).__name__}")
    return content


def _parse_override(model: type[Settings], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {override!r}: expected key=value")
    value = _value_of(model, key, text)
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _value_of(model: type[Settings], key: str, text: str) -> Any:
    """A value of the command line: as it stands where text is wanted, so a uid of digits stays.

    Everything else is YAML.
    """
    field = model.model_fields.get(key)
    if not text or (field is not None and _is_text(field.annotation)):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"{key}={text!r}: is no YAML value") from None


def _is_text(annotation: Any) -> bool:
    """Whether a type is str, also one that is annotated or optional."""
    parts = (getattr(part, "__origin__", part) for part in (annotation, *get_args(annotation)))
    return get_origin(annotation) in (None, Annotated, Union, UnionType) and str in parts


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value)
            if isinstance(below, dict) and isinstance(value, Mapping)
            else value
        )
    return merged


def _fault_line(error: ErrorDetails, model: type[Settings]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if not key:
        return error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"unknown setting {key!r}{nearest(key, model.model_fields)}"
    if error["type"] == "missing":
        return f"setting {key!r} is missing"
    return f"setting {key!r} = {error['input']!r}: {error['msg']}"


def nearest(name: str, known: Iterable[str]) -> str:
    """', did you mean ...?' with the nearest known name, or nothing where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
