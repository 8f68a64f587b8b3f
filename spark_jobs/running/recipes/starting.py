"""Copy a packaged recipe for a user to edit, and list the packaged recipes."""

from pathlib import Path

from spark_jobs.core.errors import SettingsError
from spark_jobs.running.recipes.reading import packaged_recipes, read_recipe, recipe_file


def write_recipe(name: str, output: Path | None) -> str:
    """Copy a recipe with its comments and return how to run it; never overwrites a file."""
    file = output or Path(f"{name}.yml")
    content = recipe_file(name).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as new_file:
            new_file.write(content)
    except FileExistsError:
        raise SettingsError(f"{file} is there already; give another --output") from None
    except OSError as fault:
        raise SettingsError(f"{file}: cannot be written ({fault.strerror})") from None
    required = [
        f" --set {v}=..." for v, value in read_recipe(name).variables.items() if value is None
    ]
    path = file if "/" in str(file) else f"./{file}"
    return f"wrote {path}; run it: captionlake run {path}{''.join(required)}"


def recipe_lines() -> list[str]:
    """A line for each packaged recipe, with its summary."""
    names = packaged_recipes()
    width = max(map(len, names))
    return [f"{name:<{width}}  {read_recipe(name).summary}" for name in names]
