"""Named lists of rules, `conf/filters/NAME.yml`, which stand for their rules in a list of rules."""

from collections.abc import Iterator, Mapping
from typing import Any

from spark_jobs.core.conf_files import conf_file, conf_file_names
from spark_jobs.core.settings import did_you_mean
from spark_jobs.core.variables import fill_in
from spark_jobs.core.yaml_files import read_yaml_map

_FOLDER = "filters"


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return conf_file_names(_FOLDER)


def read_preset(name: str) -> dict[str, Any]:
    """A preset: its `summary`, `values` (name -> default, None if it must be given) and `rules`.

    Raises ValueError, which lists the presets, if there is none of this name.
    """
    if name not in preset_names():
        raise ValueError(
            f"there is no preset {name!r}{did_you_mean(name, preset_names())}: "
            f"there are {', '.join(preset_names())}"
        )
    return read_yaml_map(conf_file(_FOLDER, f"{name}.yml"))


def expanded(rules: Any) -> Any:
    """A list of rules with the rules of each preset in its place; what is no list stays as it is.

    A preset is a text, its name, or a map: `{preset: name, value: ...}`. A rule that is there
    already is left out, so that two presets may share one. Raises ValueError for an unknown preset
    or value, and for a value that is missing.
    """
    if isinstance(rules, str):
        rules = [rules]
    if not isinstance(rules, list):
        return rules
    distinct: list[Any] = []
    for rule, is_of_preset in _expanded(rules):
        if not (is_of_preset and rule in distinct):
            distinct.append(rule)
    return distinct


def _expanded(rules: list[Any]) -> Iterator[tuple[Any, bool]]:
    """Each rule, and whether it is of a preset."""
    for rule in rules:
        if isinstance(rule, str):
            yield from ((part, True) for part in _rules_of(rule, {}))
        elif isinstance(rule, dict) and "preset" in rule:
            values = {key: value for key, value in rule.items() if key != "preset"}
            yield from ((part, True) for part in _rules_of(str(rule["preset"]), values))
        elif isinstance(rule, dict):
            nested = {k: expanded(v) if k in ("all_of", "any_of") else v for k, v in rule.items()}
            yield nested, False
        else:
            yield rule, False


def _rules_of(name: str, values: Mapping[str, Any]) -> list[Any]:
    preset = read_preset(name)
    defaults = preset.get("values", {})
    unknown = [value for value in values if value not in defaults]
    if unknown:
        takes = f"it takes {', '.join(defaults)}" if defaults else "it takes none"
        raise ValueError(f"preset {name!r} has no value {unknown[0]!r}; {takes}")
    filled = {**defaults, **values}
    missing = [value for value in filled if filled[value] is None]
    if missing:
        raise ValueError(
            f"preset {name!r} needs {', '.join(missing)}: write "
            f"{{preset: {name}, {', '.join(f'{value}: ...' for value in missing)}}}"
        )
    return list(expanded(fill_in(preset["rules"], filled)))
