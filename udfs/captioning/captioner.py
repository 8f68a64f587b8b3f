"""A model that captions images, on this task's device: pixels in, captions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from udfs.captioning.caption_model import (
    CaptionModel,
    architecture_of,
    caption_model_files,
)
from udfs.captioning.causal_model import only_tokens
from udfs.captioning.coca_decoder import as_generator
from udfs.captioning.decoding import Decoding
from udfs.models.clip import load_clip, open_clip_name
from udfs.models.device import device_of_task, memory_for, precision_on, upload
from udfs.models.encoder import halving
from udfs.models.geometry import Geometry
from udfs.models.pixels import Preprocessing, normalised, preprocessing_of
from udfs.models.quiet import quiet
from udfs.models.spec import ModelError, ModelSpec


class _Writer(Protocol):
    """What differs between architectures.

    `prompt_length`: of the tokens with which each row of `tokens` begins. `ends`: tokens, any of
    which ends a caption. `most_tokens`: of a caption, as far as the model has positions; None where
    it has no such limit.
    """

    prompt_length: int
    ends: frozenset[int]
    most_tokens: int | None

    def tokens(self, images: Any, arguments: dict[str, Any]) -> Any:
        """Tokens (n_rows, length) of transformers' `generate`; images: (n, 3, height, width)."""

    def text(self, tokens: Sequence[int]) -> str:
        """The caption of these tokens."""


@dataclass(frozen=True)
class Captioner:
    """A loaded model, and how images become its input."""

    name: str
    device: str
    dtype: Any
    preprocessing: Preprocessing
    writer: _Writer

    def refuse_longer(self, decoding: Decoding) -> None:
        """Raise ModelError if captions may be longer than the model can write."""
        most = self.writer.most_tokens
        if most is not None and decoding.max_length > most:
            raise ModelError(
                f"model {self.name}: writes {most} tokens at most, max_length is "
                f"{decoding.max_length}"
            )

    def captions(self, pixels: Any, uids: Sequence[str], decoding: Decoding) -> list[list[str]]:
        """The captions of each image; pixels: uint8 (n, height, width, 3), on the host.

        Halved where the device is out of memory.
        """
        if not uids:
            return []
        n = decoding.captions
        positions = range(len(uids))
        texts = halving(partial(self._texts, pixels, uids, decoding), positions, self.device)
        return [texts[start : start + n] for start in range(0, len(texts), n)]

    def _texts(
        self, pixels: Any, uids: Sequence[str], decoding: Decoding, positions: range
    ) -> list[str]:
        import torch

        of_batch = [uids[position] for position in positions]
        arguments = decoding.arguments(of_batch, self.writer.prompt_length)
        part = {"pixels": pixels[positions.start : positions.stop]}
        with torch.inference_mode(), quiet():
            images = normalised(upload(part, self.device)["pixels"], self.preprocessing)
            tokens = self.writer.tokens(images.to(self.dtype), arguments)
        written = tokens[:, self.writer.prompt_length :].tolist()
        return [self.writer.text(_without_end(row, self.writer.ends)).strip() for row in written]


def _without_end(tokens: list[int], ends: frozenset[int]) -> list[int]:
    return tokens[: next((i for i, token in enumerate(tokens) if token in ends), len(tokens))]


class _Blip:
    """BLIP (Li et al. 2022) and BLIP-2 (Li et al. 2023) by transformers."""

    def __init__(self, model: Any, decoder: Any, tokenizer: Any, ends: Any, prompt: int) -> None:
        positions = getattr(decoder.config, "max_position_embeddings", None)
        # The last token of a caption is written, but not read.
        self.most_tokens = None if positions is None else positions - prompt + 1
        decoder.generation_config = only_tokens(decoder.generation_config)
        self._model, self._tokenizer = model, tokenizer
        self.prompt_length = prompt
        self.ends = frozenset([ends] if isinstance(ends, int) else ends or ())

    def tokens(self, images: Any, arguments: dict[str, Any]) -> Any:
        return self._model.generate(pixel_values=images, **arguments)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


class _Coca:
    """CoCa by open_clip (Yu et al. 2022; Ilharco et al. 2021)."""

    prompt_length = 1

    def __init__(self, coca: Any, tokenizer: Any) -> None:
        self._tokenizer, self._coca = tokenizer, coca
        self._start = tokenizer.sot_token_id
        self.most_tokens = min(coca.text.context_length, coca.context_length)
        self._decoder = as_generator(coca, self._start, tokenizer.eot_token_id)
        self.ends = frozenset(self._decoder.generation_config.eos_token_id)

    def tokens(self, images: Any, arguments: dict[str, Any]) -> Any:
        import torch

        _, image_tokens = self._coca._encode_image(images)
        starts = torch.full((len(images), 1), self._start, device=images.device)
        return self._decoder.generate(input_ids=starts, image_tokens=image_tokens, **arguments)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens))


def captioner_of_task(model: CaptionModel) -> Captioner:
    """The model on this task's device, loaded at a worker's first call; ModelError if it cannot."""
    return _load(model, device_of_task(model.device))


@lru_cache(maxsize=1)
def _load(model: CaptionModel, device: str) -> Captioner:
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = types[precision_on(device, model.precision)]
    load = _load_coca if model.is_open_clip else _load_blip
    writer, preprocessing = load(model, caption_model_files(model), device, dtype)
    return Captioner(model.name, device, dtype, preprocessing, writer)


def _load_coca(
    model: CaptionModel, _path: Path, device: str, dtype: Any
) -> tuple[_Writer, Preprocessing]:
    import open_clip

    coca = load_clip(model.clip_spec)
    with memory_for(model.clip_spec, device):
        coca.to(device, dtype)
    tokenizer = open_clip.get_tokenizer(open_clip_name(model.clip_spec))
    return _Coca(coca, tokenizer), preprocessing_of(coca.visual)


def _load_blip(
    model: CaptionModel, path: Path, device: str, dtype: Any
) -> tuple[_Writer, Preprocessing]:
    import transformers

    is_first = architecture_of(model) == "blip"
    loaded_class = (
        transformers.BlipForConditionalGeneration
        if is_first
        else transformers.Blip2ForConditionalGeneration
    )
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(path), "local_files_only": True}
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
            processor = transformers.AutoImageProcessor.from_pretrained(**where)
            loaded: Any = loaded_class.from_pretrained(**where, dtype=dtype, use_safetensors=True)
    except Exception as fault:  # transformers, tokenizers and safetensors raise many types
        said = " ".join(str(fault).split())[:200]
        raise ModelError(f"model {model.name}: cannot be loaded: {said}") from None
    preprocessing = _preprocessing(processor, model)
    with memory_for(ModelSpec(model.name), device):
        loaded = loaded.to(device).eval()
    text_config = loaded.config.text_config
    if is_first:
        writer = _Blip(loaded, loaded.text_decoder, tokenizer, text_config.sep_token_id, 1)
        return writer, preprocessing
    if loaded.config.image_token_index is None:
        raise ModelError(
            f"model {model.name}: its config.json has no image_token_index; take a checkpoint of "
            "transformers 4.46 or newer"
        )
    decoder = loaded.language_model
    prompt = 1 if decoder.config.is_encoder_decoder else loaded.config.num_query_tokens + 1
    return _Blip(loaded, decoder, tokenizer, text_config.eos_token_id, prompt), preprocessing


def _preprocessing(processor: Any, model: CaptionModel) -> Preprocessing:
    """BLIP's preprocessing: RGB, then resized to one size by Pillow, as it was published."""
    size = processor.size
    if not (processor.do_resize and size.height and size.width):
        raise ModelError(f"model {model.name}: its preprocessor gives images no one size")
    resample = int(processor.resample)
    geometry = Geometry(size.height, size.width, "squash", resample, rgb_first=True)
    return Preprocessing(geometry, tuple(processor.image_mean), tuple(processor.image_std))
