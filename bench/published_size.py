"""DiffusionGemma at its published size on a GPU, with random weights in bfloat16, FP8, INT4 and NVFP4.

Beside bfloat16 stands transformers over the same weights. Ours has passes as CUDA graphs too, where they are captured
here; a line above the rows of a form says why, if they are not.

    python bench/published_size.py [--forms bf16 fp8 int4 nvfp4] [--rounds N]

16 to 51 GB of weights, one form at a time; without --forms those that fit. Random weights say nothing of fills: a
generation takes a fixed number of steps. Beside a step's time stands its floor (step_floor.py), at the bandwidth that a
copy has on this device, and the share of it that is reached. The fill is of 12 tokens on a canvas of 32, in 6 steps,
behind text that was read. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from lacuna.engine.device.runtime import Runtime, choose, prepare_environment

prepare_environment()

import step_floor  # noqa: E402
import torch  # noqa: E402
from diffusion_gemma import CANVAS, PROMPT, SAMPLER, Ours, Peer, seconds, trace  # noqa: E402
from published_forms import FORMS, random_weights  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig  # noqa: E402

from lacuna.engine.device.memory import available  # noqa: E402
from lacuna.engine.families.diffusion_gemma import checkpoint, memory  # noqa: E402
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig as OurConfig  # noqa: E402
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma  # noqa: E402
from lacuna.engine.families.diffusion_gemma.published import CHECKPOINTS  # noqa: E402
from lacuna.engine.layers.dialects.translate import Plan  # noqa: E402

Times = dict[tuple[str, str], float]

FLOATS = "bf16"
HOLE, HOLE_CANVAS = 12, 32  # tokens of a short fill, positions of its canvas
STEPS = {"step": CANVAS, "step_96": 96, "step_32": 32}  # positions
SPARE = 2 * 10**9  # bytes of a device that are left: for transformers' passes, and graphs

# What the published config.json says of the text path; the rest are transformers' defaults.
PUBLISHED: dict[str, Any] = {
    "vocab_size": 262144,
    "hidden_size": 2816,
    "intermediate_size": 2112,
    "num_hidden_layers": 30,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "global_head_dim": 512,
    "num_global_key_value_heads": 2,
    "sliding_window": 1024,
    "num_experts": 128,
    "top_k_experts": 8,
    "moe_intermediate_size": 704,
    "max_position_embeddings": 262144,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="+", choices=FORMS, help="default: all that fit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--layers", type=int, default=PUBLISHED["num_hidden_layers"], help="fewer, to try it out")
    parser.add_argument("--experts", type=int, default=PUBLISHED["num_experts"], help="likewise")
    options = parser.parse_args()
    runtime = choose(options.device, "bfloat16")
    card = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    bandwidth, peak = _bandwidth(options.device), step_floor.peak_of(card)
    _free(options.device)
    known = f"{peak / 1e12:.0f} TFLOP/s" if peak else "FLOP/s not known: floors are by bytes alone"
    print(f"{card}, a copy moves {bandwidth / 1e9:,.0f} GB/s, {known}", flush=True)
    published = _config(options.layers, options.experts)
    config = OurConfig.from_hf(published.to_dict())
    result: dict[str, object] = {"device": card, "bandwidth_gb_s": round(bandwidth / 1e9, 1)}
    for form in options.forms or _fitting(config, runtime):
        plan = CHECKPOINTS[form].plan(config)
        with torch.inference_mode():
            best = _best(_engines(form, published, plan, runtime), config.vocab_size, options)
        floors = {name: _floor(config, plan, tokens, bandwidth, peak) for name, tokens in STEPS.items()}
        result |= _report(form, best, _nbytes(plan), floors)
        _free(options.device)
    print(json.dumps(result))


class Captured(Ours):
    """The same model, whose passes are captured while this is measured, and only then."""

    name = "with graphs"

    def __init__(self, model: DiffusionGemma) -> None:
        super().__init__(model)
        self._captured, model.captured = model.captured, None

    @contextmanager
    def measured(self) -> Iterator[None]:
        self._model.captured = self._captured
        try:
            yield
        finally:
            self._model.captured = None


def _captured(model: DiffusionGemma) -> list[Captured]:
    model.capture()
    print(f"passes are launched {model.launches or 'kernel by kernel'}", flush=True)
    return [Captured(model)] if model.captured is not None else []


def _config(layers: int, experts: int) -> DiffusionGemmaConfig:
    vision = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 16}
    text = DiffusionGemmaTextConfig(**(PUBLISHED | {"num_hidden_layers": layers, "num_experts": experts}))
    return DiffusionGemmaConfig(text_config=text, vision_config=vision | heads, canvas_length=CANVAS)


def _fitting(config: OurConfig, runtime: Runtime) -> list[str]:
    """The forms that there is memory for; a line for each of the others."""
    free, found = available(runtime) - SPARE, []
    for form in FORMS:
        needed = memory.of_plan(config, CHECKPOINTS[form].plan(config), runtime, PROMPT).total
        if needed <= free:
            found.append(form)
        else:
            print(f"{form}: left out, needs {needed / 1e9:.1f} GB of the {free / 1e9:.1f} that are free")
    return found


def _engines(form: str, published: DiffusionGemmaConfig, plan: Plan, runtime: Runtime) -> list[Peer | Ours]:
    """All that compute with the weights of a form."""
    peers: list[Peer | Ours] = []
    config, weights = OurConfig.from_hf(published.to_dict()), random_weights(plan, runtime.device)
    if form == FLOATS:
        reference = _reference(published, runtime.device)
        tensors = reference.state_dict()
        peers, weights = [Peer(reference)], ((name, tensors[name]) for name in plan.weights)
    model = checkpoint.assemble(config, weights, runtime)
    return [*peers, Ours(model), *_captured(model)]


def _reference(config: DiffusionGemmaConfig, device: str) -> DiffusionGemmaForBlockDiffusion:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = DiffusionGemmaForBlockDiffusion(config).eval()
    torch.set_default_dtype(torch.float32)
    return model


def _best(engines: Sequence[Peer | Ours], vocabulary: int, options: argparse.Namespace) -> Times:
    """Best seconds by engine and piece of work, in turns."""
    device = options.device
    ids = torch.randint(4, vocabulary, (1, PROMPT), device=device)
    canvas = torch.randint(4, vocabulary, (1, CANVAS), device=device)
    logits = torch.randn(1, CANVAS, vocabulary, device=device)
    best: Times = {}
    for _ in range(options.rounds):
        for name, job in _jobs(ids, canvas, logits).items():
            for engine in engines:
                if name == "fill" and isinstance(engine, Peer):  # it pins nothing
                    continue
                with engine.measured() if isinstance(engine, Captured) else nullcontext():
                    taken = seconds(partial(job, engine))
                best[engine.name, name] = min(best.get((engine.name, name), 1e9), taken)
    return best


def _jobs(ids: Tensor, canvas: Tensor, logits: Tensor) -> dict[str, Callable[[Any], object]]:
    return {**trace(ids, canvas, logits), "fill": lambda engine: engine.fill(HOLE, HOLE_CANVAS)}


def _floor(config: OurConfig, plan: Plan, tokens: int, bandwidth: float, peak: float | None) -> float:
    return step_floor.floor(step_floor.step(config, plan.weights, tokens, PROMPT).values(), bandwidth, peak)


def _report(form: str, best: Times, nbytes: int, floors: Mapping[str, float]) -> dict[str, object]:
    print(f"{form}, {nbytes / 1e9:.1f} GB of weights; floors of a step: {_milliseconds(floors)}")
    result: dict[str, object] = {f"{form}_weights_gb": round(nbytes / 1e9, 1)}
    result |= {f"{form}_floor_{name}_ms": round(1e3 * least, 3) for name, least in floors.items()}
    for name in dict.fromkeys(who for who, _ in best):
        times = {what: taken for (who, what), taken in best.items() if who == name}
        shares = {what: floors[what] / times[what] for what in floors}
        reached = ", ".join(f"{share:.0%}" for share in shares.values())
        rate = CANVAS / times["generate"]
        print(f"  {name:12} {_milliseconds(times)}; floor reached: {reached}; {rate:.0f} tokens/s", flush=True)
        key = f"{form}_{name.replace(' ', '_')}"
        result |= {f"{key}_{what}_ms": round(1e3 * taken, 2) for what, taken in times.items()}
        result |= {f"{key}_{what}_share": round(share, 3) for what, share in shares.items()}
    return result


def _nbytes(plan: Plan) -> int:
    return sum(weight.nbytes(torch.bfloat16) for weight in plan.weights.values())


def _milliseconds(times: Mapping[str, float]) -> str:
    words = {"encode": f"read {PROMPT}", "generate": f"canvas in {SAMPLER.max_denoising_steps} steps"}
    return ", ".join(f"{words.get(name, name)} {1e3 * taken:.1f} ms" for name, taken in times.items())


def _free(device: str) -> None:
    """What was held before goes back to the device, which the next form's models need whole."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _bandwidth(device: str) -> float:
    """Bytes read and written a second by one large copy, best of five."""
    size = 2**32 if device == "cuda" else 2**26
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.ones_like(a)
    return 2 * size / min(seconds(lambda: a.copy_(b)) for _ in range(5))


if __name__ == "__main__":
    main()
