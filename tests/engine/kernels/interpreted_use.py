"""Layers and experts that use the kernels, in Triton's interpreter: the same as without them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from packed_samples import decoded, sample
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.experts import Experts
from lacuna.engine.families.diffusion_gemma.mlp import GatedMlp
from lacuna.engine.kernels.experts import reference
from lacuna.engine.layers import kernel_check, packed_kernels
from lacuna.engine.layers.packed_kernels import KernelLinear
from lacuna.engine.layers.packed_linear import DecodedLinear, SideBySide, linear
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.mxfp4 import Mxfp4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

COUNT, TOP_K = 5, 2
asked = packed_kernels.refusal

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # of a large negative number: 0 is right


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_kernels, "_missing", lambda device, dtype: "")
    monkeypatch.setattr(packed_kernels, "_wrong", lambda kind, device, dtype: "")
    monkeypatch.setattr(packed_kernels, "refusal", lambda kind, device, dtype: asked(kind, "cuda", dtype))


def banks(name: str) -> tuple[Any, Any]:
    return sample(name, COUNT, 128, 64), sample(name, COUNT, 64, 64)


@pytest.mark.parametrize("names", [("int4", "int4"), ("nvfp4", "float"), ("fp8", "nvfp4"), ("float", "float")])
def test_experts(names: tuple[str, str]) -> None:
    """Of which banks may be floats."""
    torch.manual_seed(0)
    (gate_up, _), (_, down) = banks(names[0]), banks(names[1])
    x, (share, expert) = torch.randn(9, 64) / 8, torch.rand(9, COUNT).softmax(-1).topk(TOP_K)
    experts = Experts(gate_up, down, torch.float32)
    assert experts._by_kernels is not None
    expected = reference(x.double(), expert, share.double(), decoded(gate_up), decoded(down)).sum(1)
    assert (experts(x, expert, share).sum(1) - expected).abs().max() <= 2.0**-16 * expected.abs().max()


def test_a_dense_block() -> None:
    """Gate and up in one codec each, and x with a dimension more."""
    torch.manual_seed(0)
    gate, up, down = sample("int4", 64, 32), sample("fp8", 64, 32), sample("nvfp4", 32, 64)
    weights = {f"mlp.{name}_proj.weight": weight for name, weight in (("gate", gate), ("up", up), ("down", down))}
    block = GatedMlp.of(weights, "mlp.", torch.float32)
    plain = {name: decoded(weight).float() for name, weight in weights.items()}
    x = torch.randn(1, 7, 32) / 8
    expected = GatedMlp.of(plain, "mlp.", torch.float32)(x)
    assert torch.allclose(block(x), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_who_multiplies() -> None:
    scale = torch.full((24, 1), 127, dtype=torch.uint8).view(torch.float8_e8m0fnu)
    unknown = Mxfp4(torch.zeros(24, 16, dtype=torch.uint8), scale)
    known = sample("int4, float16", 24, 32)
    assert isinstance(known, Codec)
    assert isinstance(linear(known, dtype=torch.float32), KernelLinear)
    assert isinstance(linear(unknown, dtype=torch.float32), DecodedLinear)
    assert isinstance(linear(known, unknown, dtype=torch.float32), SideBySide)
    assert KernelLinear(packed_kernels.as_kernels_take_it(known)).nbytes == known.nbytes
    experts = Experts(unknown[None], sample("int4", 1, 32, 32), torch.float32)
    assert experts._by_kernels is None


@pytest.mark.parametrize("kind", packed_kernels.KINDS)
def test_kernels_pass_their_own_check(kind: type[Tensor | Codec], monkeypatch: pytest.MonkeyPatch) -> None:
    if kind is not Fp8:
        monkeypatch.setattr(kernel_check, "TOKENS", (16,))  # 160 take the interpreter seconds
    assert kernel_check.differs(kind, torch.device("cpu"), torch.float16) == ""


def test_a_kernel_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right, here = kernel_check.linear, torch.device("cpu")

    def wrong(x: Tensor, weights: Any) -> Tensor:
        return right(x, weights) * (1.2 if len(x) > 16 else 1.0)

    monkeypatch.setattr(kernel_check, "linear", wrong)
    assert kernel_check.differs(Nvfp4, here, torch.float32) == "product of 160 rows"
    monkeypatch.setattr(kernel_check, "linear", right)
    monkeypatch.setattr(
        kernel_check, "experts", lambda x, expert, *rest: x.new_full((*expert.shape, x.shape[1]), torch.nan)
    )
    assert kernel_check.differs(Nvfp4, here, torch.float32) == "mixture of experts for 16 tokens"
