"""CLIP's towers by open_clip (Radford et al. 2021; Ilharco et al. 2021)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from udfs.models.decoding import BROKEN, Image, ImageError, decode_image
from udfs.models.encoder import Batch, Inputs, Prepared, cut_by_length
from udfs.models.quiet import quiet
from udfs.models.spec import ModelError, ModelSpec, model_path


def load_clip(spec: ModelSpec, device: str) -> Any:
    """An open_clip model with its weights; ModelError if the file does not fit or is unsafe."""
    import open_clip

    path = model_path(spec)
    file = sorted(path.glob("*.safetensors"))[0] if spec.is_folder else path
    try:
        # force_custom_text: the text tower is a separate module in every architecture.
        with quiet():
            model = open_clip.create_model(
                open_clip_name(spec),
                load_weights=False,
                pretrained_text=False,
                force_custom_text=True,
            )
        open_clip.load_checkpoint(model, str(file), weights_only=True)
    except Exception as fault:  # torch, safetensors and pickle raise many types for broken files
        reason = " ".join(str(fault).split())[:200]
        raise ModelError(f"weights {file}: cannot be loaded into {spec.name}: {reason}") from None
    return model.to(device).eval()


def open_clip_name(spec: ModelSpec) -> str:
    """The model's name for open_clip's functions."""
    return f"local-dir:{spec.architecture}" if spec.is_folder else spec.architecture


class ClipTextEncoder:
    """A text tower.

    In a causal tower that pools at the end token, tokens behind it do not change the vector, so
    each batch is cut to its longest text instead of 77 tokens. Other towers get all 77.
    """

    def __init__(self, spec: ModelSpec, device: str) -> None:
        import open_clip

        self._model = load_clip(spec, device)
        self._model.visual = None
        self._tokenize = open_clip.get_tokenizer(open_clip_name(spec))
        self._end_positions = _end_positions(getattr(self._model, "text", None))
        self.device, self.precision, self._batch_size = device, spec.precision, spec.batch_size
        self.dimension = _dimension(self.forward, {"tokens": self._tokenize(["a"]).to(device)})

    def prepare(self, items: Sequence[str]) -> Prepared:
        """Tokenise, in batches of texts of similar length."""
        tokens = self._tokenize(list(items))
        lengths = np.full(len(items), tokens.shape[1])
        if self._end_positions is not None:
            lengths = self._end_positions(tokens).numpy() + 1
        return Prepared(
            len(items),
            [
                Batch(positions, {"tokens": tokens[positions, : lengths[positions[0]]]})
                for positions in cut_by_length(lengths, self._batch_size)
            ],
        )

    def forward(self, inputs: Inputs) -> Any:
        """The projected text vectors, (batch, dimension), not normalised."""
        import torch

        tokens = inputs["tokens"]
        if self._end_positions is None:
            return self._model.encode_text(tokens)
        tower, n = self._model.text, tokens.shape[1]
        cut_parameters = {  # to the batch's n tokens
            "positional_embedding": tower.positional_embedding[:n],
            "attn_mask": tower.attn_mask[:n, :n],
        }
        return torch.func.functional_call(tower, cut_parameters, (tokens,))


class ClipImageEncoder:
    """An image tower with the preprocessing of its open_clip model (resize, crop, normalise)."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self._model = load_clip(spec, device)
        self._model.text = None
        config = PreprocessCfg(**self._model.visual.preprocess_cfg)
        self._transform = image_transform_v2(config, is_train=False)
        self.device, self.precision, self._batch_size = device, spec.precision, spec.batch_size
        size = config.size if isinstance(config.size, tuple) else (config.size, config.size)
        self.dimension = _dimension(self.forward, {"images": torch.zeros(1, 3, *size).to(device)})

    def prepare(self, items: Sequence[Image]) -> Prepared:
        """Decode and preprocess, in batches; images that fail get a reason in `faults`."""
        import torch

        faults: dict[int, str] = {}
        images = {}
        for position, item in enumerate(items):
            try:
                images[position] = self._transform(decode_image(item))
            except ImageError as fault:
                faults[position] = fault.reason
            except Exception:  # the transform raises many types for odd but decodable images
                faults[position] = BROKEN
        decoded = np.array(sorted(images), np.int64)  # positions
        batches = []
        for start in range(0, decoded.size, self._batch_size):
            positions = decoded[start : start + self._batch_size]
            stacked = torch.stack([images[k] for k in positions.tolist()])
            batches.append(Batch(positions, {"images": stacked}))
        return Prepared(len(items), batches, faults)

    def forward(self, inputs: Inputs) -> Any:
        """The projected image vectors, (batch, dimension), not normalised."""
        return self._model.encode_image(inputs["images"])


def _dimension(forward: Callable[[Inputs], Any], inputs: Inputs) -> int:
    """Length of the vectors that a tower gives, from a trial run."""
    import torch

    with torch.inference_mode():
        return int(forward(inputs).shape[1])


def _end_positions(tower: Any) -> Callable[[Any], Any] | None:
    """The function tokens -> position of each text's end token, (batch,); None if padding matters.

    Padding does not matter in a causal text transformer that pools at the end token.
    """
    from open_clip.transformer import TextTransformer

    if not isinstance(tower, TextTransformer) or tower.attn_mask is None:
        return None
    if tower.cls_emb is not None or tower.use_pad_mask or tower.output_tokens:
        return None
    functions = {
        "argmax": lambda tokens: tokens.argmax(dim=-1),
        "eos": lambda tokens: (tokens == tower.eos_id).int().argmax(dim=-1),
    }
    return functions.get(tower.pool_type)
