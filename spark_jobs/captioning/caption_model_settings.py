"""The settings that name a model that captions images, and how it decodes."""

from typing import Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from spark_jobs.core.addresses import absolute_file, absolute_if_checkpoint
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import Settings
from udfs.captioning.caption_model import CaptionModel, caption_model_files
from udfs.captioning.decoding import Decoding, Strategy
from udfs.models.spec import Device, ModelError, Precision, weights_digest


class CaptionModelSettings(Settings):
    """A model that captions images, and how it writes."""

    model: str = Field(
        description="BLIP or BLIP-2: a folder of transformers' files, or a name on the Hugging "
        "Face hub; CoCa: open_clip:NAME, or open_clip:FOLDER"
    )
    revision: str | None = Field(None, description="of a model of transformers on the hub")
    weights: str | None = Field(
        None,
        description="of open_clip:NAME: a checkpoint file that every worker can read, or a tag of "
        "its pretrained models",
    )
    sha256: str | None = Field(
        None, description="of the checkpoint, which a file that is no .safetensors must have"
    )
    strategy: Strategy = Field(
        "nucleus",
        description="nucleus: each token is drawn from the most probable ones; beam: beam search",
    )
    captions: PositiveInt = Field(1, le=1_000, description="captions an image")
    num_beams: PositiveInt = Field(5, le=1_000, description="of beam: beams of a search")
    top_p: float = Field(
        0.9, gt=0, le=1, description="of nucleus: share of probability to draw from"
    )
    temperature: PositiveFloat = Field(
        0.75, le=10, description="of nucleus: what logits are divided by before tokens are drawn"
    )
    min_length: NonNegativeInt = Field(5, le=1_000, description="tokens of a caption at least")
    max_length: PositiveInt = Field(40, le=1_000, description="tokens of a caption at most")
    seed: NonNegativeInt = Field(0, le=2**31, description="of nucleus: fixes all draws")
    batch_size: PositiveInt = Field(
        16, le=65_536, description="images a batch; halved where memory ends"
    )
    device: Device = Field("auto", description="auto: the task's GPU, or cpu where there is none")
    precision: Precision = Field("auto", description="auto: bf16 or fp16 on a GPU, fp32 on a CPU")

    @field_validator("model")
    @classmethod
    def _folder_is_absolute(cls, value: str) -> str:
        before, colon, rest = value.rpartition("open_clip:")
        return before + colon + absolute_file(rest) if rest.startswith((".", "~")) else value

    @field_validator("weights")
    @classmethod
    def _file_is_absolute(cls, value: str | None) -> str | None:
        return None if value is None else absolute_if_checkpoint(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is above max_length {self.max_length}")
        if self.strategy == "beam" and self.captions > self.num_beams:
            raise ValueError(
                f"captions {self.captions}: beam search has {self.num_beams} beams, which give as "
                "many captions at most: a larger --num-beams, or --strategy nucleus"
            )
        return self

    @property
    def caption_model(self) -> CaptionModel:
        """The model as workers load it."""
        return CaptionModel(
            self.model, self.revision, self.weights, self.sha256, self.device, self.precision
        )

    @property
    def decoding(self) -> Decoding:
        """How captions are decoded."""
        return Decoding(
            self.strategy,
            self.captions,
            self.num_beams,
            self.top_p,
            self.temperature,
            self.min_length,
            self.max_length,
            self.seed,
        )

    def weights_digest(self) -> str:
        """Digest of the model's files; InputDataError if they are missing or may not be loaded."""
        try:
            return weights_digest(caption_model_files(self.caption_model))
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def own_files(self) -> dict[str, str]:
        """Count the model's files among the input files."""
        return super().own_files() | {f"models/{self.model}": self.weights_digest()}
