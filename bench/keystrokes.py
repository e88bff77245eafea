"""The gap family's keystrokes, by the engine alone and on any device: what half of them take at most.

    python bench/keystrokes.py [--device cuda] [--dtype bfloat16] [--model MODEL | --random]

Somebody types into three small files, and every key is answered by a fill. The first key of a file, which has all of it
read, is left out, and so is a first round, in which kernels are compiled and caches grow; passes are captured as CUDA
graphs before, where they are. --random takes random weights of the 0.5B's sizes, for a GPU without files or a network:
how many passes its keystrokes take means nothing, milliseconds per pass do. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lacuna.engine.device import runtime

runtime.prepare_environment()

import random_gap_model  # noqa: E402 (after the environment is set)
import torch  # noqa: E402

from lacuna.engine import load  # noqa: E402
from lacuna.engine.api import Filler, Gap, Infill, WarmsUp  # noqa: E402
from lacuna.engine.families.gap import loading  # noqa: E402
from lacuna.engine.store import model_store  # noqa: E402

MODEL = "qwen2.5-coder-0.5b"
AIM_MS = 15.0  # on a GPU
# Prefix, what is typed behind it, suffix.
FILES = (
    (
        "import json\n\n\ndef load_config(path):\n    with open(path) as file:\n        ",
        "return json.loa",
        "\n\n\ndef main():\n    print(load_config('config.json'))\n",
    ),
    (
        "def mean(values):\n    return sum(values) / len(values)\n\n\ndef variance(values):\n    middle = ",
        "mean(values)\n    r",
        "\n\n\nprint(variance([1.0, 2.0, 4.0]))\n",
    ),
    (
        "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        self.",
        "items.append(it",
        "\n\n    def pop(self):\n        return self.items.pop()\n",
    ),
)


@dataclass(frozen=True)
class Keystroke:
    ms: float
    fill: Infill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cuda", "cpu"])
    parser.add_argument("--dtype", default="auto")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--model", default=MODEL, help="a name or a directory")
    chosen.add_argument("--random", action="store_true", help="random weights instead")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    here = runtime.choose(options.device, options.dtype)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as directory:
        filler = _random(Path(directory), here) if options.random else _stored(options.model, here)
        took = _warmed_up(filler)
        _report(filler, here, took, [key for _ in range(options.rounds) for key in typed(filler)])


def typed(filler: Filler) -> Iterator[Keystroke]:
    """The warm keys of every file."""
    for number, (prefix, text, suffix) in enumerate(FILES):
        name = f"{number}.py"
        for end in range(1, len(text) + 1):
            gap = Gap(prefix + text[:end], suffix, "python", path=name)
            start = time.perf_counter()
            fill = filler.infill(gap, document=name)[0]
            if end > 1:
                yield Keystroke(1e3 * (time.perf_counter() - start), fill)
        filler.close(name)


def _stored(model: str, here: runtime.Runtime) -> Filler:
    try:
        return load.load(model, here)
    except model_store.ModelMissing as missing:
        raise SystemExit(str(missing)) from missing


def _random(directory: Path, here: runtime.Runtime) -> Filler:
    """With the model's own adapter, so that passes have the shapes of its fills."""
    return load.load(str(random_gap_model.write(directory)), here, str(loading.ADAPTERS / MODEL))


def _warmed_up(filler: Filler) -> float:
    """Seconds that a start takes: what is compiled and captured, and a first round."""
    start = time.perf_counter()
    for piece in filler.warm_ups() if isinstance(filler, WarmsUp) else ():
        piece()
    for _ in typed(filler):
        pass
    return time.perf_counter() - start


def _report(filler: Filler, here: runtime.Runtime, took: float, keys: Sequence[Keystroke]) -> None:
    card = torch.cuda.get_device_name() if here.device == "cuda" else here.device
    launches = filler.launches if isinstance(filler, WarmsUp) else ""
    print(f"{card}, {here.reason}; passes are launched {launches or 'kernel by kernel'}; warm after {took:.1f} s")
    times, passes = [key.ms for key in keys], [key.fill.forwards for key in keys]
    figures = {
        "p50_ms": median(times),
        "p90_ms": sorted(times)[(len(times) - 1) * 9 // 10],
        "passes_p50": median(passes),
        "ms_per_pass": sum(times) / sum(passes),
    }
    figures |= {f"{stage}_p50_ms": median(key.fill.timings[stage] for key in keys) for stage in keys[0].fill.timings}
    for name, figure in figures.items():
        aim = f"   aim {AIM_MS:.0f}" if name == "p50_ms" and here.device == "cuda" else ""
        print(f"  {name:20}{figure:9.2f}{aim}")
    print(json.dumps({"device": card, "keys": len(keys)} | {name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
