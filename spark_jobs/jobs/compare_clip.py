"""compare-clip: train a CLIP model on each of several subsets, and say which is the better one."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field, PositiveInt, field_validator
from pyspark.sql import SparkSession

from spark_jobs.comparing.models import evaluation_name
from spark_jobs.core.addresses import join_address, parse_parent
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import PipelineInput, PipelineInputs, TablesFolder
from spark_jobs.formats.zero_shot_inputs import (
    ClassSettings,
    ZeroShotSettings,
    read_zero_shot_inputs,
)
from spark_jobs.jobs import (
    compare_evaluations,
    evaluate_clip,
    export_webdataset,
    measure_captions,
    report,
    train_clip,
)
from spark_jobs.running.job import Pipeline, Step
from spark_jobs.running.up_to_date import new_run
from spark_jobs.training.clip_settings import ClipTrainingSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_TRAINING = {*ClipTrainingSettings.model_fields} - {"seed", "workspace"}
_ZERO_SHOT = {*ZeroShotSettings.model_fields} - {"images", "workspace"}


class CompareClip(ClipTrainingSettings, ClassSettings):
    """Settings of compare-clip."""

    subsets: PipelineInputs = Field(
        description="tables of captions with uid, a subset each: {name: table}, or tables, which "
        "go by their own names; the first is what the others are compared with"
    )
    images: PipelineInput = Field(
        description="table of the images of all subsets, or shards, as export-webdataset takes them"
    )
    test_images: PipelineInput = Field(
        description="labelled images to evaluate with: a folder with a folder a class "
        "(ImageFolder), or a table with uid, image and a column of classes"
    )
    frequencies: PipelineInput | None = Field(
        None,
        description="rows of each class, by which head, middle and tail are told: a "
        "class-frequency file, a table of counts, or a labelled data set, such as the first subset",
    )
    score_column: str | None = Field(
        None, description="column of the subsets with the cosine of caption and image: their noise"
    )
    seeds: PositiveInt = Field(3, le=1_000, description="models of each subset, a seed each")
    samples_per_shard: PositiveInt = Field(10_000, le=10**7, description="of the training shards")
    report: bool = Field(True, description="write report.html beside the tables")
    output: TablesFolder = Field(description="folder for the tables, shards and models")

    @field_validator("subsets")
    @classmethod
    def _names_are_of_files(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = next((name for name in value if not _NAME.fullmatch(name)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r}, expected a name of letters, digits, - and _")
        return value


def steps(spark: SparkSession, settings: CompareClip) -> Iterator[Step]:
    """Look at what the models are evaluated with, before hours of training; then all steps."""
    workspace = settings.workspace or _folder(settings)
    inputs = ZeroShotSettings(**_evaluated_with(settings), workspace=workspace)
    read_zero_shot_inputs(new_run(spark, evaluate_clip.JOB, inputs), inputs)
    yield from planned_steps(settings)


def planned_steps(settings: CompareClip) -> Iterator[Step]:
    """Shards and measures of the subsets; for each seed and subset a model and its evaluation."""
    parent = _folder(settings)
    workspace = settings.workspace or parent
    for name, captions in settings.subsets.items():
        shards = export_webdataset.ExportWebdataset(
            captions=captions,
            images=settings.images,
            samples_per_shard=settings.samples_per_shard,
            seed=settings.seed,
            output=_shards(parent, name),
            workspace=workspace,
        )
        yield Step(export_webdataset.JOB, shards, name=f"shards of {name}")
    measured = measure_captions.MeasureCaptions(
        captions=settings.subsets,
        score_column=settings.score_column,
        output=join_address(parent, "measures"),
        workspace=workspace,
    )
    yield Step(measure_captions.JOB, measured)
    for seed in _seeds(settings):
        for name in settings.subsets:
            yield from _train_and_evaluate(settings, parent, name, seed)
    yield Step(compare_evaluations.JOB, _comparison(settings))
    if settings.report:
        page = report.Report(
            table=join_address(parent, "comparison"),
            output=f"{parent}/report.html",
            workspace=workspace,
        )
        yield Step(report.JOB, page)


def _train_and_evaluate(settings: CompareClip, parent: str, name: str, seed: int) -> Iterator[Step]:
    model = f"{parent}/models/{name}_{seed}"
    workspace = settings.workspace or parent
    how = {key: getattr(settings, key) for key in _TRAINING}
    # One number for all subsets: steps are rounded up to a multiple of it.
    how["loader_workers"] = settings.loader_workers or 1
    training = train_clip.TrainClip(
        **how,
        seed=seed,
        shards=[_shards(parent, name)],
        output=model,
        training=join_address(parent, f"training_{name}_{seed}"),
        workspace=workspace,
    )
    title = evaluation_name(name, seed)
    yield Step(train_clip.JOB, training, name=title)
    evaluation = evaluate_clip.EvaluateClip(
        model=f"open_clip:{model}",
        device=settings.device,
        precision="fp32",  # of a few images, near cosines decide
        **_evaluated_with(settings),
        output=_evaluation(parent, name, seed),
        workspace=workspace,
    )
    yield Step(evaluate_clip.JOB, evaluation, name=title)


def _evaluated_with(settings: CompareClip) -> dict[str, Any]:
    own = {name: getattr(settings, name) for name in _ZERO_SHOT}
    return own | {"images": settings.test_images}


def _comparison(settings: CompareClip) -> compare_evaluations.CompareEvaluations:
    parent = _folder(settings)
    evaluations = {
        evaluation_name(name, seed): _evaluation(parent, name, seed)
        for name in settings.subsets
        for seed in _seeds(settings)
    }
    return compare_evaluations.CompareEvaluations(
        evaluations=evaluations,
        measures=join_address(parent, "measures"),
        output=join_address(parent, "comparison"),
        workspace=settings.workspace or parent,
    )


def _folder(settings: CompareClip) -> str:
    parent = parse_parent(settings.output)
    if "/" not in parent:
        raise SettingsError(f"output {parent}: expected a folder, which also holds the models")
    return parent


def _seeds(settings: CompareClip) -> range:
    return range(settings.seed, settings.seed + settings.seeds)


def _shards(parent: str, name: str) -> str:
    return f"{parent}/shards/{name}"


def _evaluation(parent: str, name: str, seed: int) -> str:
    return join_address(parent, f"evaluation_{name}_{seed}")


JOB = Pipeline(
    "compare-clip",
    "Train CLIP models on several subsets with one budget, and compare their accuracies.",
    CompareClip,
    steps,
    example=(
        "captionlake compare-clip --subsets '{raw: ./captions, t20: ./balanced}' \\\n"
        "  --images ./images --test-images ./imagenet/val --class-names imagenet \\\n"
        "  --model ViT-B-32 --samples-seen 1000000 --output ./comparison"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
