"""train-clip: a CLIP model trained on webdataset shards by open_clip's own trainer."""

import os
import shutil
from pathlib import Path

from pydantic import Field
from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import (
    InputAddresses,
    OutputAddress,
    OutputFolder,
    RoleName,
)
from spark_jobs.formats.clip_shards import list_shards, refuse_stores
from spark_jobs.formats.training_folder import events_folder, mark_as_begun, training_folder
from spark_jobs.running.job import Job
from spark_jobs.running.torch_processes import refuse_impossible_workers, run_training
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.local_copies import local_copy
from spark_jobs.storage.run import Counts, Run
from spark_jobs.training.clip_settings import ClipTrainingSettings
from udfs.clip_training.arguments import (
    accumulated_batches,
    split_options,
)
from udfs.clip_training.following import shown_progress
from udfs.clip_training.hooks import Dropped
from udfs.clip_training.plan import TrainingPlan, loader_workers_for
from udfs.clip_training.process import (
    MODEL,
    SCALARS,
    ClipTask,
    begin_files,
    read_result,
    train_apart,
    train_in_folder,
)
from udfs.clip_training.scalars import read_scalars
from udfs.clip_training.shard_list import Shard
from udfs.clip_training.steps import step_rows
from udfs.models.spec import ModelError, weights_digest


class TrainClip(ClipTrainingSettings):
    """Settings of train-clip."""

    shards: InputAddresses = Field(
        description="folders of shards, as export-webdataset writes them, or of other .tar files "
        "with an image and a txt in each sample; of a disk, not of a store"
    )
    output: OutputFolder = Field(
        description="folder for the model, as open_clip and captionlake load it"
    )
    training: OutputAddress | None = Field(
        None, description="table of the steps; default: OUTPUT_training"
    )

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings; the table beside the output where none is given."""
        addresses = super().addresses(role)
        if role == "output" and self.training is None:
            addresses["training"] = f"{self.output.rstrip('/')}_training"
        return addresses

    def folder_content(self) -> str:
        """What lies in the folder."""
        return "train-clip"

    def further_inputs(self) -> list[str]:
        """The model's folder, if it is one, which a step of a recipe may write."""
        return [self.model] if self.start.is_folder else []

    def look_ahead(self) -> None:
        """Look at packages, shards' addresses, model and options, before Spark starts."""
        super().look_ahead()
        refuse_stores(self.shards)

    def own_files(self) -> dict[str, str]:
        """Count the model's files among the input files."""
        self.look_ahead()
        files = [Path(self.model)] if self.start.is_folder else []
        try:
            weights = self.start.weights_path()
        except ModelError as fault:
            raise InputDataError(str(fault)) from None
        files += [] if weights is None else [weights]
        digests = {f"models/{file}": weights_digest(file) for file in files}
        return super().own_files() | digests


def run(run: Run, settings: TrainClip) -> Counts:
    """Train on the shards, and write the model and the table of steps."""
    refuse_stores(settings.shards)
    folders = settings.addresses("input") | {"output": settings.output}
    refuse_impossible_workers(run.spark, settings.workers, settings.device, folders)
    shards = list_shards(run.spark, settings.shards)
    plan = _plan(settings, shards)
    arguments = settings.arguments(plan, shards)
    with training_folder(settings.output, run.run_id) as (folder, goes_on):
        if not goes_on:
            try:
                settings.start.write(folder)
            except ModelError as fault:
                raise InputDataError(str(fault)) from None
            mark_as_begun(folder, run.run_id)
        dropped = _train(run, settings, folder, plan, arguments, shards)
        metadata = run.output_metadata(settings.output)
        content = settings.folder_content()
        with (
            replaced_folder(settings.output, metadata, content=content) as staging,
            local_copy(staging) as path,
        ):
            shutil.copytree(folder / MODEL, path, dirs_exist_ok=True)
        rows = step_rows(read_scalars(folder / SCALARS), plan)
        steps = run.spark.createDataFrame([*map(tuple, rows)], schemas.CLIP_TRAINING)
        run.write(steps, settings.addresses("output")["training"])
    return {
        "rows_in": _rows(shards),
        "shards": len(shards),
        "epochs": plan.epochs,
        "steps": plan.steps,
        "samples_seen": plan.steps * plan.samples_per_step,
        **{name: count for name, count in vars(dropped).items() if count},
    }


def _rows(shards: list[Shard]) -> int:
    return sum(shard.rows for shard in shards)


def _plan(settings: TrainClip, shards: list[Shard]) -> TrainingPlan:
    """How long the training is; InputDataError where shards are too few or too small for it."""
    rows, workers = _rows(shards), settings.workers
    accumulate = accumulated_batches(split_options(settings.options))
    n_step = settings.batch_size * workers * accumulate
    if rows < n_step:
        of_workers = "" if workers == 1 else f" of {workers} workers"
        raise InputDataError(
            f"shards: {rows:,} samples, fewer than the {n_step:,} of a step{of_workers}: give "
            "more, or a smaller --batch-size"
        )
    if len(shards) < workers * (settings.loader_workers or 1):
        raise InputDataError(
            f"shards: {len(shards):,} files, fewer than --workers {workers} with --loader-workers "
            f"{settings.loader_workers or 1} each: give fewer of them, or write smaller shards "
            "(export-webdataset --samples-per-shard)"
        )
    samples, epochs = rows, settings.epochs or settings.checkpoints
    if settings.samples_seen is not None:
        samples = -(-settings.samples_seen // settings.checkpoints)
    n_batches = -(-samples // (settings.batch_size * workers))
    return TrainingPlan(
        samples,
        epochs,
        settings.batch_size,
        processes=workers,
        loader_workers=settings.loader_workers
        or loader_workers_for(len(shards), n_batches, workers),
        accumulate=accumulate,
        in_passes=settings.samples_seen is not None,
    )


def _train(
    run: Run,
    settings: TrainClip,
    folder: Path,
    plan: TrainingPlan,
    arguments: list[str],
    shards: list[Shard],
) -> Dropped:
    """Train, unless that was done before; CurationError for what ends it."""
    result = read_result(folder)
    if result is not None:
        return result
    begin_files(folder)
    is_alone = settings.workers == 1
    task = ClipTask(
        str(folder),
        arguments,
        settings.start.folder_name(),
        plan,
        _rows(shards),
        settings.seed,
        settings.device,
        settings.precision,
        events_folder(settings.output),
        os.getpid() if is_alone else None,
    )
    with shown_progress(folder / SCALARS, plan.steps):
        run_training(
            run.spark,
            train_apart if is_alone else train_in_folder,
            task,
            folder,
            workers=settings.workers,
            device=settings.device,
        )
    result = read_result(folder)
    assert result is not None
    return result


def closing_lines(_spark: SparkSession, settings: TrainClip, counts: Counts) -> list[str]:
    """How the model is used, and what was passed over."""
    lines = [f"  use it: --model open_clip:{settings.output}"]
    n_lost = sum(counts.get(name, 0) for name in vars(Dropped()))
    if n_lost:
        lines.append(
            f"  the loader passed over {n_lost:,} samples or shards, each time it came to them: "
            f"their faults are in {settings.output}/out.log"
        )
    return lines


JOB = Job(
    "train-clip",
    "Train a CLIP model on webdataset shards, by open_clip's own trainer.",
    TrainClip,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake train-clip --shards ./training_shards --model ViT-B-32 \\\n"
        "  --epochs 32 --batch-size 64 --output ./clip"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
