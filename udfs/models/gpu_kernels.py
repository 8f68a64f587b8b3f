"""Kernels of a transformer for inference on a GPU, in 16 bits: each reads and writes its rows once.

A text has 16 tokens on average. Attention of so few is faster in a kernel that holds all tokens of
a head at once than in those of torch, which are made for thousands; and a sum with the norm behind
it is one pass over memory in place of two.
"""

from typing import Any

import triton  # comes with torch where there are GPUs
import triton.language as tl

LONGEST = 64  # tokens of a sequence that `short_attention` takes
HEAD_WIDTHS = (16, 32, 64, 128)


def add_and_norm(x: Any, added: Any | None, norm: Any) -> tuple[Any, Any]:
    """(x + added, its layer norm), 16 bits, (rows, width) each; x itself if nothing is added.

    Sums and the norm are computed in float32; the norm is that of the sum as it is rounded.
    """
    import torch

    rows, width = x.shape
    total = x if added is None else torch.empty_like(x)
    normed = torch.empty_like(x)
    _add_and_norm[(rows,)](
        x,
        x if added is None else added,
        norm.weight,
        norm.bias,
        total,
        normed,
        width,
        norm.eps,
        has_added=added is not None,
        block=triton.next_power_of_2(width),
        num_warps=4,
    )
    return total, normed


@triton.jit
def _add_and_norm(
    x, added, weight, bias, total, normed, width, eps, has_added: tl.constexpr, block: tl.constexpr
):
    start = tl.program_id(0).to(tl.int64) * width
    column = tl.arange(0, block)
    is_in = column < width
    row = tl.load(x + start + column, mask=is_in, other=0.0).to(tl.float32)
    if has_added:
        row += tl.load(added + start + column, mask=is_in, other=0.0).to(tl.float32)
        rounded = row.to(total.dtype.element_ty)
        tl.store(total + start + column, rounded, mask=is_in)
        row = rounded.to(tl.float32)
    mean = tl.sum(row, 0) / width
    centred = tl.where(is_in, row - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centred * centred, 0) / width + eps)
    weights = tl.load(weight + column, mask=is_in).to(tl.float32)
    biases = tl.load(bias + column, mask=is_in).to(tl.float32)
    result = centred * scale * weights + biases
    tl.store(normed + start + column, result.to(normed.dtype.element_ty), mask=is_in)


def short_attention(projected: Any, n_heads: int, *, is_causal: bool) -> Any:
    """Attention of sequences of at most LONGEST tokens.

    projected: (n, tokens, 3 width), 16 bits, contiguous: queries, keys and values, each head by
    head. Returns (n, tokens, width).
    """
    import torch

    n, tokens, three_widths = projected.shape
    width = three_widths // 3
    mixed = torch.empty((n, tokens, width), dtype=projected.dtype, device=projected.device)
    head_width = width // n_heads
    block = max(16, triton.next_power_of_2(tokens))
    _short_attention[(n * n_heads,)](
        projected,
        mixed,
        tokens,
        n_heads,
        head_width**-0.5,
        is_causal=is_causal,
        block=block,
        head=head_width,
        num_warps=1 if block == 16 else block // 16,
    )
    return mixed


@triton.jit
def _short_attention(
    projected,
    mixed,
    tokens,
    n_heads,
    scale,
    is_causal: tl.constexpr,
    block: tl.constexpr,
    head: tl.constexpr,
):
    width = n_heads * head
    sequence = (tl.program_id(0) // n_heads).to(tl.int64)
    of_head = (tl.program_id(0) % n_heads) * head + tl.arange(0, head)
    token = tl.arange(0, block)
    is_in = token < tokens
    at = projected + sequence * tokens * 3 * width + token[:, None] * 3 * width + of_head[None, :]
    query = tl.load(at, mask=is_in[:, None], other=0.0)
    key = tl.load(at + width, mask=is_in[:, None], other=0.0)
    value = tl.load(at + 2 * width, mask=is_in[:, None], other=0.0)
    scores = tl.dot(query, tl.trans(key)) * scale
    is_seen = is_in[None, :] & (token[:, None] >= 0)
    if is_causal:
        is_seen = is_seen & (token[None, :] <= token[:, None])
    scores = tl.where(is_seen, scores, float("-inf"))
    shares = tl.exp(scores - tl.max(scores, 1)[:, None])
    shares = shares / tl.sum(shares, 1)[:, None]
    result = tl.dot(shares.to(value.dtype), value)
    to = mixed + sequence * tokens * width + token[:, None] * width + of_head[None, :]
    tl.store(to, result.to(value.dtype), mask=is_in[:, None])


def quick_gelu_(x: Any) -> Any:
    """Replace x, contiguous, by x * sigmoid(1.702 x)."""
    n = x.numel()
    _quick_gelu[(triton.cdiv(n, 1024),)](x, n, block=1024, num_warps=4)
    return x


@triton.jit
def _quick_gelu(x, n, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    values = tl.load(x + at, mask=at < n, other=0.0).to(tl.float32)
    tl.store(x + at, (values * tl.sigmoid(1.702 * values)).to(x.dtype.element_ty), mask=at < n)
