"""Settings of a job: read from YAML and `--set`, checked by a frozen model, all faults at once."""

import difflib
import re
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

from spark_jobs.core.addresses import (
    absolute_address,
    absolute_file,
    parse_address,
    parse_parent,
    table_name,
)
from spark_jobs.core.bank_names import absolute_bank, bank_package, bank_path
from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.fault_words import fault_words
from spark_jobs.core.redaction import shown
from spark_jobs.core.yaml_files import parse_yaml_value, read_yaml_map

_MAX_FAULT_CHARACTERS = 500
_MAX_DEPTH = 30  # of nested lists and maps in a setting
RoleName = Literal["input", "bank", "output", "folder", "file", "workspace"]


@dataclass(frozen=True)
class Role:
    """How a job uses the address in a setting.

    "input", "output": a table read or written. "bank": an input that is a concept bank, also by
    name. "folder": an output that is a folder of plain files.
    "file": a plain file written. "workspace": where the tables `runs` and `rejected` lie.
    """

    name: RoleName


InputAddress = Annotated[str, AfterValidator(absolute_address), Role("input")]
BankAddress = Annotated[str, AfterValidator(absolute_bank), Role("input"), Role("bank")]
OutputAddress = Annotated[str, AfterValidator(absolute_address), Role("output")]
OutputFolder = Annotated[str, AfterValidator(absolute_address), Role("output"), Role("folder")]
OutputFile = Annotated[str, AfterValidator(absolute_file), Role("file")]
_text_as_list = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
# A list; a single text counts as a list of one.
OneOrMore = Annotated[list[str], Field(min_length=1), _text_as_list]
_names_as_list = BeforeValidator(
    lambda value: (
        [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, str)
        else value
    )
)
# Names of columns: a list, or a text with commas between them, which YAML does not read, so that
# a column may be called `no`.
Names = Annotated[list[str], _names_as_list]
InputAddresses = Annotated[list[InputAddress], Field(min_length=1), _text_as_list, Role("input")]


def _by_name(value: Any) -> Any:
    """A map of tables by their names, from a table or a list of tables."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value
    by_name = {table_name(item): item for item in value}
    if len(by_name) < len(value):
        raise ValueError("two tables have one name: give a map, {name: table}")
    return by_name


# Tables by their names: {name: table}, or a table or list of tables, which go by their own names.
NamedInputs = Annotated[
    dict[str, InputAddress], Field(min_length=1), BeforeValidator(_by_name), Role("input")
]
# An address, or the parent of tables, of a pipeline, whose steps give it its role.
PipelineInput = Annotated[str, AfterValidator(absolute_address)]
PipelineInputs = Annotated[dict[str, PipelineInput], Field(min_length=1), BeforeValidator(_by_name)]
PipelineBank = Annotated[str, AfterValidator(absolute_bank)]
TablesFolder = Annotated[str, AfterValidator(parse_parent)]
Workspace = Annotated[str, AfterValidator(parse_parent), Role("workspace")]


class Settings(BaseModel):
    """Base of all jobs' settings: frozen, unknown keys are an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )

    # Exactly one of these settings must be set; one set by the user drops the base file's.
    mutually_exclusive: ClassVar[tuple[str, ...]] = ()

    # Whether a pipeline goes on, with a warning, where the output file cannot be written.
    is_extra: ClassVar[bool] = False

    workspace: Workspace | None = Field(
        None, description="folder or catalog.schema of runs and rejected; default: output's parent"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _check_unparsed(cls, value: Any) -> Any:
        refuse_unstorable(value)  # pydantic's own error for a half surrogate names no setting
        return value

    @field_validator("*")
    @classmethod
    def _check_parsed(cls, value: Any) -> Any:
        refuse_unstorable(value)  # again: a number may have been text before
        return value

    @model_validator(mode="after")
    def _has_exactly_one(self) -> Self:
        set_names = [name for name in self.mutually_exclusive if getattr(self, name) is not None]
        if self.mutually_exclusive and len(set_names) != 1:
            names = f"{', '.join(self.mutually_exclusive[:-1])} and {self.mutually_exclusive[-1]}"
            seen = f", found {' and '.join(set_names)}" if set_names else ""
            raise ValueError(f"expected exactly one of {names}{seen}")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """Setting -> address of all settings with this role that are set, in field order.

        The addresses of a list are numbered: `sources.0`; those of a map have its keys.
        """
        addresses: dict[str, str] = {}
        banks = self.names_with_role("bank") if role == "input" else []
        for name in self.names_with_role(role):
            value = getattr(self, name)
            if name in banks and value is not None:
                value = bank_path(value)
            if isinstance(value, list):
                addresses |= {f"{name}.{number}": address for number, address in enumerate(value)}
            elif isinstance(value, dict):
                addresses |= {f"{name}.{key}": address for key, address in value.items()}
            elif value is not None:
                addresses[name] = value
        return addresses

    @classmethod
    def names_with_role(cls, role: RoleName) -> list[str]:
        """The names of the settings with this role, in field order."""
        fields = cls.model_fields.items()
        return [name for name, f in fields if _has_role(f.annotation, f.metadata, role)]

    def own_files(self) -> dict[str, str]:
        """Path -> digest of further files that the settings are read from; they count as inputs.

        A bank that comes with a package counts by the package's version.
        """
        banks = [getattr(self, name) for name in self.names_with_role("bank")]
        return {key: value for bank in banks if bank for key, value in bank_package(bank).items()}

    def further_outputs(self) -> list[str]:
        """Addresses of tables that the job may write besides those in the settings."""
        return []

    def further_inputs(self) -> list[str]:
        """Addresses of folders that the job reads besides those in the settings, such as models."""
        return []

    def folder_content(self) -> str | None:
        """Kind of content of an output folder that must not replace another kind; None for any."""
        return None

    def look_ahead(self) -> None:
        """Look at local files before a Spark session starts; CurationError if one is at fault."""

    def workspace_address(self) -> str:
        """The folder or schema of `runs` and `rejected`; by default that of `output`.

        Of a job without a setting of that name, that of its first output.
        """
        if self.workspace is not None:
            return self.workspace
        written = self.addresses("output") | self.addresses("file")
        return parse_address(written.get("output") or next(iter(written.values()))).parent()


def require_one_or_both(values: Mapping[str, object]) -> None:
    """Raise ValueError unless one of two settings has a value; keys: their names in the message."""
    if not any(values.values()):
        raise ValueError(f"give {', '.join(values)}, or both")


def refuse_both(values: Mapping[str, object]) -> None:
    """Raise ValueError if both of two settings are set; keys: their names in the message."""
    if all(value is not None for value in values.values()):
        raise ValueError(f"give {' or '.join(values)}, not both")


S = TypeVar("S", bound=Settings)


def refuse_unstorable(value: object) -> None:
    """Raise ValueError for integers over 64 bits, NUL, half surrogates, or too deep nesting."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        for part in level:
            _refuse_scalar(part)
        level = [child for part in level for child in _children(part)]
        if not level:
            return
    raise ValueError(f"nests more than {_MAX_DEPTH} deep")


def _children(value: object) -> list[Any]:
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
    """Whether a field's type, or the type inside its Optional, is annotated with the role."""
    inner = (m for part in get_args(annotation) for m in getattr(part, "__metadata__", ()))
    return Role(role) in [m for m in (*metadata, *inner) if isinstance(m, Role)]


def load_settings(
    model: type[S],
    job: str,
    config: Path | None,
    overrides: Iterable[str],
    options: Mapping[str, str | bool],
) -> S:
    """Build a job's settings; later sources win: base file, `config`, `options`, `overrides`.

    `options`: setting -> its text on the command line. `overrides`: `key=value` of `--set`,
    or a YAML map of settings.
    Raises SettingsError with all faults at once.
    """
    user_settings: dict[str, Any] = {} if config is None else read_yaml_map(config)
    for key, text in options.items():
        value = text if isinstance(text, bool) else _parse_option(model, key, text)
        user_settings = merge(user_settings, {key: value})
    for override in overrides:
        user_settings = merge(user_settings, _parse_override(model, override))
    try:
        return validate_settings(model, merge_over_base_settings(model, job, user_settings))
    except SettingsError as fault:
        raise SettingsError(f"{job}: {fault}") from None


def merge_over_base_settings(
    model: type[Settings], job: str, user_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The job's base settings, overridden by the user's."""
    base = base_settings(job)
    if any(user_settings.get(name) is not None for name in model.mutually_exclusive):
        base = {name: value for name, value in base.items() if name not in model.mutually_exclusive}
    return merge(base, user_settings)


def base_settings(job: str) -> dict[str, Any]:
    """The defaults of a job, the papers' values, from its file in conf/base."""
    base = conf_file("base", f"{job.replace('-', '_')}.yml")
    return read_yaml_map(base) if base.is_file() else {}


def validate_settings(model: type[S], values: Mapping[str, Any]) -> S:
    """Check `values` against the model; raise SettingsError with all faults."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        raise SettingsError("; ".join(fault_lines(fault, model))) from None


def fault_lines(fault: ValidationError, model: type[BaseModel]) -> list[str]:
    """All faults of a validation, a line each."""
    lines = (_shortened(_fault_line(error, model)) for error in fault.errors())
    return list(dict.fromkeys(lines))  # a union type reports the same fault once per member


def _shortened(line: str) -> str:
    """The line, with its middle cut out if it is too long because it repeats a long value."""
    if len(line) <= _MAX_FAULT_CHARACTERS:
        return line
    return f"{line[: _MAX_FAULT_CHARACTERS // 2]} ... {line[-_MAX_FAULT_CHARACTERS // 2 :]}"


def _parse_override(model: type[Settings], override: str) -> dict[str, Any]:
    if override.startswith("{"):
        return _parse_map(override)
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {shown(override)}: expected key=value or a map {{key: value}}")
    value = _parse_option(model, key, text)
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _parse_map(text: str) -> dict[str, Any]:
    """Parse a map of settings on the command line, such as `{t: 20000}`."""
    values = parse_yaml_value(text, f"--set {shown(text)}")
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise SettingsError(f"--set {shown(text)}: expected a map of settings, {{key: value}}")
    return values


def _parse_option(model: type[Settings], key: str, text: str) -> Any:
    """Parse a value of the command line as YAML, unless the setting is text.

    Text is taken literally, so that a uid of digits does not become a number; so are names with
    commas between them.
    """
    field = model.model_fields.get(key)
    if not text or (field is not None and _is_text(field.annotation)):
        return text
    if field is not None and _takes_names(field.annotation) and not text.startswith("["):
        return text
    return parse_yaml_value(text, f"{key}={shown(text, key)}")


def _is_text(annotation: Any) -> bool:
    """Whether a type is str, possibly annotated or optional."""
    parts = (getattr(part, "__origin__", part) for part in (annotation, *get_args(annotation)))
    return get_origin(annotation) in (None, Annotated, Union, UnionType) and str in parts


def _takes_names(annotation: Any) -> bool:
    """Whether a type is Names, possibly optional."""
    parts = (annotation, *get_args(annotation))
    return any(_names_as_list in getattr(part, "__metadata__", ()) for part in parts)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated with `over`; nested maps are merged recursively."""
    merged = dict(base)
    for key, value in over.items():
        base_value = merged.get(key)
        if isinstance(base_value, dict) and isinstance(value, Mapping):
            merged[key] = merge(base_value, value)
        else:
            merged[key] = value
    return merged


def _fault_line(error: ErrorDetails, model: type[BaseModel]) -> str:
    key, has_union_type = _key_of(error["loc"])
    message = fault_words(error)
    if has_union_type:
        message = "is of none of the types that this setting takes"
    elif error["type"] == "literal_error":
        message += did_you_mean(str(error["input"]), re.findall("'([^']+)'", message))
    if not key:
        return message
    if error["type"] == "extra_forbidden":
        is_top_level = len(error["loc"]) == 1
        suggestion = did_you_mean(key, model.model_fields) if is_top_level else ""
        return f"unknown setting {key!r}{suggestion}"
    if error["type"] == "missing":
        return f"setting {key!r} is missing"
    return f"setting {key!r} = {shown(error['input'], key)}: {message}"


def _key_of(location: Sequence[int | str]) -> tuple[str, bool]:
    """The key as the user wrote it, `rules.0.value`, and whether its type is a union.

    pydantic's location also contains the tag of a tagged union, which ours write as `<...>`, and
    the member of a union that it tried, such as `list[...]`.
    """
    parts: list[str] = []
    for part in map(str, location):
        if "[" in part:
            return ".".join(parts), True
        if not (part.startswith("<") and part.endswith(">")):
            parts.append(part)
    return ".".join(parts), False


def did_you_mean(name: str, valid_names: Iterable[str]) -> str:
    """`, did you mean 'x'?` with the most similar valid name; empty if none is similar."""
    similar = difflib.get_close_matches(name, list(valid_names), n=1)
    return f", did you mean {similar[0]!r}?" if similar else ""
