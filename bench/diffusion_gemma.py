"""DiffusionGemma, ours against transformers': share of the GEMM peak, whole generations, second keystroke.

Both run one random checkpoint in this process, in turns (A B A B), in one dtype and with the same number of threads.
The best of the rounds counts. Prints a table, and one line of JSON last.

Shares are of two peaks, of torch's own `a @ b`, and of the fastest product we know of, with a packed matrix: on AMD the
first, MKL's, keeps to AVX2 in float32 and is no measure of what the machine could do.
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

from lacuna.engine.device.runtime import Runtime, choose, prepare_environment

prepare_environment()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig  # noqa: E402
from transformers.cache_utils import DynamicCache  # noqa: E402

from lacuna.engine.families.diffusion_gemma import checkpoint  # noqa: E402
from lacuna.engine.families.diffusion_gemma.block_diffusion import Pins, denoise, generate  # noqa: E402
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig as OurConfig  # noqa: E402
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise  # noqa: E402
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma  # noqa: E402
from lacuna.engine.layers.linear import Linear  # noqa: E402

PROMPT = 512
CANVAS = 256
TYPED = 1  # tokens of a keystroke
SAMPLER = EntropyBoundConfig(max_new_tokens=CANVAS, max_denoising_steps=6, eos_token_ids=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: as the server would")
    options = parser.parse_args()
    runtime = choose("cpu", options.dtype, options.threads)
    with tempfile.TemporaryDirectory() as directory, torch.inference_mode():
        reference = _reference(runtime)
        reference.save_pretrained(directory)
        _report(Peer(reference), Ours(checkpoint.load(Path(directory), runtime)), runtime, options.rounds)


class Ours:
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
        for _ in generate(self._model, self._cache, SAMPLER, Noise(0, self.config.vocab_size, self._model.device)):
            pass

    def fill(self, hole: int, length: int) -> None:
        """A hole of so many tokens on a canvas of `length` behind what was read, in all steps; the host gets them."""
        noise = Noise(0, self.config.vocab_size, self._model.device)
        pins = Pins(torch.arange(hole, device=self._model.device))
        *_, last = denoise(self._model, self._cache, noise.ids(1, length), SAMPLER, noise, pins)
        last.best[0, :hole].tolist()

    def keystroke(self, ids: torch.Tensor) -> None:
        """Everything but the last token was read before."""
        self._cache.truncate(ids.shape[1] - TYPED)
        self._model.encode(ids[:, -TYPED:], self._cache)


class Peer:
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


def trace(ids: Tensor, canvas: Tensor, logits: Tensor) -> dict[str, Callable[[Peer | Ours], object]]:
    """What is timed, by name: a step of a whole canvas too, and of those that a line and a word or two get."""
    return {
        "encode": lambda engine: engine.encode(ids),
        "step": lambda engine: engine.step(canvas, logits),
        "step_96": lambda engine: engine.step(canvas[:, :96], logits[:, :96]),
        "step_32": lambda engine: engine.step(canvas[:, :32], logits[:, :32]),
        "generate": lambda engine: engine.generate(ids),
        "keystroke": lambda engine: engine.keystroke(ids),
    }


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


def _report(peer: Peer, ours: Ours, runtime: Runtime, rounds: int) -> None:
    config = ours.config
    ids = torch.randint(4, config.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    canvas = torch.randint(4, config.vocab_size, (1, CANVAS), generator=torch.Generator().manual_seed(2))
    logits = torch.randn(1, CANVAS, config.vocab_size, generator=torch.Generator().manual_seed(3)).to(
        runtime.torch_dtype
    )
    best: dict[tuple[str, str], float] = {}
    peaks = (0.0, 0.0)
    for _ in range(rounds):
        for name, job in trace(ids, canvas, logits).items():
            for engine in (peer, ours):
                best[engine.name, name] = min(best.get((engine.name, name), 1e9), seconds(partial(job, engine)))
        own, packed = _gemm_peaks(runtime.torch_dtype)
        peaks = (max(peaks[0], own), max(peaks[1], own, packed))
    encode, step = _encode(config, PROMPT), _step(config, CANVAS, PROMPT)
    first = step - _self_conditioning(config, CANVAS)  # a generation's first step has none
    generate = encode + first + (SAMPLER.max_denoising_steps - 1) * step
    _print(best, {"encode": 2 * encode, "step": 2 * step, "generate": 2 * generate}, peaks, runtime)


# Multiply-adds of all matrix products that a pass cannot do without; what an engine computes beyond them is its loss.


def _encode(config: OurConfig, tokens: int) -> int:
    """Of a first read: the last layer need only leave its keys and values."""
    total = 0
    for layer in range(config.num_hidden_layers):
        window = config.attention(layer).window or tokens
        seen = sum(min(token + 1, window) for token in range(tokens))
        last = layer == config.num_hidden_layers - 1
        total += _keys_and_values(config, layer, tokens) if last else _layer(config, layer, tokens, seen)
    return total


def _step(config: OurConfig, tokens: int, before: int) -> int:
    """Of a denoising step behind `before` tokens of text."""
    total = _head(config, tokens) + _self_conditioning(config, tokens)
    for layer in range(config.num_hidden_layers):
        window = config.attention(layer).window
        behind = before if window is None else min(before, window - 1)
        total += _layer(config, layer, tokens, tokens * (behind + tokens))
    return total


def _layer(config: OurConfig, layer: int, tokens: int, seen: int) -> int:
    """`seen` slots by all tokens together."""
    queries = config.num_attention_heads * config.attention(layer).head_dim
    inner = config.intermediate_size + config.top_k_experts * config.moe_intermediate_size
    per_token = config.hidden_size * (2 * queries + 3 * inner + config.num_experts)
    return tokens * per_token + 2 * seen * queries + _keys_and_values(config, layer, tokens)


def _keys_and_values(config: OurConfig, layer: int, tokens: int) -> int:
    attention = config.attention(layer)
    matrices = 1 if attention.window is None else 2  # full layers have no values of their own
    return tokens * config.hidden_size * matrices * attention.num_key_value_heads * attention.head_dim


def _self_conditioning(config: OurConfig, tokens: int) -> int:
    return _head(config, tokens) + tokens * 3 * config.hidden_size * config.intermediate_size


def _head(config: OurConfig, tokens: int) -> int:
    return tokens * config.hidden_size * config.vocab_size


def _gemm_peaks(dtype: torch.dtype) -> tuple[float, float]:
    """FLOP/s of one large product, best of five: torch's own, and with a packed matrix."""
    size = 1024
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    packed = Linear(b)
    own_seconds, packed_seconds = (min(seconds(job) for _ in range(5)) for job in (lambda: a @ b, lambda: packed(a)))
    return 2 * size**3 / own_seconds, 2 * size**3 / packed_seconds


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _print(
    best: dict[tuple[str, str], float], flops: dict[str, int], peaks: tuple[float, float], runtime: Runtime
) -> None:
    own, fastest = peaks
    print(f"{runtime.dtype}, {runtime.threads} threads, GEMM peaks: {own / 1e9:.0f} and {fastest / 1e9:.0f} GFLOP/s")
    print(f"{'':10} {'transformers':>26} {'lacuna':>26} {'ratio':>7}")
    result: dict[str, object] = {
        "dtype": runtime.dtype,
        "threads": runtime.threads,
        "gemm_gflops": round(own / 1e9, 1),
        "fastest_gemm_gflops": round(fastest / 1e9, 1),
    }
    for name in ("encode", "step", "step_96", "step_32", "generate", "keystroke"):
        cells = []
        for engine in (Peer.name, Ours.name):
            seconds, shares = best[engine, name], ""
            result[f"{name}_{engine}_ms"] = round(1e3 * seconds, 2)
            if name in flops:
                speed = flops[name] / seconds
                shares = f"{100 * speed / own:4.0f} / {100 * speed / fastest:2.0f} %"
                result[f"{name}_{engine}_shares"] = [round(speed / own, 3), round(speed / fastest, 3)]
            cells.append(f"{1e3 * seconds:8.1f} ms {shares:>14}")
        ratio = best[Peer.name, name] / best[Ours.name, name]
        result[f"{name}_ratio"] = round(ratio, 2)
        print(f"{name:10} {cells[0]:>26} {cells[1]:>26} {ratio:6.2f}x")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
