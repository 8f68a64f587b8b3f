"""CLIP's towers by open_clip (Radford et al. 2021; Ilharco et al. 2021)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udfs.images.decoding import Image
from udfs.models.device import inference, memory_for, pinned, precision_on, upload
from udfs.models.encoder import Batch, Inputs, Prepared, cut_by_length
from udfs.models.pixels import decode_images, normalised, preprocessing_of
from udfs.models.quiet import quiet
from udfs.models.spec import ModelError, ModelSpec, model_path
from udfs.models.towers import faster_image_tower, faster_text_tower

# A batch of texts on a GPU has the tokens of 4 x batch_size longest ones: it computes for longer
# than Python takes to queue the next.
_GPU_LONGEST_TEXTS = 4
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


def load_clip(spec: ModelSpec) -> Any:
    """An open_clip model with its weights, on the CPU.

    Raises ModelError if the file does not fit or is unsafe.
    """
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
                **tag_options(spec.architecture, spec.weights),
            )
        open_clip.load_checkpoint(model, str(file), weights_only=True)
    except Exception as fault:  # torch, safetensors and pickle raise many types for broken files
        reason = " ".join(str(fault).split())[:200]
        raise ModelError(f"weights {file}: cannot be loaded into {spec.name}: {reason}") from None
    return model.eval()


def tag_options(architecture: str, weights: str | None) -> dict[str, Any]:
    """What the weights of a tag were trained with and the architecture does not say.

    Arguments of open_clip's `create_model`: QuickGELU, of which open_clip itself only warns, and
    the preprocessing. None for weights that are a file.
    """
    import open_clip

    if weights not in open_clip.list_pretrained_tags_by_model(architecture):
        return {}
    config = open_clip.get_pretrained_cfg(architecture, weights)
    preprocessing = {name: config[name] for name in PREPROCESSING if name in config}
    return {
        "force_quick_gelu": bool(config.get("quick_gelu", False)),
        "force_preprocess_cfg": preprocessing,
    }


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

        model = load_clip(spec)
        model.visual = None
        self.device, self.precision = device, precision_on(device, spec.precision)
        tower = faster_text_tower(getattr(model, "text", None), self.precision)
        with memory_for(spec, device):
            model.to(device)
        self._tower, self._end_positions = model.encode_text, None
        if tower is not None:
            self._tower, self._end_positions = tower, tower.end_positions
            self.precision = tower.cast_to
        self._tokenize = _tokenizer(open_clip.get_tokenizer(open_clip_name(spec)))
        tokens = self._tokenize(["a"])
        self._batch_size = spec.batch_size
        most_tokens = _GPU_LONGEST_TEXTS * spec.batch_size * tokens.shape[1]
        self._most_tokens = None if device == "cpu" else most_tokens
        self.dimension = _dimension(self, {"tokens": pinned(tokens, device)})

    def prepare(self, items: Sequence[str]) -> Prepared:
        """Tokenise, in batches of texts of similar length."""
        tokens = self._tokenize(items)
        lengths = np.full(len(items), tokens.shape[1])
        if self._end_positions is not None:
            lengths = self._end_positions(tokens) + 1
        batches = []
        for positions in cut_by_length(lengths, self._batch_size, self._most_tokens):
            of_batch = tokens[positions, : lengths[positions[0]]]
            batches.append(Batch(positions, {"tokens": pinned(of_batch, self.device)}))
        return Prepared(len(items), batches)

    def forward(self, inputs: Inputs) -> Any:
        """The projected text vectors, (batch, dimension), not normalised."""
        return self._tower(inputs["tokens"].long())


def _tokenizer(own: Any) -> Callable[[Sequence[str]], NDArray[np.int32]]:
    """Texts -> ids, (n, context), as a tokeniser of open_clip gives them."""
    from udfs.models.clip_tokens import ClipTokens, encodes_words_apart, tokenize_in_threads

    return ClipTokens(own) if encodes_words_apart(own) else partial(tokenize_in_threads, own)


class ClipImageEncoder:
    """An image tower with the preprocessing of its open_clip model (resize, crop, normalise)."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        model = load_clip(spec)
        model.text = None
        self.device, self.precision = device, precision_on(device, spec.precision)
        tower = faster_image_tower(model.visual, self.precision)
        with memory_for(spec, device):
            model.to(device)
        self._tower = model.encode_image
        if tower is not None:
            self._tower, self.precision = tower, tower.cast_to
        self._preprocessing = preprocessing_of(model.visual, rgb_first=spec.rgb_first)
        self._batch_size = spec.batch_size
        geometry = self._preprocessing.geometry
        size = (1, geometry.height, geometry.width, 3)
        self.dimension = _dimension(self, {"pixels": pinned(np.zeros(size, np.uint8), device)})

    def prepare(self, items: Sequence[Image]) -> Prepared:
        """Decode and preprocess, in batches; images that fail get a reason in `faults`."""
        pixels, faults = decode_images(items, self._preprocessing, is_pinned=self.device != "cpu")
        decoded = np.array([k for k in range(len(items)) if k not in faults], np.int64)
        batches = []
        for start in range(0, decoded.size, self._batch_size):
            positions = decoded[start : start + self._batch_size]
            first, last = int(positions[0]), int(positions[-1])
            is_whole = last - first + 1 == positions.size
            of_batch = pixels[first : last + 1] if is_whole else pixels[positions]
            batches.append(Batch(positions, {"pixels": of_batch}))
        return Prepared(len(items), batches, faults)

    def forward(self, inputs: Inputs) -> Any:
        """The projected image vectors, (batch, dimension), not normalised."""
        return self._tower(normalised(inputs["pixels"], self._preprocessing))


def _dimension(encoder: Any, inputs: Inputs) -> int:
    """Length of the vectors that a tower gives, from a trial run."""
    with inference(encoder.device, encoder.precision):
        return int(encoder.forward(upload(inputs, encoder.device)).shape[1])
