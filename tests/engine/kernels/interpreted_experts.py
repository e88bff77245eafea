"""The mixture of experts, in Triton's interpreter, against torch's with what the codecs decode to."""

from __future__ import annotations

import pytest
import torch
from packed_samples import FORMATS, decoded, sample
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lacuna.engine.kernels.experts import experts, reference
from lacuna.engine.layers.packed_kernels import as_kernels_take_it as seen
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.int4 import Int4

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # of a large negative number: 0 is right

# Of what sums of absolutes come to: float16 rounds weights, what is between the products, pairs and the result.
BOUNDS = {torch.float16: 2.0**-8, torch.float32: 2.0**-17}
COUNT, TOP_K = 6, 2
ROUTINGS = {
    "any": lambda tokens: torch.rand(tokens, COUNT).topk(TOP_K).indices,
    "some have no tokens": lambda tokens: torch.rand(tokens, 2).topk(TOP_K).indices * 2 + 1,
    "one has all": lambda tokens: torch.stack([torch.full((tokens,), 5), torch.randint(5, (tokens,))], 1),
}


def most(x: Tensor, expert: Tensor, share: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """What the sums come to where nothing cancels: gelu(x) is at most |x|."""
    pairs, numbers = x.abs().repeat_interleave(TOP_K, 0), expert.flatten()
    gate, up = (gate_up.abs()[numbers] @ pairs[:, :, None])[..., 0].chunk(2, -1)
    outer = (down.abs()[numbers] @ (gate * up)[:, :, None])[..., 0] * share.abs().flatten()[:, None]
    return outer.view(len(x), TOP_K, -1).sum(1)


def check(x: Tensor, expert: Tensor, gate_up: Tensor | Codec, down: Tensor | Codec) -> None:
    share = torch.rand(expert.shape).to(x.dtype)
    found = experts(x, expert, share, seen(gate_up), seen(down))
    exact = x.double(), expert, share.double(), decoded(gate_up), decoded(down)
    assert found.dtype == x.dtype and bool(found.isfinite().all())
    difference = found.double().sum(1) - reference(*exact).sum(1)
    assert (difference.abs() <= BOUNDS[x.dtype] * most(*exact) + 1e-6).all()


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("tokens", [1, 16, 100])
def test_any_routing(tokens: int, routing: str) -> None:
    torch.manual_seed(tokens)
    x, expert = torch.randn(tokens, 64), ROUTINGS[routing](tokens)
    check(x, expert, sample("int4", COUNT, 96, 64), sample("nvfp4", COUNT, 64, 48))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", [name for name in FORMATS if "128" not in name])
def test_any_format(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, expert = (torch.randn(40, 64) / 64).to(dtype), ROUTINGS["any"](40)
    check(x, expert, sample(name, COUNT, 128, 64), sample(name, COUNT, 64, 64))


@pytest.mark.parametrize("name", ["float", "fp8", "int4", "nvfp4"])
def test_the_width_of_the_published_experts(name: str) -> None:
    torch.manual_seed(0)
    check(
        torch.randn(16, 32),
        ROUTINGS["some have no tokens"](16),
        sample(name, COUNT, 1408, 32),
        sample(name, COUNT, 32, 704),
    )


def test_a_whole_canvas() -> None:
    torch.manual_seed(0)
    check(
        torch.randn(256, 32),
        ROUTINGS["one has all"](256),
        sample("int4", COUNT, 70, 32),
        sample("float", COUNT, 32, 35),
    )


def test_no_tokens() -> None:
    nothing = torch.empty(0, TOP_K)
    found = experts(
        torch.empty(0, 64),
        nothing.long(),
        nothing,
        seen(torch.ones(3, 8, 64)),
        seen(torch.ones(3, 64, 4)),
    )
    assert found.shape == (0, TOP_K, 64)


def test_who_is_not_asked_is_not_heard() -> None:
    """NaN in the weights of experts without tokens, and in one token."""
    torch.manual_seed(0)
    scale = torch.ones(COUNT, 96, 2)
    scale[[0, 2, 4, 5]] = torch.nan
    gate_up = Int4(torch.randint(0, 256, (COUNT, 96, 32), dtype=torch.uint8), scale)
    x, expert = torch.randn(20, 64), ROUTINGS["some have no tokens"](20)
    x[7] = torch.nan
    found = experts(
        x,
        expert,
        torch.rand(20, TOP_K),
        seen(gate_up),
        seen(sample("nvfp4", COUNT, 64, 48)),
    )
    assert found[7].isnan().all() and found.isnan().sum() == TOP_K * 64


class Asked(TorchDispatchMode):
    """Keeps the names of torch's operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


def test_the_host_waits_for_nothing() -> None:
    """No operation between the launches brings a number from the device, and the same question gets the same bits."""
    torch.manual_seed(0)
    x, expert, share = torch.randn(16, 64), ROUTINGS["any"](16), torch.rand(16, TOP_K)
    gate_up, down = (
        seen(sample("int4", COUNT, 96, 64)),
        seen(sample("nvfp4", COUNT, 64, 48)),
    )
    first = experts(x, expert, share, gate_up, down)
    with Asked() as asked:
        again = experts(x, expert, share, gate_up, down)
    assert torch.equal(first, again)
    assert asked.names.isdisjoint({"_local_scalar_dense", "nonzero", "bincount", "repeat_interleave"}), asked.names
    assert "new_empty" in asked.names
