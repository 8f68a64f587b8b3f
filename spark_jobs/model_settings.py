"""The settings by which a user names a model and where it runs."""

from pydantic import Field, PositiveInt, model_validator

from spark_jobs.errors import InputDataError
from spark_jobs.settings import Settings
from udfs.models.spec import MINILM, Device, ModelError, ModelSpec, Precision, model_path
from udfs.models.spec import weights_digest as digest_of


class ModelSettings(Settings):
    """A model and how it is run."""

    model: str = Field(
        MINILM,
        description="minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or "
        "sentence_transformers:FOLDER or :NAME on the Hugging Face hub",
    )
    weights: str | None = Field(
        None,
        description="of open_clip: a checkpoint file that every worker can read, or a tag of its "
        "pretrained models",
    )
    sha256: str | None = Field(
        None, description="of the checkpoint, which a file that is no .safetensors must have"
    )
    device: Device = Field("auto", description="auto: the task's GPU, or cpu where there is none")
    precision: Precision = Field("auto", description="auto: bf16 or fp16 on a GPU, fp32 on a CPU")
    batch_size: PositiveInt = Field(256, description="items a batch; halved where memory ends")

    @model_validator(mode="after")
    def _is_a_model(self) -> "ModelSettings":
        try:
            _ = self.spec.framework
        except ModelError as fault:
            raise ValueError(str(fault)) from None
        return self

    @property
    def spec(self) -> ModelSpec:
        """The model as workers load it."""
        return ModelSpec(
            self.model, self.weights, self.sha256, self.device, self.precision, self.batch_size
        )

    def weights_digest(self) -> str:
        """Of the model's files; InputDataError where they are not there or may not be loaded."""
        try:
            return digest_of(model_path(self.spec))
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def own_files(self) -> dict[str, str]:
        """The model's files are an input, as any other."""
        return super().own_files() | {f"models/{self.model}": self.weights_digest()}
