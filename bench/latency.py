"""Keystroke to suggestion, through the real server over stdio: warm and cold, per stage, for files of four sizes.

    python bench/latency.py [--quick] [--model MODEL]

Prints tables, and as the last line one JSON object. Rows "no model" are the server's own time: of a client that has its
bytes ready (wire.py), from before a key's change is written until the answer is read. All others are what a client of
pygls measures, its own reading and writing included. The embedded model's passes alone, against the measured GEMM peak,
are in passes.py, which runs first and in a process of its own; other models' are not measured (diffusion_gemma.py has
those of that family).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from wire import Wire

from lacuna.engine.store import model_store
from lacuna.lsp_server.demo.headless_editor import Editor, OpenText
from lacuna.lsp_server.documents.text import Place

KEY_SECONDS = 0.06  # between an answer and the next key: a fast typist
THINKING_SECONDS = 0.3  # the same of one who stops after each piece, so that there is time for next edits
SIZES = (100, 1_000, 10_000, 50_000)  # lines
FUNCTION = '''def {name}(values, factor={number}):
    """Scale every value by a factor, and sum them up."""
    scaled = [value * factor for value in values]
    total = sum(scaled)
    if total > {number}:
        return total - {number}
    return total


'''
TYPED = [
    "    result_{n} = ",
    "sum(",
    "scaled",
    ")\n",
    "    print(",
    "result_{n}",
    ")\n",
    "    if result_{n} > ",
    "10",
    ":\n",
]


@dataclass
class Run:
    """One server's figures, in milliseconds."""

    requests: list[float] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    forwards: float = 0.0
    first_answer_s: float = 0.0
    rss_mb: float = 0.0


def text_of(lines: int) -> str:
    functions = (FUNCTION.format(name=f"scale_{number}", number=number) for number in range(lines // 9 + 1))
    return "".join(functions)


def type_without_model(lines: int, keystrokes: int) -> Run:
    """Types into the middle of a file and asks after every piece, where there is no model to ask."""
    run = Run()
    with tempfile.TemporaryDirectory() as folder:
        wire = Wire(Path(folder))
        text = text_of(lines)
        wire.open(text, _body(text, len(text) // 2))
        time.sleep(1.0)  # the first tree of a large file
        for number in range(keystrokes):
            run.requests.append(wire.type(_piece(number)))
            time.sleep(KEY_SECONDS)
        wire.close()
    return run


async def type_and_ask(lines: int, keystrokes: int, warm: bool, model: str) -> Run:
    """Types into the middle of a file and asks after every piece; cold: somewhere else each time."""
    run, editor, started = Run(), Editor(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        await editor.start(Path(folder), {"model": model})
        text, at = _with_empty_line(text_of(lines))
        document = editor.open(Path(folder) / "scale.py", text, at)
        await editor.ready()
        run.first_answer_s = time.perf_counter() - started
        await asyncio.sleep(1.0)  # the first tree of a large file
        for number in range(keystrokes):
            if not warm:
                document.cursor = _body(
                    document.text.between(*_ends(document)), len(document.text) * (number + 1) // (keystrokes + 2)
                )
            editor.type(document, _piece(number))
            answer = await editor.suggest(document)
            run.requests.append(answer.ms)
            await asyncio.sleep(KEY_SECONDS)
        run.rss_mb = _resident_mb(editor)
        report = await editor.statistics()
        run.stages, run.outcomes, run.forwards = report["ms"], report["outcomes"], report["forwards"]["p50"]
        await editor.stop()
    return run


async def type_beside_next_edits(lines: int, keystrokes: int, model: str) -> tuple[Run, Run]:
    """Types and pauses: what completions take in rounds in which nothing else is asked, and in those between, in which
    next edits are asked for in every pause and are still looked for when the next key comes."""
    runs, editor = (Run(), Run()), Editor()
    asked: list[asyncio.Task[bool]] = []
    length = min(keystrokes, len(TYPED))  # of a round: the same pieces in both kinds
    with tempfile.TemporaryDirectory() as folder:
        await editor.start(Path(folder), {"model": model})
        text, at = _with_empty_line(text_of(lines))
        document = editor.open(Path(folder) / "scale.py", text, at)
        await editor.ready()
        for number in range(2 * keystrokes):
            beside = number // length % 2
            editor.type(document, _piece(number))
            runs[beside].requests.append((await editor.suggest(document)).ms)
            if beside:
                asked.append(asyncio.create_task(editor.next_edit(document)))
            await asyncio.sleep(THINKING_SECONDS)
        await asyncio.gather(*asked)
        await editor.stop()
    return runs


def _piece(number: int) -> str:
    """What is typed as the key of that number."""
    return TYPED[number % len(TYPED)].format(n=number // len(TYPED))


def _body(text: str, near: int) -> int:
    """The start of the line after a function's `scaled = ...`, near an index."""
    return text.index("\n", text.index("    scaled = ", near)) + 1


def _with_empty_line(text: str) -> tuple[str, int]:
    """A text with an empty line in its middle, as after Enter, and where it begins: who types in front of other text
    changes with every line end what follows the cursor."""
    at = _body(text, len(text) // 2)
    return f"{text[:at]}\n{text[at:]}", at


def _ends(document: OpenText) -> tuple[Place, Place]:
    return document.text.place_at(0), document.text.end


def _resident_mb(editor: Editor) -> float:
    status = Path(f"/proc/{editor.process_id}/status")
    if not status.exists():
        return float("nan")  # not Linux
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024.0


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[(len(values) - 1) * percent // 100]


def show(name: str, run: Run) -> None:
    stages = " ".join(f"{stage} {value['p50']:.1f}/{value['p90']:.1f}" for stage, value in run.stages.items())
    print(
        f"{name:20}{median(run.requests):9.1f}{percentile(run.requests, 90):9.1f}{run.forwards:7.0f}   {stages}",
        flush=True,
    )


async def measure(sizes: tuple[int, ...], keystrokes: int, model: str) -> dict[str, float]:
    """Figures by name: those that name no size are of the second size, where there is one."""
    print(f"\n{'lines':20}{'p50 ms':>9}{'p90 ms':>9}{'passes':>7}   stages, p50/p90 ms")
    warm, cold, without = {}, {}, {}
    for size in sizes:
        without[size] = type_without_model(size, keystrokes * 4)
        show(f"{size:,} no model", without[size])
        warm[size] = await type_and_ask(size, keystrokes, True, model)
        show(f"{size:,} warm", warm[size])
        cold[size] = await type_and_ask(size, keystrokes // 2, False, model)
        show(f"{size:,} cold", cold[size])
    size = sizes[min(1, len(sizes) - 1)]
    alone, beside = await type_beside_next_edits(size, keystrokes, model)
    show(f"{size:,} with pauses", alone)
    show(f"{size:,} next edits", beside)
    last, middle = sizes[-1], warm[sizes[min(1, len(sizes) - 1)]]
    return {
        "warm_p50_ms": median(middle.requests),
        "warm_p90_ms": percentile(middle.requests, 90),
        "cold_p50_ms": median(cold[sizes[min(1, len(sizes) - 1)]].requests),
        "server_p95_ms_10k": percentile(without[10_000 if 10_000 in sizes else last].requests, 95),
        "growth_50k": median(warm[last].requests) / median(warm[sizes[0]].requests),
        "server_growth_50k": median(without[last].requests) / median(without[sizes[0]].requests),
        "first_answer_s": middle.first_answer_s,
        "rss_mb": middle.rss_mb,
        "forwards": middle.forwards,
        "next_edits_growth": median(beside.requests) / median(alone.requests),
    }


def passes() -> dict[str, float]:
    """Prints the embedded model's passes."""
    model_store.pull(model_store.EMBEDDED)
    script = Path(__file__).with_name("passes.py")
    *table, last = subprocess.run(
        [sys.executable, script], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    print("\n".join(table))
    figures: dict[str, float] = json.loads(last)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size and few keystrokes")
    parser.add_argument(
        "--model", default=model_store.EMBEDDED, help="the server's, of any family: a name or a directory"
    )
    options = parser.parse_args()
    figures = passes() if options.model == model_store.EMBEDDED else {}
    try:
        directory = model_store.find(options.model)
    except model_store.ModelMissing as missing:
        parser.error(str(missing))
    is_path = directory == Path(options.model).expanduser()
    model = str(directory.resolve()) if is_path else options.model  # the server may run in another directory
    sizes, keystrokes = (SIZES[1:2], 10) if options.quick else (SIZES, 30)
    figures |= asyncio.run(measure(sizes, keystrokes, model))
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
