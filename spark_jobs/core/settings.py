"""Settings of a job: YAML and `--set` in, a frozen model out, every fault named at once."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from spark_jobs.core.addresses import absolute_address, absolute_file, parse_address, parse_parent
from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.redaction import shown
from spark_jobs.core.yaml_files import parse_yaml_value, read_yaml_map

_MOST_CHARACTERS = 500  # of the line of a fault
_MOST_DEPTH = 30  # of lists and maps in a setting
RoleName = Literal["input", "output", "folder", "file", "workspace"]


@dataclass(frozen=True)
class Role:
    """What a setting's address is to the job.

    A table read or written, an output that is a folder of plain files, a plain file written, or
    the folder of the job's records.
    """

    name: RoleName


InputAddress = Annotated[str, AfterValidator(absolute_address), Role("input")]
OutputAddress = Annotated[str, AfterValidator(absolute_address), Role("output")]
OutputFolder = Annotated[str, AfterValidator(absolute_address), Role("output"), Role("folder")]
OutputFile = Annotated[str, AfterValidator(absolute_file), Role("file")]
_one_is_a_list = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
# A list of which one item may stand alone.
OneOrMore = Annotated[list[str], Field(min_length=1), _one_is_a_list]
InputAddresses = Annotated[list[InputAddress], Field(min_length=1), _one_is_a_list, Role("input")]
Workspace = Annotated[str, AfterValidator(parse_parent), Role("workspace")]


class Settings(BaseModel):
    """Base of every job's settings: frozen, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )

    # Settings that stand for each other: exactly one is given, and one that a user gives takes the
    # place of the one in the base file.
    mutually_exclusive: ClassVar[tuple[str, ...]] = ()

    workspace: Workspace | None = Field(
        None, description="folder or catalog.schema of runs and rejected; default: output's parent"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_storable_as_read(cls, value: Any) -> Any:
        refuse_unstorable(value)  # pydantic fails to name such text
        return value

    @field_validator("*")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        refuse_unstorable(value)  # a number may have been text
        return value

    @model_validator(mode="after")
    def _one_is_given(self) -> Self:
        given = [name for name in self.mutually_exclusive if getattr(self, name) is not None]
        if self.mutually_exclusive and len(given) != 1:
            names = f"{', '.join(self.mutually_exclusive[:-1])} and {self.mutually_exclusive[-1]}"
            found = f", found {' and '.join(given)}" if given else ""
            raise ValueError(f"expected exactly one of {names}{found}")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """Setting -> address of every filled setting with this role, in the order of the fields.

        Those of a list are numbered: `sources.0`.
        """
        found: dict[str, str] = {}
        for name in self.names(role):
            value = getattr(self, name)
            if isinstance(value, list):
                found |= {f"{name}.{number}": address for number, address in enumerate(value)}
            elif value is not None:
                found[name] = value
        return found

    @classmethod
    def names(cls, role: RoleName) -> list[str]:
        """The settings with this role, in the order of the fields."""
        fields = cls.model_fields.items()
        return [name for name, f in fields if _has_role(f.annotation, f.metadata, role)]

    def own_files(self) -> dict[str, str]:
        """Path -> digest of the files that the settings are read from: they are inputs as well."""
        return {}

    def further_outputs(self) -> list[str]:
        """Tables that the job may write beside those that settings name."""
        return []

    def folder_content(self) -> str | None:
        """What is written into an output folder, where it must not replace what else is there."""
        return None

    def workspace_address(self) -> str:
        """Where `runs` and `rejected` of these settings live; by default by the first output."""
        if self.workspace is not None:
            return self.workspace
        written = [*self.addresses("output").values(), *self.addresses("file").values()]
        return parse_address(written[0]).parent()


S = TypeVar("S", bound=Settings)


def refuse_unstorable(value: object) -> None:
    """Raise ValueError where a number has more than 64 bits, a text is none, or lists nest deep."""
    level = [value]
    for _ in range(_MOST_DEPTH):
        for part in level:
            _refuse_scalar(part)
        level = [inside for part in level for inside in _inside(part)]
        if not level:
            return
    raise ValueError(f"nests more than {_MOST_DEPTH} deep")


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


def _refuse_scalar(value: object) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("expected a whole number of 64 bits, -2^63 to 2^63 - 1")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("expected text without the character NUL")
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("expected text, found half of a surrogate pair")


def _has_role(annotation: Any, metadata: Iterable[Any], role: RoleName) -> bool:
    """Whether a field's type, or the type inside its Optional, carries the role."""
    inside = (m for part in get_args(annotation) for m in getattr(part, "__metadata__", ()))
    return Role(role) in [m for m in (*metadata, *inside) if isinstance(m, Role)]


def load_settings(
    model: type[S],
    job: str,
    config: Path | None,
    overrides: Iterable[str],
    given: Mapping[str, str | bool],
) -> S:
    """Build a job's settings: its base file, `config`, options, then `key=value` overrides.

    Raises SettingsError with every fault at once, one a line.
    """
    said: dict[str, Any] = {} if config is None else read_yaml_map(config)
    for key, text in given.items():
        value = text if isinstance(text, bool) else _value_of(model, key, text)
        said = merge(said, {key: value})
    for override in overrides:
        said = merge(said, _parse_override(model, override))
    try:
        return validate_settings(model, merge_over_base_settings(model, job, said))
    except SettingsError as fault:
        raise SettingsError(f"{job}: {fault}") from None


def merge_over_base_settings(
    model: type[Settings], job: str, said: Mapping[str, Any]
) -> dict[str, Any]:
    """A job's base settings under those that were said."""
    base = base_settings(job)
    if any(said.get(name) is not None for name in model.mutually_exclusive):
        base = {name: value for name, value in base.items() if name not in model.mutually_exclusive}
    return merge(base, said)


def base_settings(job: str) -> dict[str, Any]:
    """The papers' defaults for a job, from conf/base."""
    base = conf_file("base", f"{job.replace('-', '_')}.yml")
    return read_yaml_map(base) if base.is_file() else {}


def validate_settings(model: type[S], values: Mapping[str, Any]) -> S:
    """Check `values` against the model; SettingsError lists every fault."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        raise SettingsError("; ".join(fault_lines(fault, model))) from None


def fault_lines(fault: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every fault that a model found, one a line."""
    lines = (_shortened(_fault_line(error, model)) for error in fault.errors())
    return list(dict.fromkeys(lines))  # each type that a setting may have finds a fault in it


def _shortened(line: str) -> str:
    """A line of which the middle is left out where it repeats a long value."""
    if len(line) <= _MOST_CHARACTERS:
        return line
    return f"{line[: _MOST_CHARACTERS // 2]} ... {line[-_MOST_CHARACTERS // 2 :]}"


def _parse_override(model: type[Settings], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {shown(override)}: expected key=value")
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
    return parse_yaml_value(text, f"{key}={shown(text, key)}")


def _is_text(annotation: Any) -> bool:
    """Whether a type is str, also one that is annotated or optional."""
    parts = (getattr(part, "__origin__", part) for part in (annotation, *get_args(annotation)))
    return get_origin(annotation) in (None, Annotated, Union, UnionType) and str in parts


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`; maps in both are merged likewise."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
        )
    return merged


_EXPECTED_MAPS = {"dict_type", "model_type", "model_attributes_type"}


def _fault_line(error: ErrorDetails, model: type[BaseModel]) -> str:
    key, is_of_several_types = _key_of(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if is_of_several_types:
        message = "is of none of the types that this setting takes"
    elif error["type"] in _EXPECTED_MAPS:
        message = "expected a map of keys and values"
    if not key:
        return message
    if error["type"] == "extra_forbidden":
        is_of_model = len(error["loc"]) == 1
        return (
            f"unknown setting {key!r}{did_you_mean(key, model.model_fields) if is_of_model else ''}"
        )
    if error["type"] == "missing":
        return f"setting {key!r} is missing"
    return f"setting {key!r} = {shown(error['input'], key)}: {message}"


def _key_of(location: Sequence[int | str]) -> tuple[str, bool]:
    """The key as the user wrote it, `rules.0.value`, and whether its type is one of several.

    pydantic also names which kind of a value it took, which our kinds show by `<...>`, and which
    of several types it tried, by `list[...]` and the like.
    """
    parts: list[str] = []
    for part in map(str, location):
        if "[" in part:
            return ".".join(parts), True
        if not (part.startswith("<") and part.endswith(">")):
            parts.append(part)
    return ".".join(parts), False


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """', did you mean ...?' with the nearest known name, or nothing where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
