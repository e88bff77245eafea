"""How many launches a layer takes on a GPU, counted in Triton's interpreter: its kernels, and torch's operations that
are no view."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from as_on_a_gpu import as_on_a_gpu
from packed_samples import sample
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime.interpreter import GridExecutor

from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.config import AttentionConfig, DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.families.diffusion_gemma.triton_span import place, spans
from lacuna.engine.layers.linear import Linear
from lacuna.engine.layers.packed_linear import Weight
from lacuna.engine.models.decoder import Decoder, DecoderConfig
from lacuna.engine.models.decoder import Layer as DecoderLayer

MOST = 13  # launches of a layer with a mixture of experts
HEADS = AttentionConfig(head_dim=32, num_key_value_heads=1, rope_theta=1e4, rotated=32, window=4)
CONFIG = DiffusionGemmaConfig(
    vocab_size=8, hidden_size=64, intermediate_size=64, num_attention_heads=2, num_experts=4, top_k_experts=2,
    moe_intermediate_size=32, rms_norm_eps=1e-6, final_logit_softcapping=30.0, max_position_embeddings=64,
    canvas_length=4, sliding=HEADS, full=HEADS, is_sliding=(True,),
)  # fmt: skip
# What launches nothing: views, and room for results.
NOTHING = {"view", "_unsafe_view", "reshape", "slice", "select", "expand", "transpose", "t", "permute", "as_strided"}
NOTHING |= {"unsqueeze", "squeeze", "split", "unbind", "detach", "alias", "lift_fresh"}
NOTHING |= {"empty", "empty_like", "new_empty", "empty_strided"}


class Launches(TorchDispatchMode):
    """Their names, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.names: list[str] = []
        self._is_inside = False
        run = GridExecutor.__call__

        def counted(executor: Any, *arguments: Any, **options: Any) -> Any:
            self.names.append(executor.fn.__name__)
            self._is_inside = True  # the interpreter's own operations
            try:
                return run(executor, *arguments, **options)
            finally:
                self._is_inside = False

        patch.setattr(GridExecutor, "__call__", counted)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.__name__.partition(".")[0]
        if not self._is_inside and name not in NOTHING:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    """As on a GPU that runs the kernels."""
    as_on_a_gpu(monkeypatch)
    return Launches(monkeypatch)


def weights(experts: str, others: str) -> dict[str, Weight]:
    """Of a layer, as these formats pack them; vectors are floats."""
    torch.manual_seed(0)
    shapes, made = CONFIG.layer_shapes(0), dict[str, Weight]()
    for name, shape in shapes.items():
        if name.startswith("experts."):
            made[name] = sample(experts, *shape)
        elif len(shape) == 2 and name != "router.proj.weight":
            made[name] = sample(others, *shape)
        else:
            made[name] = torch.randn(shape) / 4
    return {name: weight.float() if isinstance(weight, Tensor) else weight for name, weight in made.items()}


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    ("experts", "others"), [("float", "float"), ("int4", "fp8"), ("nvfp4", "float"), ("fp8", "fp8"), ("int4", "int4")]
)
@torch.no_grad()  # in inference mode torch's operations do not show what they are made of
def test_a_layer_with_experts(experts: str, others: str, is_causal: bool, launches: Launches) -> None:
    """Behind three tokens that are zeros."""
    layer, x = Layer(weights(experts, others), CONFIG, 0, torch.ones(1)), torch.randn(1, 4, 64)
    cache = Cache(CONFIG, 1, torch.float32, "cpu")
    cache.reserve(7)
    cache.extend(3)
    [span] = spans(place(cache, 4), True, 4, [Rope(HEADS, "cpu")], torch.float32, is_causal)
    arguments = (x, x / 2, span, layer.decoder_scalar, torch.ones(64))
    with launches:
        x, normed = layer(*arguments)
    assert len(launches.names) <= MOST, " ".join(launches.names)
    assert x.isfinite().all() and normed.isfinite().all()


@torch.no_grad()
def test_a_layer_of_the_gap_family(launches: Launches) -> None:
    """By what a second layer adds."""
    counts = []
    for layers in (1, 2):
        config = DecoderConfig(8, 32, 64, layers, 4, 2, 8, 1e-5, 1e4, 64, has_qkv_bias=True)
        shapes = config.layer_shapes().items()
        made = [DecoderLayer({name: torch.randn(shape) for name, shape in shapes}) for _ in range(layers)]
        decoder = Decoder(config, made, torch.randn(8, 32), torch.ones(32), Linear(torch.randn(8, 32)))
        x, cache, mask = torch.randn(3, 32), decoder.cache(8), torch.ones(3, 3, dtype=torch.bool)
        launches.names.clear()
        with launches:
            decoder.forward(x, torch.arange(3), cache, 0, 0, mask)
        counts.append(len(launches.names))
    assert counts[1] - counts[0] == 10, " ".join(launches.names)
