"""The commands that platforms are compared by leave out no job without a reason."""

from pathlib import Path

from spark_jobs.running.recipes.reading import read_recipe
from spark_jobs.running.registry import all_jobs
from tests.platforms.workload import Place, other_jobs, recipes

OF_CURATE = {"ingest-captions", "balance-captions"}
NOT_RUN = {
    "count-concepts": "needs the files of WordNet, which are not everywhere",
    "demo": "a recipe of jobs that the others run",
}


def test_each_job_runs_on_each_platform_or_is_named_here() -> None:
    commands = recipes(Path(), Path(), Path())
    of_recipes = {
        step["job"]
        for command, name, *_ in commands.values()
        if command == "run"
        for step in read_recipe(name).steps.values()
        if "when" not in step
    }
    covered = {"run", "curate"} | OF_CURATE | of_recipes | other_jobs(Path(), Place(Path())).keys()
    assert all_jobs().keys() - covered == NOT_RUN.keys()
