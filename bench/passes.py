"""The engine's passes, alone: milliseconds, and share of the machine's measured GEMM peak.

python bench/passes.py [--dtype float32]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from lacuna.engine.device import runtime

runtime.prepare_environment()

import torch  # noqa: E402 (after the environment is set)

from lacuna.engine.families.gap import loading  # noqa: E402
from lacuna.engine.families.gap.decoding.rerank import Reranker  # noqa: E402
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree  # noqa: E402
from lacuna.engine.families.gap.filler import GapFiller  # noqa: E402
from lacuna.engine.families.gap.kv_context import KvContext  # noqa: E402
from lacuna.engine.models.decoder import Decoder  # noqa: E402
from lacuna.engine.store import model_store  # noqa: E402

TEXT = "def scale(values, factor):\n    return [value * factor for value in values]\n\n\n"
AIMS = {
    "canvas_step_16": 25.0,
    "typed_token": 15.0,
    "judge_draft": 25.0,
    "suffix_read_64": 80.0,
    "cold_prefix_512": 700.0,
}


def median_ms(trace: Callable[[], object], prepare: Callable[[], object] = lambda: None, runs: int = 15) -> float:
    times = []
    for run in range(runs + 2):
        prepare()
        start = time.perf_counter()
        trace()
        if run >= 2:  # the first two warm up
            times.append((time.perf_counter() - start) * 1000.0)
    return statistics.median(times)


def gemm_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of one large square product."""
    size = 1536
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    return 2 * size**3 / median_ms(lambda: a @ b, runs=9) / 1e6


def measure(filled: GapFiller) -> dict[str, float]:
    """Milliseconds per pass, at a prefix of 384 tokens and a suffix of 64 where nothing else is said."""
    denoiser, tokenizer = filled.denoiser, filled.tokenizer
    ids = tokenizer.encode(TEXT * 40)
    prefix, suffix, draft = ids[:384], ids[:64], ids[384:396]
    context = denoiser.context()
    context.prefill_prefix(prefix, _go)
    read = denoiser.suffixes.prefill(suffix)
    context.place_suffix(read, denoiser.config.suffix_distance)
    fill = tokenizer.decode(draft)
    rerank = Reranker(denoiser, context, suffix, tokenizer)  # 8 tokens of the suffix behind the draft's 12
    noise = CanvasTree([], {(): 16})
    step = CanvasTree([tuple(draft[:10])], {tuple(draft[:10]): 8, tuple(draft[:4]): 8})
    return {
        "canvas_step_16": median_ms(lambda: denoiser.denoise(context, noise)),
        "sampler_step_10_16": median_ms(lambda: denoiser.denoise(context, step)),
        "typed_token": median_ms(
            lambda: _read_and_predict(context, ids[:385]), lambda: context.prefill_prefix(prefix, _go)
        ),
        "judge_draft": median_ms(lambda: rerank.scores([fill])),
        "left_to_right_12_tokens": median_ms(lambda: _left_to_right(context, prefix, 12), runs=5),
        "suffix_read_64": median_ms(lambda: denoiser.suffixes._prefill(tuple(suffix))),
        "suffix_rerotated": median_ms(lambda: context.place_suffix(read, 64)),
        "cold_prefix_512": median_ms(lambda: denoiser.context().prefill_prefix(ids[:512], _go), runs=5),
    }


def shares(filled: GapFiller, times: dict[str, float], peak: float) -> dict[str, float]:
    """What part of the GEMM peak each pass reaches, counting the matrices' products and no attention."""
    base = filled.denoiser.base
    assert isinstance(base, Decoder), "the products of other decoders are not counted here"
    config = base.config
    layers = (
        2e-9
        * config.num_hidden_layers
        * sum(a * b for a, b in (s for s in config.layer_shapes().values() if len(s) == 2))
    )
    head = 2e-9 * config.vocab_size * config.hidden_size
    tokens = {
        "canvas_step_16": (17, 17),
        "sampler_step_10_16": (27, 27),
        "typed_token": (1, 1),
        "judge_draft": (19, 19),
        "suffix_read_64": (65, 0),
        "cold_prefix_512": (513, 1),
    }
    return {
        name: (rows * layers + heads * head) / (times[name] / 1000.0) / peak for name, (rows, heads) in tokens.items()
    }


def _read_and_predict(context: KvContext, prefix: list[int]) -> None:
    context.prefill_prefix(prefix, _go)
    _ = context.next_log_probabilities


def _go() -> None:
    """Nothing stops a bench."""


def _left_to_right(context: KvContext, prefix: list[int], count: int) -> list[int]:
    """What the same base says with the same cache, token by token: the price of a fill without a canvas."""
    ids = list(prefix)
    for _ in range(count):
        context.prefill_prefix(ids, _go)
        ids.append(int(context.next_log_probabilities.argmax()))
    return ids[len(prefix) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", default="auto")
    chosen = runtime.choose(dtype=parser.parse_args().dtype)
    with torch.inference_mode():
        filled = loading.load(model_store.EMBEDDED, chosen)
        peak = gemm_peak(chosen.torch_dtype)
        times = measure(filled)
        share = shares(filled, times, peak)
    print(f"{chosen.reason}; GEMM peak {peak:.0f} GFLOP/s")
    print(f"{'pass':26}{'ms':>8}{'aim':>8}{'of peak':>10}")
    for name, value in times.items():
        aim, part = AIMS.get(name), share.get(name)
        print(f"{name:26}{value:8.1f}{aim or '':>8}{'' if part is None else f'{part:.0%}':>10}")
    print(json.dumps({"gemm_gflops": round(peak)} | {name + "_ms": round(value, 1) for name, value in times.items()}))


if __name__ == "__main__":
    main()
