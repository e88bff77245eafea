"""DiffusionGemma at its published size on a GPU: ours and transformers' over the same random weights, in bfloat16.

Ours with passes as CUDA graphs too, where they are captured here; the line above the table says why, if they are not.

    python bench/published_size.py [--rounds N]

52 GB of weights, held once. Random weights say nothing of fills: a generation takes a fixed number of steps. A step
cannot be faster than its weights are read (256 tokens reach all experts), so beside times stands the share of the
bandwidth that a copy on this GPU has. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from lacuna.engine.device.runtime import choose, prepare_environment

prepare_environment()

import torch  # noqa: E402
from diffusion_gemma import CANVAS, PROMPT, SAMPLER, Ours, Peer, seconds, trace  # noqa: E402
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig  # noqa: E402

from lacuna.engine.families.diffusion_gemma import checkpoint  # noqa: E402
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig as OurConfig  # noqa: E402
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma  # noqa: E402

Times = dict[tuple[str, str], float]

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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--layers", type=int, default=PUBLISHED["num_hidden_layers"], help="fewer, to try it out")
    options = parser.parse_args()
    runtime = choose(options.device, "bfloat16")
    with torch.inference_mode():
        reference = _reference(options.device, options.layers)
        config = OurConfig.from_hf(reference.config.to_dict())
        tensors = reference.state_dict()
        model = checkpoint.assemble(config, ((name, tensors[name]) for name in config.shapes()), runtime)
        read = sum(tensors[name].nbytes for name in config.shapes())
        engines: list[Peer | Ours] = [Peer(reference), Ours(model), *_captured(model)]
        _report(_measure(engines, config.vocab_size, options), read, options.device)


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
    print(f"passes are launched {model.launches or 'kernel by kernel'}")
    return [Captured(model)] if model.captured is not None else []


def _reference(device: str, layers: int) -> DiffusionGemmaForBlockDiffusion:
    vision = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 16}
    text = DiffusionGemmaTextConfig(**(PUBLISHED | {"num_hidden_layers": layers}))
    config = DiffusionGemmaConfig(text_config=text, vision_config=vision | heads, canvas_length=CANVAS)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = DiffusionGemmaForBlockDiffusion(config).eval()
    torch.set_default_dtype(torch.float32)
    return model


def _measure(engines: Sequence[Peer | Ours], vocabulary: int, options: argparse.Namespace) -> Times:
    """Best seconds by engine and piece of work, in turns."""
    device = options.device
    ids = torch.randint(4, vocabulary, (1, PROMPT), device=device)
    canvas = torch.randint(4, vocabulary, (1, CANVAS), device=device)
    logits = torch.randn(1, CANVAS, vocabulary, device=device)
    best: Times = {}
    for _ in range(options.rounds):
        for name, job in trace(ids, canvas, logits).items():
            for engine in engines:
                with engine.measured() if isinstance(engine, Captured) else nullcontext():
                    taken = seconds(partial(job, engine))
                best[engine.name, name] = min(best.get((engine.name, name), 1e9), taken)
    return best


def _report(best: Times, read: int, device: str) -> None:
    bandwidth = _bandwidth(device)
    card = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{card}, bfloat16, {read / 1e9:.1f} GB of weights, a copy moves {bandwidth / 1e12:.2f} TB/s")
    result: dict[str, object] = {"device": card, "weights_gb": round(read / 1e9, 1)}
    for name in dict.fromkeys(who for who, _ in best):
        times = {what: 1e3 * least for (who, what), least in best.items() if who == name}
        share = read / (times["step"] / 1e3) / bandwidth
        steps = SAMPLER.max_denoising_steps
        rate = CANVAS / (times["generate"] / 1e3)
        print(
            f"{name:12} read {PROMPT}: {times['encode']:7.1f} ms   step: {times['step']:6.1f} ms "
            f"({share:.0%} of the bandwidth)   canvas in {steps} steps: {times['generate']:7.1f} ms "
            f"({rate:.0f} tokens/s)   second keystroke: {times['keystroke']:6.1f} ms"
        )
        key = name.replace(" ", "_")
        result |= {f"{what}_{key}_ms": round(value, 2) for what, value in times.items()}
        result[f"bandwidth_{key}"] = round(share, 3)
    print(json.dumps(result))


def _bandwidth(device: str) -> float:
    """Bytes read and written a second by one large copy, best of five."""
    size = 2**32 if device == "cuda" else 2**26
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.ones_like(a)
    return 2 * size / min(seconds(lambda: a.copy_(b)) for _ in range(5))


if __name__ == "__main__":
    main()
