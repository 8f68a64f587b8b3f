"""Named lists of rules, `conf/filters/NAME.yml`, which stand for their rules in a list of rules."""

from collections.abc import Iterable, Mapping
from itertools import count
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
    already is left out, so that two presets may share one; one that is called as another gets a
    number, `clip_score_2`. In a rule any_of, the rules of a preset stay together, as one all_of.
    Raises ValueError for an unknown preset or value, and for a value that is missing.
    """
    if isinstance(rules, str):
        rules = [rules]
    if not isinstance(rules, list):
        return rules
    distinct: list[Any] = []
    as_written: list[Any] = []
    for rule in rules:
        of_preset = _of_preset(rule)
        if of_preset is None:
            distinct.append(_with_nested(rule))
            as_written.append(distinct[-1])
            continue
        for part in of_preset[1]:
            if part not in as_written:
                distinct.append({**part, "rule": _free_name(part["rule"], distinct)})
                as_written.append(part)
    return distinct


def _with_nested(rule: Any) -> Any:
    """A rule with the presets in its own list of rules expanded."""
    if not isinstance(rule, dict):
        return rule
    nested = dict(rule)
    if "all_of" in rule:
        nested["all_of"] = expanded(rule["all_of"])
    if "any_of" in rule:
        nested["any_of"] = _each_as_one(rule["any_of"])
    return nested


def _each_as_one(rules: Any) -> Any:
    """A list of rules with each preset as one rule, which all of its rules must pass."""
    if isinstance(rules, str):
        rules = [rules]
    if not isinstance(rules, list):
        return rules
    alternatives = []
    for rule in rules:
        of_preset = _of_preset(rule)
        if of_preset is None:
            alternatives.append(_with_nested(rule))
        else:
            name, parts = of_preset
            alternatives.append(parts[0] if len(parts) == 1 else {"rule": name, "all_of": parts})
    return alternatives


def _free_name(name: str, rules: Iterable[Any]) -> str:
    """The name, or with the first number from 2 on that no rule is called by."""
    taken = {rule.get("rule") for rule in rules if isinstance(rule, dict)}
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(new for new in numbered if new not in taken)


def _of_preset(rule: Any) -> tuple[str, list[Any]] | None:
    """The name and rules of a preset; None if the rule is one of its own."""
    if isinstance(rule, str):
        return rule, _rules_of(rule, {})
    if isinstance(rule, dict) and "preset" in rule:
        name = str(rule["preset"])
        return name, _rules_of(name, {key: rule[key] for key in rule if key != "preset"})
    return None


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
