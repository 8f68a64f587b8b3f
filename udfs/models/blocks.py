"""Blocks of open_clip's transformers for inference: fused attention, and on a GPU fused sums."""

import logging
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any

_MOST_ERROR = 2.0**-6  # of the largest number: some roundings, one after the other


def use_fused_attention(transformer: Any, *, is_causal: bool) -> bool:
    """Let a transformer of open_clip run `_run`; False, with nothing changed, if a block can't.

    Attention is one kernel that knows that it is causal, rather than one that reads a mask.
    """
    if not transformer.batch_first or not all(map(_is_plain, transformer.resblocks)):
        return False
    transformer.forward = partial(_run, transformer, is_causal)
    return True


def kernel_for_short_texts() -> Any:
    """Context in which attention on a GPU is the kernel that is fastest for few tokens.

    Of 16 tokens on an H200: 120 us, where torch's own choice takes 194 us.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])


def _is_plain(block: Any) -> bool:
    """Whether a block is self-attention and a perceptron as in CLIP."""
    import torch
    from open_clip.transformer import ResidualAttentionBlock

    return (
        type(block) is ResidualAttentionBlock
        and type(block.attn) is torch.nn.MultiheadAttention
        and block.attn.batch_first
        and not hasattr(block, "ln_1_kv")
    )


def _run(transformer: Any, is_causal: bool, x: Any, attn_mask: Any = None) -> Any:
    """All blocks, (n, tokens, width) to the same; no mask is read."""
    import torch

    blocks = list(transformer.resblocks)
    if x.is_cuda and all(map(_can_fuse, blocks)) and has_gpu_kernels(str(x.device)):
        with torch.cuda.device(x.device):  # Triton runs on the current one
            return _run_fused(blocks, is_causal, x)
    for block in blocks:
        x = x + block.ls_1(_attention(block.attn, block.ln_1(x), is_causal))
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
    return x


def _attention(attention: Any, x: Any, is_causal: bool) -> Any:
    """Self-attention, (n, tokens, width) to the same."""
    from torch.nn import functional as F

    projected = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    mixed = _mixed(projected, attention.num_heads, is_causal)
    return F.linear(mixed, attention.out_proj.weight, attention.out_proj.bias)


def _mixed(projected: Any, n_heads: int, is_causal: bool) -> Any:
    """Values weighed by attention, from queries, keys and values (n, tokens, 3 width)."""
    from torch.nn import functional as F

    n, tokens, three_widths = projected.shape
    heads = projected.view(n, tokens, 3, n_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = heads.unbind()
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=is_causal)
    return mixed.transpose(1, 2).reshape(n, tokens, three_widths // 3)


def _can_fuse(block: Any) -> bool:
    """Whether a block's weights are bf16 and its parts those that `_run_fused` knows."""
    import torch

    return (
        block.attn.in_proj_weight.dtype == block.ln_1.weight.dtype == torch.bfloat16
        and all(isinstance(norm, torch.nn.LayerNorm) for norm in (block.ln_1, block.ln_2))
        and all(isinstance(scale, torch.nn.Identity) for scale in (block.ls_1, block.ls_2))
        and block.attn.in_proj_bias is not None
    )


@lru_cache
def has_gpu_kernels(device: str) -> bool:
    """Whether this process can compile kernels for a GPU, which wants a C compiler, and they give
    what torch gives.
    """
    try:
        import torch

        with torch.cuda.device(device) if device != "cpu" else nullcontext():
            compare_kernels(device, torch.bfloat16)
    except Exception as fault:  # Triton, the C compiler and the driver raise many types
        reason = " ".join(str(fault).split())[:200]
        logging.getLogger(__name__).warning(
            "models on %s use torch's kernels, which are slower: %s", device, reason
        )
        return False
    return True


def compare_kernels(device: str, dtype: Any) -> None:
    """Run each kernel on a few numbers; AssertionError if one is off by more than it may round."""
    import torch
    from torch.nn import functional as F

    from udfs.models.gpu_kernels import add_and_norm, quick_gelu_, short_attention

    width, n_heads, tokens = 48, 3, 5
    numbers = torch.arange(4 * tokens * 3 * width).mul(0.37).sin().to(device, dtype)
    projected = numbers.view(4, tokens, 3 * width)
    mixed = short_attention(projected, n_heads, is_causal=True)
    _assert_close(mixed, _mixed(projected.float(), n_heads, is_causal=True))
    rows = numbers.view(-1, width)
    norm = torch.nn.LayerNorm(width, device=device, dtype=dtype)
    total, normed = add_and_norm(rows, rows.flip(0), norm)
    _assert_close(total, rows.float() + rows.flip(0).float())
    _assert_close(normed, F.layer_norm(total.float(), (width,), eps=norm.eps))
    exact = rows.float() * torch.sigmoid(1.702 * rows.float())
    _assert_close(quick_gelu_(rows.clone()), exact)


def _assert_close(values: Any, exact: Any) -> None:
    error = float((values.float() - exact).abs().max())
    assert error <= _MOST_ERROR * float(exact.abs().max()), f"a kernel is off by {error:.2g}"


def _run_fused(blocks: list[Any], is_causal: bool, x: Any) -> Any:
    """All blocks on a GPU in bf16, with a sum and the norm behind it in one kernel."""
    from torch.nn import functional as F

    from udfs.models.gpu_kernels import HEAD_WIDTHS, LONGEST, add_and_norm, short_attention

    n, tokens, width = x.shape
    rows, added = x.reshape(-1, width), None
    for block in blocks:
        attention, mlp = block.attn, block.mlp
        rows, normed = add_and_norm(rows, added, block.ln_1)
        projected = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias)
        projected = projected.view(n, tokens, 3 * width)
        if tokens <= LONGEST and width // attention.num_heads in HEAD_WIDTHS:
            mixed = short_attention(projected, attention.num_heads, is_causal=is_causal)
        else:
            mixed = _mixed(projected, attention.num_heads, is_causal)
        added = F.linear(
            mixed.reshape(-1, width), attention.out_proj.weight, attention.out_proj.bias
        )
        rows, normed = add_and_norm(rows, added, block.ln_2)
        added = mlp.c_proj(_activated(mlp, normed))
    return (rows + added).view(n, tokens, width)


def _activated(mlp: Any, x: Any) -> Any:
    """The hidden layer of a perceptron.

    GELU is computed with the product, where torch has it by its approximation with tanh, which is
    off by less than bf16 rounds.
    """
    import torch
    from open_clip.transformer import QuickGELU

    from udfs.models.gpu_kernels import quick_gelu_

    linear = mlp.c_fc
    if type(mlp.gelu) is torch.nn.GELU:
        return torch._addmm_activation(linear.bias, x, linear.weight.t(), use_gelu=True)
    hidden = linear(x)
    return quick_gelu_(hidden) if type(mlp.gelu) is QuickGELU else mlp.gelu(hidden)
