"""The settings of a training of a CLIP model, whatever it is trained on."""

import importlib.util
from typing import ClassVar, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from spark_jobs.core.addresses import absolute_if_checkpoint, absolute_if_path
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.core.settings import Settings
from udfs.clip_training.arguments import LOGS, NAME, OptionsError, full_arguments
from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.process import ClipPrecision
from udfs.clip_training.shard_list import Shard, train_data
from udfs.clip_training.start_model import StartModel
from udfs.models.spec import Device, ModelError


class ClipTrainingSettings(Settings):
    """The model to begin with, and how long and how it is trained."""

    mutually_exclusive: ClassVar[tuple[str, ...]] = ("epochs", "samples_seen")

    model: str = Field(
        "ViT-B-32",
        description="a model of open_clip by its name, or a folder with open_clip_config.json",
    )
    weights: str | None = Field(
        None,
        description="to begin with: a checkpoint file, or a tag of open_clip's pretrained models; "
        "default: random ones, also for a folder that has weights",
    )
    sha256: str | None = Field(
        None, description="of the checkpoint, which a file that is no .safetensors must have"
    )
    epochs: PositiveInt | None = Field(None, le=100_000, description="passes over the shards")
    samples_seen: PositiveInt | None = Field(
        None,
        description="samples to train on in place of epochs, rows coming again in order of passes, "
        "so that subsets of any size are trained for as many steps",
    )
    checkpoints: PositiveInt = Field(
        8,
        le=100_000,
        description="of samples_seen: equal parts, each of which ends with a checkpoint",
    )
    batch_size: PositiveInt = Field(64, ge=2, le=65_536, description="samples a step, of a worker")
    learning_rate: PositiveFloat = Field(5e-4, le=100, description="after the warmup")
    weight_decay: float = Field(0.2, ge=0, le=100, description="of AdamW")
    warmup: NonNegativeInt | None = Field(
        None,
        description="steps in which the learning rate rises; default: 10,000, a tenth of all steps "
        "at most",
    )
    loader_workers: PositiveInt | None = Field(
        None,
        le=1024,
        description="processes that read and decode, for each worker; default: 4, at most one a "
        "shard",
    )
    precision: ClipPrecision = Field(
        "auto", description="as open_clip has it; auto: amp_bf16 or amp on a GPU, fp32 on a CPU"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of weights, order, crops and captions")
    workers: PositiveInt = Field(
        1, le=1024, description="processes that train together, as Spark tasks on a cluster"
    )
    device: Device = Field("auto", description="auto: a GPU, or cpu where there is none")
    log_every_n_steps: PositiveInt | None = Field(
        None, description="steps from a row of the table to the next; default: 100, or fewer"
    )
    options: str = Field(
        "", description="further options of open_clip's trainer, such as --grad-checkpointing"
    )

    @field_validator("model")
    @classmethod
    def _folder_is_absolute(cls, value: str) -> str:
        return absolute_if_path(value)

    @field_validator("weights")
    @classmethod
    def _file_is_absolute(cls, value: str | None) -> str | None:
        return None if value is None else absolute_if_checkpoint(value)

    @model_validator(mode="after")
    def _has_samples_for_all_parts(self) -> Self:
        if self.samples_seen is not None and self.samples_seen < self.checkpoints:
            raise ValueError(
                f"samples_seen = {self.samples_seen}: fewer than the {self.checkpoints} checkpoints"
            )
        return self

    @property
    def start(self) -> StartModel:
        """The model to begin with."""
        return StartModel(self.model, self.weights, self.sha256)

    def look_ahead(self) -> None:
        """Look at packages, model and options, before Spark starts."""
        for package in ("open_clip_train", "webdataset"):
            if importlib.util.find_spec(package) is None:
                raise SettingsError(
                    f"training needs {package}: pip install 'captionlake[clip,training]'"
                )
        try:
            self.start.config()
            self.arguments(TrainingPlan(1, 1, self.batch_size), [])
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def arguments(self, plan: TrainingPlan, shards: list[Shard]) -> list[str]:
        """The command line of open_clip's trainer; SettingsError for options it does not take."""
        own = {
            "train_data": train_data(shards),
            "dataset_type": "webdataset",
            "train_num_samples": plan.samples_per_epoch,
            "model": f"local-dir:{self.start.folder_name()}",
            "epochs": plan.epochs,
            "batch_size": self.batch_size,
            "lr": self.learning_rate,
            "wd": self.weight_decay,
            "warmup": plan.warmup if self.warmup is None else self.warmup,
            "workers": plan.loader_workers,
            "seed": self.seed,
            "precision": "fp32",
            "device": "cpu",
            "logs": LOGS,
            "name": NAME,
            "resume": "latest",
            "save_most_recent": True,
            "save_frequency": 0,
            "report_to": "tensorboard",
            "log_every_n_steps": self.log_every_n_steps or plan.log_every,
        }
        try:
            return full_arguments(own, self.start.kind, self.options)
        except OptionsError as fault:
            raise SettingsError(str(fault)) from None
