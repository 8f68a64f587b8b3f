"""A recipe of one's own, from one that comes along."""

from pathlib import Path

from spark_jobs.core.errors import SettingsError
from spark_jobs.running.recipes.reading import packaged_recipes, read_recipe, recipe_file


def write_recipe(name: str, output: Path | None) -> str:
    """Copy a recipe, comments and all, and say how to run it; an existing file is left alone."""
    file = output or Path(f"{name}.yml")
    content = recipe_file(name).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(content)
    except FileExistsError:
        raise SettingsError(f"{file} is there already; give another --output") from None
    except OSError as fault:
        raise SettingsError(f"{file}: cannot be written ({fault.strerror})") from None
    missing = [
        f" --set {v}=..." for v, value in read_recipe(name).variables.items() if value is None
    ]
    place = file if "/" in str(file) else f"./{file}"
    return f"wrote {place}; run it: captionlake run {place}{''.join(missing)}"


def recipe_lines() -> list[str]:
    """Each recipe that comes along, with its summary."""
    names = packaged_recipes()
    width = max(map(len, names))
    return [f"{name:<{width}}  {read_recipe(name).summary}" for name in names]
