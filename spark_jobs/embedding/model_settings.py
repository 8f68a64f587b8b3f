"""The settings that name an embedding model and how it runs."""

from typing import Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from spark_jobs.core.addresses import absolute_file, absolute_if_checkpoint
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import Settings
from udfs.models.spec import MINILM, Device, ModelError, ModelSpec, Precision, model_path
from udfs.models.spec import weights_digest as digest_of

_SENTENCE_FOLDER = "sentence_transformers:"


class ModelSettings(Settings):
    """A model and how it is run."""

    model: str = Field(
        MINILM,
        description="minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or "
        "sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-transformers, "
        "such as train-sentences writes",
    )
    weights: str | None = Field(
        None,
        description="of open_clip: a checkpoint file that every worker can read, or a tag of its "
        "pretrained models",
    )
    sha256: str | None = Field(
        None, description="of the checkpoint, which a file that is no .safetensors must have"
    )
    prompt: str | None = Field(
        None,
        description="of sentence_transformers: the name of one of the model's prompts, such as "
        "query or document, that is put before each text; default: the model's default prompt",
    )
    device: Device = Field("auto", description="auto: the task's GPU, or cpu where there is none")
    precision: Precision = Field("auto", description="auto: bf16 or fp16 on a GPU, fp32 on a CPU")
    batch_size: PositiveInt = Field(
        256, le=65_536, description="items a batch; halved where memory ends"
    )

    @field_validator("model")
    @classmethod
    def _folder_is_absolute(cls, value: str) -> str:
        if value.startswith((".", "~", "/")):
            return f"{_SENTENCE_FOLDER}{absolute_file(value)}"
        framework, _, rest = value.partition(":")
        return f"{framework}:{absolute_file(rest)}" if rest.startswith((".", "~")) else value

    @field_validator("weights")
    @classmethod
    def _file_is_absolute(cls, value: str | None) -> str | None:
        return None if value is None else absolute_if_checkpoint(value)

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        try:
            framework = self.spec.framework
        except ModelError as fault:
            raise ValueError(str(fault)) from None
        if self.prompt is not None and framework != "sentence_transformers":
            raise ValueError(f"model {self.model} has no prompts, found prompt {self.prompt!r}")
        return self

    @property
    def spec(self) -> ModelSpec:
        """The model as workers load it."""
        return ModelSpec(
            self.model,
            self.weights,
            self.sha256,
            self.device,
            self.precision,
            self.batch_size,
            self.prompt,
        )

    def further_inputs(self) -> list[str]:
        """The model's folder, if it is one, which a step of a recipe may write."""
        return [self.spec.architecture] if self.spec.is_folder else []

    def weights_digest(self) -> str:
        """Digest of the model's files; InputDataError if they are missing or may not be loaded."""
        try:
            return digest_of(model_path(self.spec))
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def own_files(self) -> dict[str, str]:
        """Count the model's files among the input files."""
        return super().own_files() | {f"models/{self.model}": self.weights_digest()}
