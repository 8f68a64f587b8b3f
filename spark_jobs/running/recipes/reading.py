"""Recipe files: a summary, variables, and named steps."""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spark_jobs.core.conf_files import conf_file, conf_file_names
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import did_you_mean, fault_lines
from spark_jobs.core.yaml_files import read_yaml_map


class Recipe(BaseModel):
    """The content of a recipe file.

    `variables`: name -> value, null if the user must set it. `steps`: name -> the job and its
    settings. `file`: the recipe's name in messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    summary: str
    variables: dict[str, Any] = Field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = Field(min_length=1)


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its path, or by its name if it comes with captionlake.

    Raises SettingsError with the file and all faults.
    """
    file = recipe_file(name)
    content = read_yaml_map(file)
    try:
        return Recipe.model_validate({"file": name} | content)
    except ValidationError as fault:
        raise SettingsError(f"{name}: " + "; ".join(fault_lines(fault, Recipe))) from None


def recipe_file(name: str) -> Path | Traversable:
    """The file of a recipe; SettingsError if there is no recipe of that name."""
    if "/" in name or name.endswith((".yml", ".yaml")):
        return Path(name)
    file = conf_file("recipes", f"{name}.yml")
    if not file.is_file():
        names = packaged_recipes()
        raise SettingsError(
            f"no recipe {name!r}{did_you_mean(name, names)}; there are {', '.join(names)}, "
            "or give a file"
        )
    return file


def packaged_recipes() -> list[str]:
    """The names of the recipes that come with captionlake."""
    return conf_file_names("recipes")
