"""The jobs and recipes as resources of a Databricks asset bundle: conf/databricks/resources.

`make bundle` writes the files. Only this module needs `databricks-bundles`, which has their types.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from databricks.bundles.core import Resource, Variable, variables
from databricks.bundles.jobs import (
    AutoScale,
    ClusterSpec,
    DataSecurityMode,
    Environment,
    Job,
    JobCluster,
    JobEnvironment,
    JobParameterDefinition,
    Library,
    PythonPyPiLibrary,
    PythonWheelTask,
    QueueSettings,
    Task,
    TaskDependency,
)
from databricks.bundles.schemas import Lifecycle as SchemaLifecycle
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Lifecycle as VolumeLifecycle
from databricks.bundles.volumes import Volume, VolumeType

from spark_jobs.captioning.caption_model_settings import CaptionModelSettings
from spark_jobs.core.settings import Settings, base_settings
from spark_jobs.core.variables import variables_in
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.running.job import AnyJob, Pipeline
from spark_jobs.running.recipes.planning import OUTPUT, WHEN, PlannedStep, plan_steps
from spark_jobs.running.recipes.reading import Recipe, packaged_recipes, read_recipe
from spark_jobs.running.registry import TOPICS, all_jobs

Compute = Literal["serverless", "cpu", "gpu"]

PACKAGE = "captionlake"
_WHEEL = "../../dist/*.whl"  # from the folder of a resource's file
_HEAD = "# Written by `make bundle` from the {source}: change that, not this file.\n"
_FILES = "files"  # the volume of plain files in each schema
_SETTINGS = "settings"  # job parameter: a map of further settings
_TRAINING = {"train-sentences", "train-clip", "compare-clip"}
# Job -> the extras of the wheel that its defaults need; jobs with models need `clip` too. It brings
# faiss, and with timm and open_clip the names of ImageNet's classes and the templates of prompts.
_CLIP = ("clip",)
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "build-concept-bank": ("clip", "wordnet"),
    "build-index": _CLIP,
    "compare-clip": ("clip", "training"),
    "download-images": ("images",),
    "label-synsets": _CLIP,
    "make-demo-captions": _CLIP,
    "make-demo-images": ("images",),
    "make-queries": _CLIP,
    "match-frequencies": _CLIP,
    "sample-subset": _CLIP,
    "search-neighbours": _CLIP,
    "train-clip": ("clip", "training"),
    "vary-captions": _CLIP,
}


@variables
class Variables:
    """The variables of databricks.yml that stand as whole values; others are parts of texts."""

    cpu_runtime: Variable[str]
    gpu_runtime: Variable[str]
    cpu_node_type: Variable[str]
    gpu_node_type: Variable[str]
    max_workers: Variable[int]
    environment_version: Variable[str]


def bundle_files() -> dict[str, str]:
    """Path below conf/databricks/resources -> content, of all files."""
    files, recipes = {}, packaged_recipes()
    for name, job in all_jobs().items():
        if not _has_no_job(name, job) and name not in recipes:
            head, key = _HEAD.format(source=f"settings of {name}"), _key(name)
            files[f"jobs/{key}.yml"] = head + _as_yaml({"jobs": {key: _job_of(job)}})
    for name in recipes:
        head = _HEAD.format(source=f"recipe {name}")
        files[f"recipes/{name}.yml"] = head + _as_yaml(_resources_of(read_recipe(name)))
    return files


def _has_no_job(name: str, job: AnyJob) -> bool:
    """Whether a command only answers a question, such as show, or is run.

    The recipes have jobs of their own, each with the clusters that its steps need.
    """
    return name == "run" or (isinstance(job, Pipeline) and name in TOPICS["look"])


def _key(name: str) -> str:
    return name.replace("-", "_")


def _job_of(job: AnyJob) -> Job:
    """A Databricks job of one command: a parameter for each setting that must be given there.

    These are the required ones, those that the command line takes by position, and the addresses
    of tables that would lie beside files. All others stand in a map.
    """
    fields = job.settings.model_fields.items()
    base = base_settings(job.name)
    required = [
        name
        for name, field in fields
        if (field.is_required() and name not in base) or name in job.arguments
    ]
    required += _tables_beside_files(job.settings, required)
    parameters = [job.name]
    for name in sorted(required, key=lambda name: name not in job.arguments):
        flag = [] if name in job.arguments else [f"--{name.replace('_', '-')}"]
        parameters += [*flag, _parameter(name)]
    compute = _compute_of(job)
    task = _task(_key(job.name), [*parameters, "--set", _parameter(_SETTINGS)], job.name, compute)
    return _databricks_job(
        job.name, job.summary, dict.fromkeys(required, ""), [task], {compute}, [job.name]
    )


def _tables_beside_files(model: type[Settings], required: list[str]) -> list[str]:
    """The settings of tables that by default lie beside the files that a command writes.

    In a volume they would be out of sight of the catalog.
    """
    files = {*model.names_with_role("folder"), *model.names_with_role("file")}
    given = {name: "/Volumes/x" if name in files else "x.x.x" for name in required}
    written = model.model_construct(**given).addresses("output")  # type: ignore[arg-type]
    tables = [name for name in written if name not in required]
    is_beside = bool(written) and next(iter(written)) in files
    return [*tables, "workspace"] if is_beside else []


def _resources_of(recipe: Recipe) -> dict[str, dict[str, Resource]]:
    """A recipe as a job with a task per step, and the schema and volume for what it writes."""
    name = recipe.file
    schema_key, volume_key = f"{name}_schema", f"{name}_files"  # keys of all kinds must differ
    schema = f"${{resources.schemas.{schema_key}.name}}"
    folder = f"/Volumes/${{var.catalog}}/{schema}/{_FILES}"
    defaults = {key: value for key, value in recipe.variables.items() if key != OUTPUT}
    values = {key: _parameter(key) for key in (*defaults, OUTPUT)}
    given = {k: "/x" for k, v in defaults.items() if v is None} | _switched_on(recipe)
    steps = plan_steps(recipe, given)
    files = {key: f"{folder}/{word}" for step in steps for key, word in _file_names(recipe, step)}
    overrides = [
        argument
        for key, value in (values | files).items()
        for argument in ("--set", f"{key}={value}")
    ]
    overrides += ["--set", _parameter(_SETTINGS)]
    tasks = [
        _task(
            step.name,
            ["run", name, "--only", step.name, *overrides],
            step.job.name,
            _cluster_of(step.job),
            step.depends_on,
        )
        for step in steps
    ]
    parameters = defaults | {OUTPUT: f"${{var.catalog}}.{schema}"}
    job = _databricks_job(
        name,
        recipe.summary,
        parameters,
        tasks,
        {_cluster_of(step.job) for step in steps},
        [step.job.name for step in steps],
    )
    return {
        "schemas": {
            schema_key: Schema(
                catalog_name="${var.catalog}",
                name=f"${{var.schema}}_{name}",
                comment=recipe.summary,
                lifecycle=SchemaLifecycle(prevent_destroy=True),
            )
        },
        "volumes": {
            volume_key: Volume(
                catalog_name="${var.catalog}",
                schema_name=schema,
                name=_FILES,
                volume_type=VolumeType.MANAGED,
                lifecycle=VolumeLifecycle(prevent_destroy=True),
            )
        },
        "jobs": {name: job},
    }


def _switched_on(recipe: Recipe) -> dict[str, Any]:
    """The variables in conditions, with values for which these hold.

    Each step has a task, which returns at once where its condition does not hold in a run.
    """
    conditions = [step[WHEN] for step in recipe.steps.values() if WHEN in step]
    names = variables_in(conditions)
    return {name: _switch_on(recipe.variables[name]) for name in names}


def _switch_on(default: Any) -> Any:
    """A value that is not empty, of the default's kind if that is a map or list."""
    return {"x": "/x"} if default == {} else ["/x"] if default == [] else True


def _file_names(recipe: Recipe, step: PlannedStep) -> Iterator[tuple[str, str]]:
    """(`step.setting`, name) of the plain files and folders of files that a step writes."""
    model = step.job.settings
    for key in dict.fromkeys([*model.names_with_role("file"), *model.names_with_role("folder")]):
        word = recipe.steps[step.name].get(key, step.name if key == OUTPUT else None)
        if word is not None:
            yield f"{step.name}.{key}", str(word)


def _compute_of(job: AnyJob) -> Compute:
    """Where a command runs: where its model, or the files that it opens, are at hand.

    Serverless compute does not let driver or tasks open files themselves.
    """
    return _cluster_of(job) if has_model(job) or job.shared_folders else "serverless"


def _cluster_of(job: AnyJob) -> Compute:
    """The cluster that a step of a recipe runs on."""
    return "gpu" if has_model(job) else "cpu"


def has_model(job: AnyJob) -> bool:
    """Whether a command runs a model in its tasks, which wants a GPU."""
    of_models = issubclass(job.settings, ModelSettings | CaptionModelSettings)
    return of_models or job.name in _TRAINING


def _databricks_job(
    name: str,
    summary: str,
    parameters: Mapping[str, Any],
    tasks: list[Task],
    computes: set[Compute],
    jobs: list[str],
) -> Job:
    """A Databricks job; `parameters`: name -> default; `jobs`: commands that its tasks run."""
    defaults = {**parameters, _SETTINGS: "{}"}
    environment = Environment(
        environment_version=Variables.environment_version,
        dependencies=[_WHEEL, *_requirements(jobs)],
    )
    return Job(
        name=f"{PACKAGE} {name}",
        description=summary,
        max_concurrent_runs=1,  # two runs would write the same tables
        queue=QueueSettings(enabled=True),
        parameters=[
            JobParameterDefinition(name=key, default=_text(value))
            for key, value in defaults.items()
        ],
        tasks=[*tasks],
        job_clusters=[_cluster(kind) for kind in sorted(computes - {"serverless"})],
        environments=[
            JobEnvironment(environment_key=kind, spec=environment)
            for kind in sorted(computes & {"serverless"})
        ],
    )


def _task(
    key: str, parameters: list[str], command: str, compute: Compute, after: tuple[str, ...] = ()
) -> Task:
    """A task that runs the console script with these parameters; `command`: the job it runs."""
    is_serverless = compute == "serverless"
    packages = [] if is_serverless else _requirements([command])
    return Task(
        task_key=key,
        depends_on=[TaskDependency(task_key=other) for other in after],
        python_wheel_task=PythonWheelTask(
            package_name=PACKAGE, entry_point=PACKAGE, parameters=[*parameters]
        ),
        environment_key=compute if is_serverless else None,
        job_cluster_key=None if is_serverless else compute,
        libraries=[]
        if is_serverless
        else [
            Library(whl=_WHEEL),
            *(Library(pypi=PythonPyPiLibrary(package=package)) for package in packages),
        ],
        max_retries=1,  # goes on where the lost attempt stopped
        min_retry_interval_millis=60_000,
    )


def _cluster(kind: Compute) -> JobCluster:
    """A job cluster of machines with or without GPUs, one task on each GPU at a time."""
    is_gpu = kind == "gpu"
    return JobCluster(
        job_cluster_key=kind,
        new_cluster=ClusterSpec(
            spark_version=Variables.gpu_runtime if is_gpu else Variables.cpu_runtime,
            node_type_id=Variables.gpu_node_type if is_gpu else Variables.cpu_node_type,
            autoscale=AutoScale(min_workers=1, max_workers=Variables.max_workers),
            data_security_mode=DataSecurityMode.SINGLE_USER,
            spark_conf={"spark.task.resource.gpu.amount": "1"} if is_gpu else {},
        ),
    )


def _requirements(jobs: list[str]) -> list[str]:
    """The packages of the extras that these jobs need, as pyproject.toml has them."""
    extras = {
        extra
        for name in jobs
        for extra in _EXTRAS.get(name, _CLIP if has_model(all_jobs()[name]) else ())
    }
    project = tomllib.loads((_root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [
        package for extra in sorted(extras) for package in project["optional-dependencies"][extra]
    ]


def _root() -> Path:
    return Path(__file__).parents[2]


def _parameter(name: str) -> str:
    """What Databricks replaces by the value of a job parameter."""
    return f"{{{{job.parameters.{name}}}}}"


def _text(value: Any) -> str:
    """A default as the text of a job parameter, which is read as YAML again; empty for none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _as_yaml(resources: Mapping[str, Mapping[str, Resource]]) -> str:
    content = {
        kind: {name: resource.as_dict() for name, resource in named.items()}  # type: ignore[attr-defined]
        for kind, named in resources.items()
    }
    return yaml.safe_dump({"resources": content}, sort_keys=False, width=100, allow_unicode=True)


def write_bundle(folder: Path) -> None:
    """Write all files below the folder, and remove those of jobs that are no more."""
    files = bundle_files()
    for path in folder.glob("*/*.yml"):
        if str(path.relative_to(folder)) not in files:
            path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write_bundle(Path(sys.argv[1]))
