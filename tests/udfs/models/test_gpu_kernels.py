"""Kernels for GPUs by Triton's interpreter, on a CPU, against torch."""

import os
import subprocess
import sys

import pytest

COMPARED = """
import torch
from torch.nn import functional as F
from udfs.models.gpu_kernels import LONGEST, add_and_norm, quick_gelu_, short_attention

torch.manual_seed(0)
bf16 = torch.bfloat16
ULP = 2**-7  # the interpreter cuts numbers to bf16, where a GPU rounds
for rows, width in ((1, 48), (5, 512), (3, 768)):
    x, added = torch.randn(2, rows, width, dtype=bf16)
    norm = torch.nn.LayerNorm(width)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    norm = norm.to(bf16)
    for other in (None, added):
        total, normed = add_and_norm(x, other, norm)
        sums = x.float() if other is None else x.float() + other.float()
        assert (total.float() - sums).abs().max() <= ULP * sums.abs().max()
        exact = F.layer_norm(
            total.float(), (width,), norm.weight.float(), norm.bias.float(), norm.eps
        )
        assert (normed.float() - exact).abs().max() <= ULP * exact.abs().max(), (rows, width)

for tokens in (1, 2, 15, 16, 17, 40, LONGEST):
    for n_heads, head in ((1, 16), (3, 64)):
        # The interpreter's products of bf16 are wrong.
        projected = torch.randn(2, tokens, 3 * n_heads * head, dtype=torch.float16)
        q, k, v = projected.view(2, tokens, 3, n_heads, head).permute(2, 0, 3, 1, 4).float()
        for is_causal in (True, False):
            exact = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
            exact = exact.transpose(1, 2).reshape(2, tokens, -1)
            mixed = short_attention(projected, n_heads, is_causal=is_causal)
            assert (mixed.float() - exact).abs().max() < 0.005, (tokens, n_heads, head, is_causal)

x = torch.randn(3, 1500, dtype=bf16)
exact = x.float() * torch.sigmoid(1.702 * x.float())
assert (quick_gelu_(x).float() - exact).abs().max() <= ULP * exact.abs().max()

from udfs.models.blocks import compare_kernels, has_gpu_kernels
compare_kernels("cpu", torch.float16)
assert not has_gpu_kernels("cpu")  # it finds that these products of bf16 are wrong
print("all compared")
"""


def test_kernels_give_what_torch_gives() -> None:
    pytest.importorskip("triton", reason="Triton comes with builds of torch for GPUs")
    result = subprocess.run(
        [sys.executable, "-c", COMPARED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "all compared\n", result.stderr
    assert (
        "models on cpu use torch's kernels, which are slower: a kernel is off by" in result.stderr
    )
