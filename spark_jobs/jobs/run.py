"""run: run a recipe's steps, each unless it is up to date."""

from collections.abc import Iterator
from typing import Self

from pydantic import ConfigDict, Field, model_validator
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import CurationError, InputDataError
from spark_jobs.core.settings import Settings, refuse_both
from spark_jobs.running.job import Pipeline, Step
from spark_jobs.running.recipes.planning import (
    WHEN,
    PlannedStep,
    left_out_steps,
    plan_steps,
    select_steps,
)
from spark_jobs.running.recipes.reading import read_recipe
from spark_jobs.storage.outputs.checks import check_outputs_ahead
from spark_jobs.storage.table_states import input_version


class RunRecipe(Settings):
    """Settings of run; all others are variables and steps of the recipe."""

    model_config = ConfigDict(extra="allow")

    recipe: str = Field(description="a recipe file, or the name of one that comes along")
    first: str | None = Field(
        None, alias="from", description="run only this step and those that follow from it"
    )
    only: str | None = Field(None, description="run only this step")
    dry_run: bool = Field(False, description="only tell which steps would run, and why")

    @model_validator(mode="after")
    def _can_be_planned(self) -> Self:
        """Raise all faults of the recipe before a Spark session starts."""
        refuse_both({"--from": self.first, "--only": self.only})
        self.chosen_steps()
        return self

    def chosen_steps(self) -> list[PlannedStep]:
        """The steps to run, in order."""
        recipe, changes = read_recipe(self.recipe), self.model_extra or {}
        return select_steps(
            plan_steps(recipe, changes, self.workspace),
            self.first,
            self.only,
            left_out_steps(recipe, changes),
        )

    def look_ahead(self) -> None:
        """Look at the inputs of the steps that read no table of the recipe."""
        for step in self.chosen_steps():
            if step.depends_on:
                continue
            try:
                step.settings.look_ahead()
            except CurationError as fault:
                how = f" (here as --set {step.name}.preset=...)" if "--preset" in str(fault) else ""
                raise type(fault)(f"{self.recipe}: step {step.name}: {fault}{how}") from None


def steps(spark: SparkSession, settings: RunRecipe) -> Iterator[Step]:
    """The recipe's steps; fails before the first if an input is missing or an output in the way."""
    chosen_steps = settings.chosen_steps()
    _refuse_missing_inputs(spark, settings.recipe, chosen_steps)
    check_outputs_ahead(spark, (step.settings for step in chosen_steps))
    for position, step in enumerate(chosen_steps, start=1):
        place = f"[{position}/{len(chosen_steps)}]"
        yield Step(step.job, step.settings, step.name, place, step.depends_on, settings.dry_run)


def _refuse_missing_inputs(
    spark: SparkSession, recipe: str, chosen_steps: list[PlannedStep]
) -> None:
    written_locations = {
        parse_address(address).location
        for step in chosen_steps
        for address in step.settings.addresses("output").values()
    }
    for step in chosen_steps:
        for key, address in step.settings.addresses("input").items():
            if parse_address(address).location in written_locations:
                continue
            try:
                input_version(spark, address)
            except InputDataError as fault:
                raise InputDataError(f"{recipe}: step {step.name}: {key}: {fault}") from None


def closing_lines(_spark: SparkSession, settings: RunRecipe) -> list[str]:
    """That nothing has run, where the one step that was asked for is left out."""
    recipe, name = read_recipe(settings.recipe), settings.only
    if name is None or name not in left_out_steps(recipe, settings.model_extra or {}):
        return []
    condition = (recipe.steps[name] | (settings.model_extra or {}).get(name, {}))[WHEN]
    named = " and ".join(map(str, condition if isinstance(condition, list) else [condition]))
    return [f"{name}: left out: its `{WHEN}` is {named}, which is false or empty"]


JOB = Pipeline(
    "run",
    "Run the steps of a recipe (a pipeline in a YAML file) that are not up to date.",
    RunRecipe,
    steps,
    closing_lines=closing_lines,
    arguments=("recipe",),
    example="captionlake run metaclip.yml --set input=./pairs --set bank=metadata.json",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
