"""DiffusionGemma, ours against transformers': share of the GEMM peak, whole generations, second keystroke.

Both run one random checkpoint in this process, in turns (A B A B), in one dtype and with the same number of threads.
The best of the rounds counts. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engine.runtime import Runtime, choose, prepare_environment

prepare_environment()

import torch  # noqa: E402
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig  # noqa: E402
from transformers.cache_utils import DynamicCache  # noqa: E402

from engine.block_diffusion import generate  # noqa: E402
from engine.entropy_bound import EntropyBoundConfig, Noise  # noqa: E402
from engine.models.diffusion_gemma import checkpoint  # noqa: E402
from engine.models.diffusion_gemma.config import DiffusionGemmaConfig as OurConfig  # noqa: E402
from engine.models.diffusion_gemma.model import DiffusionGemma  # noqa: E402

PROMPT = 512
CANVAS = 256
TYPED = 1  # tokens of a keystroke
SAMPLER = EntropyBoundConfig(max_new_tokens=CANVAS, max_denoising_steps=6, eos_token_ids=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runtime = choose("cpu", options.dtype)
    with tempfile.TemporaryDirectory() as directory, torch.inference_mode():
        reference = _reference(runtime)
        reference.save_pretrained(directory)
        _report(_Peer(reference), _Ours(checkpoint.load(Path(directory), runtime)), runtime, options.rounds)


class _Ours:
    name = "lacuna"

    def __init__(self, model: DiffusionGemma) -> None:
        self.config = model.config
        self._model = model
        self._cache = model.cache()

    def encode(self, ids: torch.Tensor) -> None:
        self._cache = self._model.cache()
        self._model.encode(ids, self._cache)

    def step(self, canvas: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        expected = None if logits is None else self._model.expect(logits.softmax(-1))
        return self._model.logits(self._model.denoise(canvas, self._cache, expected))

    def generate(self, ids: torch.Tensor) -> None:
        self.encode(ids)
        for _ in generate(self._model, self._cache, SAMPLER, Noise(0, self._model.config.vocab_size, "cpu")):
            pass

    def keystroke(self, ids: torch.Tensor) -> None:
        """Everything but the last token was read before."""
        self._cache.truncate(ids.shape[1] - TYPED)
        self._model.encode(ids[:, -TYPED:], self._cache)


class _Peer:
    name = "transformers"

    def __init__(self, model: DiffusionGemmaForBlockDiffusion) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config.get_text_config(decoder=True))

    def encode(self, ids: torch.Tensor) -> None:
        self._cache = DynamicCache(config=self._model.config.get_text_config(decoder=True))
        self._model.model.encoder(input_ids=ids, past_key_values=self._cache)

    def step(self, canvas: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        return self._model(
            decoder_input_ids=canvas, past_key_values=self._cache, self_conditioning_logits=logits
        ).logits

    def generate(self, ids: torch.Tensor) -> None:
        # Its thresholds must be above 0: this one is never reached, so both engines take all steps.
        self._model.generate(
            input_ids=ids,  # type: ignore[arg-type]
            max_new_tokens=SAMPLER.max_new_tokens,
            max_denoising_steps=SAMPLER.max_denoising_steps,
            confidence_threshold=1e-30,
            eos_token_id=None,
            pad_token_id=None,
        )

    def keystroke(self, ids: torch.Tensor) -> None:
        """Its sliding caches keep the window alone and cannot go back: all is read again."""
        self.encode(ids)


def _reference(runtime: Runtime) -> DiffusionGemmaForBlockDiffusion:
    """85M parameters in the published model's proportions: embedding and head are 40 % of a step's arithmetic."""
    text: dict[str, Any] = {
        "vocab_size": 12288,
        "hidden_size": 512,
        "intermediate_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "global_head_dim": 128,
        "num_global_key_value_heads": 1,
        "sliding_window": 256,
        "num_experts": 64,
        "top_k_experts": 8,
        "moe_intermediate_size": 128,
        "max_position_embeddings": 4096,
    }
    vision = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 16}
    torch.manual_seed(0)
    text_config = DiffusionGemmaTextConfig(**text)
    config = DiffusionGemmaConfig(text_config=text_config, vision_config=vision | heads, canvas_length=CANVAS)
    return DiffusionGemmaForBlockDiffusion(config).eval().to(runtime.torch_dtype)


def _report(peer: _Peer, ours: _Ours, runtime: Runtime, rounds: int) -> None:
    config = ours.config
    ids = torch.randint(4, config.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    canvas = torch.randint(4, config.vocab_size, (1, CANVAS), generator=torch.Generator().manual_seed(2))
    logits = torch.randn(1, CANVAS, config.vocab_size, generator=torch.Generator().manual_seed(3)).to(
        runtime.torch_dtype
    )
    work: dict[str, Callable[[_Peer | _Ours], object]] = {
        "encode": lambda engine: engine.encode(ids),
        "step": lambda engine: engine.step(canvas, logits),
        "generate": lambda engine: engine.generate(ids),
        "keystroke": lambda engine: engine.keystroke(ids),
    }
    best: dict[tuple[str, str], float] = {}
    peak = 0.0
    for _ in range(rounds):
        for name, job in work.items():
            for engine in (peer, ours):
                best[engine.name, name] = min(best.get((engine.name, name), 1e9), _seconds(partial(job, engine)))
        peak = max(peak, _gemm_peak(runtime.torch_dtype))
    step = _multiply_adds(config, CANVAS, PROMPT, decoder=True)
    flops = {"encode": _multiply_adds(config, PROMPT, 0, decoder=False), "step": step}
    flops["generate"] = (
        flops["encode"] + SAMPLER.max_denoising_steps * step - _head(config, CANVAS)
    )  # no self-conditioning at first
    _print(best, {name: 2 * count for name, count in flops.items()}, peak, runtime)


def _multiply_adds(config: OurConfig, tokens: int, before: int, decoder: bool) -> int:
    """Of all matrix products that a pass over `tokens` tokens with `before` tokens in the cache cannot do without."""
    hidden, total = config.hidden_size, 0
    for layer in range(config.num_hidden_layers):
        attention = config.attention(layer)
        queries, pairs = (
            config.num_attention_heads * attention.head_dim,
            attention.num_key_value_heads * attention.head_dim,
        )
        seen = before if attention.window is None else min(before, attention.window - 1)
        # Causally a token sees half of its pass on average.
        slots = (
            seen + tokens
            if decoder
            else tokens // 2
            if attention.window is None
            else min(tokens // 2, attention.window)
        )
        projections = hidden * (2 * queries + pairs * (1 if attention.window is None else 2))
        blocks = 3 * hidden * (config.intermediate_size + config.top_k_experts * config.moe_intermediate_size)
        total += tokens * (projections + 2 * slots * queries + blocks + hidden * config.num_experts)
    if not decoder:
        return total
    return total + 2 * _head(config, tokens) + tokens * 3 * hidden * config.intermediate_size


def _head(config: OurConfig, tokens: int) -> int:
    return tokens * config.hidden_size * config.vocab_size


def _gemm_peak(dtype: torch.dtype) -> float:
    """FLOP/s of one large product, best of five."""
    size = 1024
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    return 2 * size**3 / min(_seconds(lambda: a @ b) for _ in range(5))


def _seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _print(best: dict[tuple[str, str], float], flops: dict[str, int], peak: float, runtime: Runtime) -> None:
    print(f"{runtime.dtype}, {runtime.threads} threads, GEMM peak {peak / 1e9:.0f} GFLOP/s")
    print(f"{'':10} {'transformers':>22} {'lacuna':>22} {'ratio':>7}")
    result: dict[str, object] = {
        "dtype": runtime.dtype,
        "threads": runtime.threads,
        "gemm_gflops": round(peak / 1e9, 1),
    }
    for name in ("encode", "step", "generate", "keystroke"):
        cells = []
        for engine in (_Peer.name, _Ours.name):
            seconds = best[engine, name]
            share = f"{100 * flops[name] / seconds / peak:4.0f} % of peak" if name in flops else ""
            cells.append(f"{1e3 * seconds:8.1f} ms {share:>12}")
            result[f"{name}_{engine}_ms"] = round(1e3 * seconds, 2)
            if name in flops:
                result[f"{name}_{engine}_share"] = round(flops[name] / seconds / peak, 3)
        ratio = best[_Peer.name, name] / best[_Ours.name, name]
        result[f"{name}_ratio"] = round(ratio, 2)
        print(f"{name:10} {cells[0]:>22} {cells[1]:>22} {ratio:6.2f}x")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
