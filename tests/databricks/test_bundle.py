"""conf/databricks: current, as the official package has it, and made of commands that parse."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume

from spark_jobs.cli import build_app
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.settings import merge
from spark_jobs.core.variables import variables_in
from spark_jobs.jobs.run import RunRecipe
from spark_jobs.running.databricks_bundle import bundle_files
from spark_jobs.running.recipes.planning import plan_steps
from spark_jobs.running.recipes.reading import packaged_recipes, read_recipe
from spark_jobs.running.registry import all_jobs

FOLDER = Path(__file__).parents[2] / "conf" / "databricks"
FILES = {path.stem: path for path in sorted(FOLDER.glob("resources/*/*.yml"))}
# For a person, and `run`: each recipe has a job of its own, with the clusters that its steps need.
WITHOUT_A_JOB = {"show", "explain", "diff", "run"}


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    return typer.main.get_command(build_app()).commands  # type: ignore[attr-defined,no-any-return]


def resources(path: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["resources"]  # type: ignore[no-any-return]


def databricks_yml() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "databricks.yml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_the_files_are_what_jobs_and_recipes_say() -> None:
    written = {
        str(path.relative_to(FOLDER / "resources")): path.read_text(encoding="utf-8")
        for path in FILES.values()
    }
    assert written == bundle_files(), "run `make bundle`"


def test_each_command_and_recipe_has_a_job() -> None:
    jobs = {name.replace("-", "_") for name in all_jobs().keys() - WITHOUT_A_JOB}
    assert set(FILES) == jobs | set(packaged_recipes())


def test_keys_of_resources_of_any_kind_differ() -> None:
    """The CLI refuses a key that stands twice, be it for a job and a schema."""
    keys = [key for path in FILES.values() for named in resources(path).values() for key in named]
    assert len(keys) == len(set(keys))
    assert len(FILES) == len(list(FOLDER.glob("resources/*/*.yml")))


@pytest.mark.parametrize("name", FILES)
def test_the_official_package_reads_each_resource(name: str) -> None:
    models: dict[str, Any] = {"jobs": Job, "schemas": Schema, "volumes": Volume}
    for kind, named in resources(FILES[name]).items():
        for content in named.values():
            assert models[kind].from_dict(content).as_dict() == content


def test_the_official_package_refuses_an_unknown_key() -> None:
    content = resources(FILES["curate"])["jobs"]["curate"]
    with pytest.raises(Exception, match="tsaks"):
        Job.from_dict({**content, "tsaks": content["tasks"]})


def test_variables_are_those_that_resources_name() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES.values())
    declared = databricks_yml()["variables"]
    assert set(re.findall(r"\$\{var\.(\w+)\}", text)) == set(declared)
    for target in databricks_yml()["targets"].values():
        assert set(target.get("variables", {})) <= set(declared)


@pytest.mark.parametrize("name", FILES)
def test_tasks_run_on_what_their_job_declares(name: str) -> None:
    [job] = resources(FILES[name])["jobs"].values()
    clusters = {cluster["job_cluster_key"] for cluster in job.get("job_clusters", [])}
    environments = {environment["environment_key"] for environment in job.get("environments", [])}
    used = [task.get("job_cluster_key") or task["environment_key"] for task in job["tasks"]]
    assert set(used) == clusters | environments
    keys = [task["task_key"] for task in job["tasks"]]
    for position, task in enumerate(job["tasks"]):
        assert {after["task_key"] for after in task.get("depends_on", [])} <= set(keys[:position])


@pytest.mark.parametrize("name", FILES)
def test_parameters_of_tasks_are_a_command_with_declared_parameters(
    name: str, commands: dict[str, Any]
) -> None:
    [job] = resources(FILES[name])["jobs"].values()
    declared = {parameter["name"] for parameter in job["parameters"]}
    for task in job["tasks"]:
        command, *arguments = task["python_wheel_task"]["parameters"]
        used = {
            n for text in arguments for n in re.findall(r"\{\{job\.parameters\.(\w+)\}\}", text)
        }
        assert used == declared
        commands[command].make_context(command, list(arguments))


@pytest.mark.parametrize("name", packaged_recipes())
def test_a_recipe_can_be_planned_in_a_catalog(name: str) -> None:
    """With what is not given by default filled in: plain files go to the recipe's volume, tables,
    those with a default beside files too, to its schema.
    """
    found = resources(FILES[name])
    [job] = found["jobs"].values()
    values = {p["name"]: p["default"] or "/Volumes/main/x/files/in" for p in job["parameters"]}
    values["output"] = f"main.captionlake_{name}"
    switched_on = {v: SWITCHED_ON.get(values[v], "true") for v in switches(name)}
    for task, further in itertools.product(
        job["tasks"], [{}, switched_on] if switched_on else [{}]
    ):
        arguments = task["python_wheel_task"]["parameters"][2:]
        settings = RunRecipe.model_validate(
            {"recipe": name, "only": arguments[1]} | settings_of(arguments[2:], values | further)
        )
        if not (steps := settings.chosen_steps()):  # left out, since its condition does not hold
            assert further != switched_on
            continue
        [step] = steps
        folders = step.settings.addresses("folder")
        files = step.settings.addresses("file") | folders
        assert all(location.startswith("/Volumes/") for location in files.values())
        tables = {k: a for k, a in step.settings.addresses("output").items() if k not in folders}
        tables["workspace"] = step.settings.workspace_address()
        assert not any(parse_address(address).is_path for address in tables.values())


# A default that is empty -> a value of its kind that is not.
SWITCHED_ON = {"{}": "{a: /x}", "[]": "[/x]"}


def switches(recipe: str) -> list[str]:
    """The variables in the conditions of a recipe's steps."""
    return variables_in([step.get("when", []) for step in read_recipe(recipe).steps.values()])


def test_a_step_that_is_left_out_by_default_has_a_task_too() -> None:
    """The variables of its condition are job parameters, so that a run may switch it on."""
    with_conditions = {name for name in packaged_recipes() if switches(name)}
    assert {"laionet", "retrieval_semantic", "retrieval_substring"} <= with_conditions
    for name in packaged_recipes():
        [job] = resources(FILES[name])["jobs"].values()
        assert {task["task_key"] for task in job["tasks"]} == read_recipe(name).steps.keys()
        assert set(switches(name)) <= {p["name"] for p in job["parameters"]}


@pytest.mark.parametrize("name", [name for name in packaged_recipes() if switches(name)])
def test_tasks_wait_for_what_they_read_whatever_is_switched_on(name: str) -> None:
    """A task after a step that is left out has waited for those before that step."""
    [job] = resources(FILES[name])["jobs"].values()
    before: dict[str, set[str]] = {}
    for task in job["tasks"]:
        after = {other["task_key"] for other in task.get("depends_on", [])}
        before[task["task_key"]] = after.union(*(before[key] for key in after))
    recipe, names = read_recipe(name), switches(name)
    needed = {key: "/in" for key, value in recipe.variables.items() if value is None}
    values = [
        (recipe.variables[key], ["/x"] if recipe.variables[key] == [] else {"x": "/x"})
        for key in names
    ]
    for chosen in itertools.product(*values):
        for step in plan_steps(recipe, needed | dict(zip(names, chosen, strict=True))):
            assert set(step.depends_on) <= before[step.name], (chosen, step.name)


def settings_of(arguments: list[str], values: dict[str, str]) -> dict[str, Any]:
    """What `--set` arguments say, with job parameters and the schema's name filled in."""
    settings: dict[str, Any] = {}
    for flag, text in zip(arguments[::2], arguments[1::2], strict=True):
        assert flag == "--set"
        filled = re.sub(r"\{\{job\.parameters\.(\w+)\}\}", lambda m: values[m[1]], text)
        filled = re.sub(r"\$\{[^}]*\}", "main", filled)
        if filled != "{}":
            key, _, value = filled.partition("=")
            inner: Any = yaml.safe_load(value)
            for part in reversed(key.split(".")):
                inner = {part: inner}
            settings = merge(settings, inner)
    return settings


def names_of_parameters(words: str) -> set[str]:
    """Those of `--params a=1,b=2` and, behind `--`, of `--a=1 --b=2`."""
    before, _, behind = words.partition(" -- ")
    in_list = re.findall(r"--params (\S+)", before)
    return {pair.partition("=")[0] for text in in_list for pair in text.split(",")} | set(
        re.findall(r"--(\w+)=", behind)
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (" --target dev --params a=1,b=2", {"a", "b"}),
        (" --target dev -- --a=1 --b='{t: 5, s: 1}'", {"a", "b"}),
        (" -- --settings='{t: 5}'", {"settings"}),
        ("", set()),
    ],
)
def test_both_forms_of_parameters_are_read(words: str, names: set[str]) -> None:
    assert names_of_parameters(words) == names


def test_the_page_names_the_oldest_cli() -> None:
    """The first with lifecycle.prevent_destroy, which the schemas and volumes have."""
    oldest = databricks_yml()["bundle"]["databricks_cli_version"]
    version = re.fullmatch(r">= (\d+\.\d+\.\d+)", oldest)
    assert version
    assert f"{version[1]} or newer" in (FOLDER.parents[1] / "docs/deploying.md").read_text()


def test_documented_commands_name_jobs_parameters_and_variables() -> None:
    page = (FOLDER.parents[1] / "docs" / "deploying.md").read_text(encoding="utf-8")
    for text in (page, (FOLDER / "databricks.yml").read_text(encoding="utf-8")):
        text = re.sub(r"\\\n", " ", text)
        commands = re.findall(r"bundle run (\w+)(.*)", text)
        for name, words in commands:
            [job] = resources(FILES[name])["jobs"].values()
            given = names_of_parameters(words)
            assert given <= {p["name"] for p in job["parameters"]}
            assert given >= {p["name"] for p in job["parameters"] if not p["default"]}, name
        assert commands
    assert set(re.findall(r"--var (\w+)=", page)) <= set(databricks_yml()["variables"])
    assert set(re.findall(r"--target (\w+)", page)) == set(databricks_yml()["targets"])


def test_the_wheel_has_all_of_conf_but_the_bundle() -> None:
    """And so no wheels of an earlier deployment."""
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    folders = {path.name for path in FOLDER.parent.iterdir() if path.is_dir()} - {FOLDER.name}
    assert included == {f"conf/{name}": f"spark_jobs/conf/{name}" for name in folders}


def test_tasks_install_the_wheel_that_is_built() -> None:
    """Paths are relative to the file that names them; the wheel lies in the bundle's folder."""
    [built] = databricks_yml()["artifacts"].values()
    assert "--outdir dist" in built["build"]
    for path in FILES.values():
        wheels = re.findall(r"\S+\.whl", path.read_text(encoding="utf-8"))
        assert {(path.parent / wheel).resolve() for wheel in wheels} == {FOLDER / "dist" / "*.whl"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("curate", "serverless"), ("label_synsets", "serverless"), ("read_images", "cpu")),
        *(("build_index", "cpu"), ("search_neighbours", "cpu"), ("embed_texts", "gpu")),
    ],
)
def test_a_command_runs_where_it_can(name: str, kind: str) -> None:
    [job] = resources(FILES[name])["jobs"].values()
    [task] = job["tasks"]
    assert (task.get("job_cluster_key") or task["environment_key"]) == kind


def test_steps_with_models_run_on_gpus_one_at_a_time_each() -> None:
    [job] = resources(FILES["laionet"])["jobs"].values()
    clusters = {task["task_key"]: task["job_cluster_key"] for task in job["tasks"]}
    assert [key for key, cluster in clusters.items() if cluster == "gpu"] == ["scored_captions"]
    [gpu] = [c["new_cluster"] for c in job["job_clusters"] if c["job_cluster_key"] == "gpu"]
    assert gpu["spark_conf"] == {"spark.task.resource.gpu.amount": "1"}


def test_what_a_command_needs_is_installed() -> None:
    """faiss on a cluster, the names of ImageNet's classes on serverless compute."""
    [index] = resources(FILES["build_index"])["jobs"].values()
    [labels] = resources(FILES["label_synsets"])["jobs"].values()
    [curate] = resources(FILES["curate"])["jobs"].values()
    libraries = [library.get("pypi", {}) for library in index["tasks"][0]["libraries"]]
    assert any(package.get("package", "").startswith("faiss-cpu") for package in libraries)
    assert any(p.startswith("timm") for p in labels["environments"][0]["spec"]["dependencies"])
    assert len(curate["environments"][0]["spec"]["dependencies"]) == 1
    [download] = resources(FILES["download_images"])["jobs"].values()
    [laionet] = resources(FILES["laionet"])["jobs"].values()
    [step] = [task for task in laionet["tasks"] if task["task_key"] == "image_shards"]
    for task in (*download["tasks"], step):
        names = [library.get("pypi", {}).get("package", "") for library in task["libraries"]]
        assert any(name.startswith("img2dataset") for name in names)
        assert any(name.startswith("opencv") for name in names)


def test_tables_beside_files_are_given_by_name() -> None:
    """By default the ledger and the table runs would lie in the volume of the files."""
    [job] = resources(FILES["download_images"])["jobs"].values()
    assert {"downloads", "workspace"} <= {p["name"] for p in job["parameters"]}
    [job] = resources(FILES["export_captions"])["jobs"].values()
    assert "workspace" in {p["name"] for p in job["parameters"]}
    [job] = resources(FILES["filter_captions"])["jobs"].values()
    assert "workspace" not in {p["name"] for p in job["parameters"]}
