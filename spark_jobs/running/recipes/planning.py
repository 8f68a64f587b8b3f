"""From a recipe to jobs with checked settings, in an order in which they can run."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from spark_jobs.core.addresses import join_address, parse_address, parse_parent
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import (
    RoleName,
    Settings,
    did_you_mean,
    merge,
    merge_over_base_settings,
    validate_settings,
)
from spark_jobs.running.job import Job
from spark_jobs.running.recipes.reading import Recipe
from spark_jobs.running.recipes.variables import fill_in
from spark_jobs.running.registry import all_jobs

OUTPUT = "output"  # the variable, and the setting, that say where tables go
_TABLE_NAME = re.compile(r"(?:(?:delta|parquet):)?[A-Za-z_]\w*")
_FILE_NAME = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class PlannedStep:
    """A step that can run. `needs`: the steps whose tables it reads."""

    name: str
    job: Job[Any]
    settings: Settings
    depends_on: tuple[str, ...] = ()


@dataclass
class _Draft:
    """A recipe with its changes, and what has turned out to be wrong with it so far."""

    recipe: Recipe
    variables: dict[str, Any]
    steps: dict[str, dict[str, Any]]
    faults: list[str] = field(default_factory=list)

    def stop_on_faults(self) -> None:
        if self.faults:
            raise SettingsError(f"{self.recipe.file}: " + "; ".join(self.faults))


def plan_steps(
    recipe: Recipe, changes: Mapping[str, Any], workspace: str | None = None
) -> list[PlannedStep]:
    """Check every step's settings and put the steps in order: each after those it reads from.

    A bare word where a table is wanted is a table of this recipe: it lies in the folder or
    catalog.schema that the variable `output` names, and some step writes it. A step's own output
    is called as the step where it says nothing else. `changes`: variable -> value, and step ->
    setting -> value, over what the file says. Raises SettingsError with every fault, each with its
    step.
    """
    draft = _apply(recipe, changes)
    tables = _table_names(draft)
    planned = [_settle(draft, name, tables, workspace) for name in draft.steps]
    draft.stop_on_faults()
    return _in_order(recipe, [step for step in planned if step is not None])


def select_steps(
    steps: list[PlannedStep], first: str | None, only: str | None
) -> list[PlannedStep]:
    """The step `only`, or `first` and all that follow from it, or every step."""
    for wanted in (first, only):
        names = [step.name for step in steps]
        if wanted is not None and wanted not in names:
            raise SettingsError(f"there is no step {wanted!r}{did_you_mean(wanted, names)}")
    if only is not None:
        return [step for step in steps if step.name == only]
    if first is None:
        return steps
    chosen = {first}
    for step in steps:
        if chosen.intersection(step.depends_on):
            chosen.add(step.name)
    return [step for step in steps if step.name in chosen]


def _apply(recipe: Recipe, changes: Mapping[str, Any]) -> _Draft:
    draft = _Draft(recipe, dict(recipe.variables), dict(recipe.steps))
    both = sorted(recipe.variables.keys() & recipe.steps.keys())
    draft.faults += [f"{name!r} is both a variable and a step" for name in both]
    for name, value in changes.items():
        if name in draft.variables:
            draft.variables[name] = value
        elif name not in draft.steps:
            known = [*draft.variables, *draft.steps]
            draft.faults.append(f"there is no step or variable {name!r}{did_you_mean(name, known)}")
        elif not isinstance(value, Mapping):
            draft.faults.append(f"step {name}: expected --set {name}.<setting>=value")
        else:
            draft.steps[name] = merge(draft.steps[name], value)
    unusable = [
        f"step {name}: {fault}"
        for name, said in draft.steps.items()
        for fault in _faults_of_step(name, said)
    ]
    draft.faults += unusable
    if unusable:  # the other steps may need these, and would be blamed for it
        draft.stop_on_faults()
    return draft


def _faults_of_step(name: str, said: Mapping[str, Any]) -> Iterable[str]:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        yield "a step's name is made of letters, digits and _"
    known = {name for name, job in all_jobs().items() if isinstance(job, Job)}
    if "job" not in said:
        yield "has no job"
    elif said["job"] not in known:
        yield f"there is no job {said['job']!r}{did_you_mean(str(said['job']), known)}"


def _table_names(draft: _Draft) -> set[str]:
    """Every bare word that some step writes as a table."""
    words = set()
    for name, said in draft.steps.items():
        for key in _job(said).settings.names("output"):
            word = said.get(key, name if key == OUTPUT else None)
            if isinstance(word, str) and _TABLE_NAME.fullmatch(word):
                words.add(word)
    return words


def _settle(
    draft: _Draft, name: str, tables: set[str], workspace: str | None
) -> PlannedStep | None:
    """Variables filled in, bare words made addresses, settings checked."""
    said = dict(draft.steps[name])
    job = _job(said)
    del said["job"]
    try:
        if OUTPUT in job.settings.names("output"):
            said.setdefault(OUTPUT, name)
        filled = {}
        for key, value in said.items():
            filled[key] = _placed(draft, job.settings, key, fill_in(value, draft.variables), tables)
        if "workspace" not in filled:
            filled["workspace"] = workspace or _parent(draft)
        settings = validate_settings(
            job.settings, merge_over_base_settings(job.settings, job.name, filled)
        )
    except ValueError as fault:
        draft.faults.append(f"step {name}: {fault}")
        return None
    return PlannedStep(name, job, settings)


def _placed(draft: _Draft, model: type[Settings], key: str, value: Any, tables: set[str]) -> Any:
    """A bare word as the address of a table of the recipe, or of a file beside the tables."""
    roles: tuple[RoleName, ...] = ("input", "output", "file")
    role = next((role for role in roles if key in model.names(role)), None)
    if role == "input" and isinstance(value, list):
        return [_placed(draft, model, key, item, tables) for item in value]
    pattern = _FILE_NAME if role == "file" else _TABLE_NAME
    if role is None or not isinstance(value, str) or not pattern.fullmatch(value):
        return value
    if role == "input" and value not in tables:
        raise ValueError(
            f"{key}: no step writes {value!r}{did_you_mean(value, tables)}; a table from elsewhere "
            f"is a path or catalog.schema.table, such as './{value}'"
        )
    parent = _parent(draft)
    if role == "file" and "/" not in parent:
        raise ValueError(
            f"{key}: {value!r} is a file, and {parent} holds only tables: give a path, "
            f"--set <step>.{key}=/.../{value}"
        )
    prefix, colon, word = value.rpartition(":")
    return prefix + colon + join_address(parent, word)


def _parent(draft: _Draft) -> str:
    return parse_parent(str(fill_in(f"${{{OUTPUT}}}", draft.variables)))


def _job(said: Mapping[str, Any]) -> Job[Any]:
    job = all_jobs()[said["job"]]
    assert isinstance(job, Job)  # checked with the steps
    return job


def _in_order(recipe: Recipe, steps: list[PlannedStep]) -> list[PlannedStep]:
    """Steps after all that they need, else in the order of the file."""
    writers = _writers(recipe, steps)
    needs = {step.name: _needs(step, writers) for step in steps}
    try:
        TopologicalSorter({name: sorted(of) for name, of in needs.items()}).prepare()
    except CycleError as fault:
        cycle = " -> ".join(fault.args[1])
        raise SettingsError(f"{recipe.file}: steps need each other: {cycle}") from None
    ordered: dict[str, PlannedStep] = {}
    while len(ordered) < len(steps):
        ready = (s for s in steps if s.name not in ordered and ordered.keys() >= needs[s.name])
        step = next(ready)
        ordered[step.name] = PlannedStep(
            step.name, step.job, step.settings, tuple(sorted(needs[step.name]))
        )
    return list(ordered.values())


def _writers(recipe: Recipe, steps: list[PlannedStep]) -> dict[str, str]:
    """Location -> the step that writes there."""
    writers: dict[str, str] = {}
    for step in steps:
        written = {**step.settings.addresses("output"), **step.settings.addresses("file")}
        for key, address in written.items():
            location = parse_address(address).location
            other = writers.setdefault(location, step.name)
            if other != step.name:
                raise SettingsError(
                    f"{recipe.file}: step {step.name}: {key} is {location}, which step {other} "
                    "writes too"
                )
    return writers


def _needs(step: PlannedStep, writers: Mapping[str, str]) -> set[str]:
    locations = [parse_address(a).location for a in step.settings.addresses("input").values()]
    return {writers[location] for location in locations if location in writers}
