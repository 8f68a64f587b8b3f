"""CLIP's two kinds of transformers for inference: fused attention, bf16 weights, exact ends."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from udfs.models.spec import Precision


class TextTower:
    """A causal text transformer that pools at the end token; tokens (n, length) -> (n, dimension).

    `cast_to`: the precision that its operations are still to be cast to, fp32 if to none.
    """

    def __init__(self, tower: Any, cast_to: Precision) -> None:
        self._tower, self.cast_to = tower, cast_to

    def end_positions(self, tokens: Any) -> Any:
        """Position of each text's end token, (n,); of an array or a tensor."""
        if self._tower.pool_type == "argmax":
            return tokens.argmax(-1)
        return (1 * (tokens == self._tower.eos_id)).argmax(-1)

    def __call__(self, tokens: Any) -> Any:
        """The projected vectors, not normalised; pooled and projected in float32."""
        import torch

        from udfs.models.blocks import kernel_for_short_texts

        tower = self._tower
        x = tower.token_embedding(tokens) + tower.positional_embedding[: tokens.shape[1]]
        with kernel_for_short_texts() if x.is_cuda else nullcontext():
            x = tower.transformer(x)
        rows = torch.arange(len(x), device=x.device)
        pooled = tower.ln_final(x[rows, self.end_positions(tokens)].float())
        projection = tower.text_projection
        if projection is None:
            return pooled
        is_linear = isinstance(projection, torch.nn.Linear)
        return projection(pooled) if is_linear else pooled @ projection


class ImageTower:
    """A vision transformer; images (n, 3, height, width), float32 -> (n, dimension).

    `cast_to`: the precision that its operations are still to be cast to, fp32 if to none.
    """

    def __init__(self, tower: Any, cast_to: Precision) -> None:
        self._tower, self.cast_to = tower, cast_to
        # The last norm, and so the projection, in float32.
        tower.ln_post.register_forward_pre_hook(lambda _norm, inputs: (inputs[0].float(),))

    def __call__(self, images: Any) -> Any:
        """The projected vectors, not normalised; pooled and projected in float32."""
        return self._tower(images.to(self._tower.conv1.weight.dtype))


def faster_text_tower(tower: Any, precision: Precision) -> TextTower | None:
    """The tower with its weights in such a precision; None, with nothing changed, if it is not so.

    Padding does not matter in a causal text transformer that pools at the end token.
    """
    from open_clip.transformer import TextTransformer

    from udfs.models.blocks import use_fused_attention

    if not isinstance(tower, TextTransformer) or tower.attn_mask is None:
        return None
    if tower.cls_emb is not None or tower.use_pad_mask or tower.output_tokens:
        return None
    if tower.pool_type not in ("argmax", "eos"):
        return None
    if not use_fused_attention(tower.transformer, is_causal=True):
        return None
    exact = (tower.ln_final, tower.text_projection)
    return TextTower(tower, _convert(tower, precision, exact))


def faster_image_tower(tower: Any, precision: Precision) -> ImageTower | None:
    """The tower with its weights in such a precision; None, with nothing changed, if it is not so.

    Of open_clip's vision transformers, those that pool by attention are not.
    """
    from open_clip.transformer import VisionTransformer

    from udfs.models.blocks import use_fused_attention

    if type(tower) is not VisionTransformer or tower.attn_pool is not None or tower.output_tokens:
        return None
    if not use_fused_attention(tower.transformer, is_causal=False):
        return None
    return ImageTower(tower, _convert(tower, precision, (tower.ln_post, tower.proj)))


def _convert(tower: Any, precision: Precision, exact: Iterable[Any]) -> Precision:
    """Convert weights to bf16, but for `exact`; what operations are still to be cast to."""
    import torch

    if precision != "bf16":
        return precision  # fp16 has too small a range for sums of many blocks
    kept = set()
    for part in exact:
        parameters = part.parameters() if isinstance(part, torch.nn.Module) else [part]
        kept |= {id(parameter) for parameter in parameters}
    for parameter in tower.parameters():
        if id(parameter) not in kept:
            parameter.data = parameter.data.bfloat16()
    return "fp32"
