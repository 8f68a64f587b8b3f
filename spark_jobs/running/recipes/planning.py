"""Turn a recipe into jobs with checked settings, ordered by their dependencies."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, get_origin

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
from spark_jobs.core.variables import fill_in, is_variable
from spark_jobs.running.job import Job
from spark_jobs.running.recipes.reading import Recipe
from spark_jobs.running.registry import all_jobs

# Key of a step, which is left out where the value, or one of a list of values, is false or empty.
WHEN = "when"
# {first_of: [a, b]}: the first of these tables that a step writes, else the last, maybe ${variable}
FIRST_OF = "first_of"
# {table: a}, in a rule or a map: the address of this table of the recipe.
TABLE = "table"
OUTPUT = "output"  # name of the variable, and of the setting, for where tables are written
_TABLE_NAME = re.compile(r"(?:(?:delta|parquet):)?[A-Za-z_]\w*")
_FILE_NAME = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class PlannedStep:
    """A step with checked settings. `depends_on`: names of the steps whose tables it reads."""

    name: str
    job: Job[Any]
    settings: Settings
    depends_on: tuple[str, ...] = ()


@dataclass
class _Draft:
    """A recipe with the user's changes, and the faults seen so far.

    `left_out`: the steps whose condition does not hold.
    """

    recipe: Recipe
    variables: dict[str, Any]
    steps: dict[str, dict[str, Any]]
    left_out: frozenset[str] = frozenset()
    faults: list[str] = field(default_factory=list)

    def raise_faults(self) -> None:
        if self.faults:
            raise SettingsError(f"{self.recipe.file}: " + "; ".join(self.faults))


def plan_steps(
    recipe: Recipe, changes: Mapping[str, Any], workspace: str | None = None
) -> list[PlannedStep]:
    """Check all steps' settings and order the steps: each after those whose tables it reads.

    In place of a table's address a bare word names a table that a step of the recipe writes, in
    the folder or catalog.schema of the variable `output`; the value of a variable is an address as
    on the command line. By default a step's output has the step's name. `changes`: variable ->
    value, and step -> setting -> value, override the file. Raises SettingsError with all faults,
    each with its step.
    """
    draft = _apply_changes(recipe, changes)
    draft.steps = {name: step for name, step in draft.steps.items() if name not in draft.left_out}
    tables = _written_tables(draft)
    planned = [_plan_step(draft, name, tables, workspace) for name in draft.steps]
    draft.raise_faults()
    return _order_by_dependency(recipe, [step for step in planned if step is not None])


def left_out_steps(recipe: Recipe, changes: Mapping[str, Any]) -> frozenset[str]:
    """The steps whose `when` does not hold, which `plan_steps` leaves out."""
    return _apply_changes(recipe, changes).left_out


def select_steps(
    steps: list[PlannedStep],
    first: str | None,
    only: str | None,
    left_out: frozenset[str] = frozenset(),
) -> list[PlannedStep]:
    """The step `only`; or `first` and all steps that depend on it; or all steps.

    None if `only` is one of those left out, so that a scheduler may start each step of a recipe.
    """
    if only in left_out:
        return []
    for name in (first, only):
        names = [step.name for step in steps]
        if name is not None and name not in names:
            raise SettingsError(f"there is no step {name!r}{did_you_mean(name, names)}")
    if only is not None:
        return [step for step in steps if step.name == only]
    if first is None:
        return steps
    selected = {first}
    for step in steps:
        if selected.intersection(step.depends_on):
            selected.add(step.name)
    return [step for step in steps if step.name in selected]


def _apply_changes(recipe: Recipe, changes: Mapping[str, Any]) -> _Draft:
    draft = _Draft(recipe, dict(recipe.variables), dict(recipe.steps))
    both = sorted(recipe.variables.keys() & recipe.steps.keys())
    draft.faults += [f"{name!r} is both a variable and a step" for name in both]
    for name, value in changes.items():
        if name in draft.variables:
            draft.variables[name] = value
        elif name not in draft.steps:
            names = [*draft.variables, *draft.steps]
            draft.faults.append(f"there is no step or variable {name!r}{did_you_mean(name, names)}")
        elif not isinstance(value, Mapping):
            draft.faults.append(f"step {name}: expected --set {name}.<setting>=value")
        else:
            draft.steps[name] = merge(draft.steps[name], value)
    step_faults = [
        f"step {name}: {fault}"
        for name, step in draft.steps.items()
        for fault in _step_faults(name, step)
    ]
    draft.faults += step_faults
    if step_faults:  # else steps that read the tables of these would get misleading faults
        draft.raise_faults()
    draft.left_out = frozenset(
        name for name, step in draft.steps.items() if not _is_wanted(draft, name, step)
    )
    draft.steps = {
        name: {key: value for key, value in step.items() if key != WHEN}
        for name, step in draft.steps.items()
    }
    return draft


def _is_wanted(draft: _Draft, name: str, step: Mapping[str, Any]) -> bool:
    try:
        conditions = fill_in(step.get(WHEN, True), draft.variables)
        return all(conditions if isinstance(conditions, list) and conditions else [conditions])
    except ValueError as fault:
        draft.faults.append(f"step {name}: {WHEN}: {fault}")
        return True


def _step_faults(name: str, step: Mapping[str, Any]) -> Iterable[str]:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        yield "a step's name is made of letters, digits and _"
    job_names = {name for name, job in all_jobs().items() if isinstance(job, Job)}
    if "job" not in step:
        yield "has no job"
    elif step["job"] not in job_names:
        yield f"there is no job {step['job']!r}{did_you_mean(str(step['job']), job_names)}"


def _written_tables(draft: _Draft) -> dict[str, str]:
    """Bare word that names an output of a step -> the output as the step has it.

    An output that lies elsewhere has its step's name.
    """
    tables, elsewhere = {}, {}
    for step_name, step in draft.steps.items():
        for key in _job_of(step).settings.names_with_role("output"):
            table = step.get(key, step_name if key == OUTPUT else None)
            if isinstance(table, str) and _TABLE_NAME.fullmatch(table):
                tables[table] = table
            elif isinstance(table, str) and key == OUTPUT:
                elsewhere[step_name] = table
    return elsewhere | tables


def _plan_step(
    draft: _Draft, name: str, tables: Mapping[str, str], workspace: str | None
) -> PlannedStep | None:
    """Substitute variables, turn bare words into addresses and check the settings of a step.

    None if there are faults, which are added to the draft.
    """
    values = dict(draft.steps[name])
    job = _job_of(values)
    del values["job"]
    try:
        if OUTPUT in job.settings.names_with_role("output"):
            values.setdefault(OUTPUT, name)
        resolved = {
            key: _resolve(draft, job.settings, key, value, tables) for key, value in values.items()
        }
        if "workspace" not in resolved:
            resolved["workspace"] = workspace or _parent(draft)
        settings = validate_settings(
            job.settings, merge_over_base_settings(job.settings, job.name, resolved)
        )
    except ValueError as fault:
        draft.faults.append(f"step {name}: {fault}")
        return None
    return PlannedStep(name, job, settings)


def _resolve(
    draft: _Draft, model: type[Settings], key: str, value: Any, tables: Mapping[str, str]
) -> Any:
    """The value with variables filled in and bare words made addresses of the recipe's tables.

    The value of a variable is taken as it is.
    """
    if is_variable(value):
        return fill_in(value, draft.variables)
    is_input = key in model.names_with_role("input")
    if is_input and _is_choice(value):
        return _resolve(draft, model, key, _first_of(key, value, tables), tables)
    if isinstance(value, list) and is_input:
        return [_resolve(draft, model, key, item, tables) for item in value]
    # A map in the place of one address is a fault, whose message must not show its values.
    if (
        isinstance(value, dict)
        and is_input
        and get_origin(model.model_fields[key].annotation) is dict
    ):
        return {name: _resolve(draft, model, key, item, tables) for name, item in value.items()}
    if not is_input:
        value = _with_tables(draft, key, value, tables)
    return _resolve_word(draft, model, key, fill_in(value, draft.variables), tables)


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and [*value] == [FIRST_OF]


def _first_of(key: str, value: Mapping[str, Any], tables: Mapping[str, str]) -> Any:
    """What `{first_of: [...]}` stands for."""
    choices = value[FIRST_OF]
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"{key}: {FIRST_OF}: expected a list of tables")
    return next((name for name in choices if name in tables), choices[-1])


def _with_tables(draft: _Draft, key: str, value: Any, tables: Mapping[str, str]) -> Any:
    """The value, with an address for each `{table: name}` in it, such as that of a rule.

    `{first_of: [a, b]}` in it is the address of the first that a step writes, else the last as it
    is, such as a variable, or null.
    """
    if isinstance(value, list):
        return [_with_tables(draft, key, item, tables) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_choice(value):
        first = _first_of(key, value, tables)
        return _table_address(draft, key, first, tables) if first in tables else first
    if [*value] == [TABLE] and isinstance(value[TABLE], str):
        return _table_address(draft, key, value[TABLE], tables)
    return {name: _with_tables(draft, key, item, tables) for name, item in value.items()}


def _table_address(draft: _Draft, key: str, word: str, tables: Mapping[str, str]) -> str:
    """The address of a table that a step writes; ValueError if none does."""
    if word not in tables:
        raise ValueError(
            f"{key}: no step writes {word!r}{did_you_mean(word, tables)}; a table from elsewhere "
            f"is a path or catalog.schema.table, such as './{word}'"
        )
    if tables[word] != word:
        return str(fill_in(tables[word], draft.variables))
    prefix, colon, name = word.rpartition(":")
    return prefix + colon + join_address(_parent(draft), name)


def _resolve_word(
    draft: _Draft, model: type[Settings], key: str, value: Any, tables: Mapping[str, str]
) -> Any:
    """The value, or for a bare word the address of a table or file of the recipe."""
    roles: tuple[RoleName, ...] = ("input", "output", "file")
    role = next((role for role in roles if key in model.names_with_role(role)), None)
    pattern = _FILE_NAME if role == "file" else _TABLE_NAME
    if role is None or not isinstance(value, str) or not pattern.fullmatch(value):
        return value
    if role == "input":
        return _table_address(draft, key, value, tables)
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


def _job_of(step: Mapping[str, Any]) -> Job[Any]:
    job = all_jobs()[step["job"]]
    assert isinstance(job, Job)  # checked by _step_faults
    return job


def _order_by_dependency(recipe: Recipe, steps: list[PlannedStep]) -> list[PlannedStep]:
    """Each step after those that it depends on, otherwise in the order of the file."""
    writers = _writers(recipe, steps)
    dependencies = {step.name: _dependencies(step, writers) for step in steps}
    try:
        TopologicalSorter({name: sorted(of) for name, of in dependencies.items()}).prepare()
    except CycleError as fault:
        cycle = " -> ".join(fault.args[1])
        raise SettingsError(f"{recipe.file}: steps need each other: {cycle}") from None
    ordered: dict[str, PlannedStep] = {}
    while len(ordered) < len(steps):
        step = next(
            step
            for step in steps
            if step.name not in ordered and ordered.keys() >= dependencies[step.name]
        )
        ordered[step.name] = replace(step, depends_on=tuple(sorted(dependencies[step.name])))
    return list(ordered.values())


def _writers(recipe: Recipe, steps: list[PlannedStep]) -> dict[str, str]:
    """Location -> name of the step that writes it; SettingsError if two steps write one."""
    writers: dict[str, str] = {}
    for step in steps:
        outputs = {**step.settings.addresses("output"), **step.settings.addresses("file")}
        for key, address in outputs.items():
            location = parse_address(address).location
            other = writers.setdefault(location, step.name)
            if other != step.name:
                raise SettingsError(
                    f"{recipe.file}: step {step.name}: {key} is {location}, which step {other} "
                    "writes too"
                )
    return writers


def _dependencies(step: PlannedStep, writers: Mapping[str, str]) -> set[str]:
    inputs = [*step.settings.addresses("input").values(), *step.settings.further_inputs()]
    locations = [parse_address(address).location for address in inputs]
    return {writers[location] for location in locations if location in writers}
