"""The daemon and the shim, side by side with a server of each editor's own: what a key costs more, and what memory two
editors take.

    python bench/daemon.py [--keys N] [--model MODEL]

A key is a change and a question that no model answers, in a document of 1,000 lines: what is measured is processes and
pipes. Both kinds of server take turns, key by key. Memory is what is proportionally theirs (PSS), of two editors with a
model each, or one for both, after a fill in each. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from pathlib import Path
from statistics import median

import psutil
from latency import FUNCTION
from rich.console import Console
from rich.table import Table
from wire import Wire

from lacuna.engine.store import model_store
from lacuna.lsp_server.daemon import ending
from lacuna.lsp_server.daemon.place import place
from lacuna.lsp_server.demo.headless_editor import Editor

LINES = 1_000
KINDS = {"own": False, "shim": True}  # whether they have the daemon
PROMPT = "def area(width, height):\n    return "


def keys(folder: Path, count: int) -> dict[str, list[float]]:
    """Milliseconds of each key."""
    text = "".join(FUNCTION.format(name=f"scale_{number}", number=number) for number in range(LINES // 10))
    wires = {name: Wire(folder, has_daemon) for name, has_daemon in KINDS.items()}
    took: dict[str, list[float]] = {name: [] for name in KINDS}
    for wire in wires.values():
        wire.open(text, len(text) // 2)
    for number in range(count + 20):  # the first ones warm up
        for name, wire in wires.items():
            milliseconds = wire.type("ab"[number % 2])
            took[name] += [milliseconds] * (number >= 20)
    for wire in wires.values():
        wire.close()
    return took


async def megabytes(folder: Path, has_daemon: bool, model: str) -> float:
    """Of all processes of two editors."""
    editors, document = [Editor(has_daemon) for _ in range(2)], folder / "area.py"
    for editor in editors:
        await editor.start(folder, {"model": model})
        await editor.ready()
        await editor.suggest(editor.open(document, PROMPT, len(PROMPT)))
    processes = set(psutil.Process().children(recursive=True))
    info = place().read_info()
    if has_daemon and info is not None:
        processes.add(psutil.Process(info.process))
    total = sum(process.memory_full_info().pss for process in processes)
    for editor in editors:
        await editor.stop()
    return total / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--model", default=model_store.EMBEDDED)
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_RUNTIME_DIR"] = directory
        for kind, took in keys(Path(directory), arguments.keys).items():
            figures |= {f"{kind}_key_p50_ms": median(took), f"{kind}_key_p95_ms": sorted(took)[len(took) * 95 // 100]}
        for kind, has_daemon in KINDS.items():
            figures[f"{kind}_two_editors_mb"] = asyncio.run(megabytes(Path(directory), has_daemon, arguments.model))
        info = place().read_info()
        if info is not None:
            ending.kill(info)
    table = Table("", "a server each", "one daemon")
    for name in ("key_p50_ms", "key_p95_ms", "two_editors_mb"):
        table.add_row(name.replace("_", " "), *(f"{figures[f'{kind}_{name}']:.2f}" for kind in KINDS))
    Console().print(table)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
