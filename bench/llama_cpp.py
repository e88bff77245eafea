"""Lacuna beside llama.cpp's server: the same weights, the same held-out files, typed key by key at the same places.

    python bench/llama_cpp.py --gguf FILE [--model MODEL] [--adapter DIR] [--places N] [--keys K] [--threads N]
        [--llama-server BINARY]

`--gguf` is the file that the model was made of (a pulled model keeps its converted form alone); that the weights are
the same is checked. Of a line all from some character on is taken out and typed again, and after each key both are
asked for the rest: Lacuna's own server over stdio, as an editor asks after a keystroke, and llama.cpp's `/infill` as
its editor plugins ask it (llama_plugin.py). They take turns over chunks of places, and are never at work at once.
Prints a table, and as the last line one JSON object. Needs the corpus (`lacuna corpus build`), and the package
xllamacpp or a llama-server: the package's wheel was compiled for AVX2, a binary that was compiled for this CPU may be
faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import llama_server
import psutil
import torch
from held_out import held_out, trials
from llama_plugin import SAMPLERS, Plugin, Settings
from llama_server import LlamaServer, PeerFailed
from rich.console import Console
from rich.table import Table
from tqdm import tqdm
from typed_place import Figures, Key, Place, chunks, cut, summary

from lacuna.engine.layers import gguf_header, weight_files
from lacuna.engine.models.decoder import FINAL_NORM
from lacuna.engine.store import gguf, model_store
from lacuna.engine.store.progress import silent
from lacuna.engine.untrusted.load_error import LoadError
from lacuna.lsp_server.demo.headless_editor import Editor, ServerFailed
from lacuna.lsp_server.telemetry.statistics import Outcome

MODEL = "qwen2.5-coder-0.5b"
KEY_SECONDS = 0.06  # between an answer and the next key: a fast typist
OPEN_SECONDS = 0.5  # between opening a file and the first key
TURN_SECONDS = 1.0  # before the other side's turn: what is still done behind the last answer
CHUNK = 5  # places of one turn
STORED_NORM = "output_norm.weight"  # a vector, which conversions leave as it is
ROWS = (
    ("keys", "keys", "{:.0f}"),
    ("cold_p50_ms", "cold p50 ms", "{:.0f}"),
    ("cold_p90_ms", "p90", "{:.0f}"),
    ("warm_p50_ms", "warm p50 ms", "{:.0f}"),
    ("warm_p90_ms", "p90", "{:.0f}"),
    ("warm_asked_p50_ms", "model asked p50 ms", "{:.0f}"),
    ("warm_asked_p90_ms", "p90", "{:.0f}"),
    ("recalled", "recalled", "{:.0%}"),
    ("shown", "shown", "{:.0%}"),
    ("exact", "exact, of all", "{:.1%}"),
    ("right_of_shown", "exact, of shown", "{:.1%}"),
    ("agrees_of_shown", "no wrong sign, of shown", "{:.1%}"),
    ("rss_mb", "resident MB", "{:.0f}"),
)


class Lacuna:
    """Lacuna's side: its server, and an editor."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._editor = folder, Editor()

    async def start(self, settings: dict[str, object]) -> None:
        """Returns when the model is loaded. Raises ServerFailed."""
        await self._editor.start(self._folder, settings)
        await self._editor.ready()

    async def type(self, place: Place, keys: int) -> list[Key]:
        """Open the file, type at the place and ask after each key. Raises ServerFailed."""
        editor, file = self._editor, place.file
        path = self._folder / f"held_out{Path(file.path).suffix}"  # names such as secrets.py are left alone
        document = editor.open(path, place.before + place.after, len(place.before), file.language)
        await asyncio.sleep(OPEN_SECONDS)
        found = []
        for typed in place.typed(keys):
            start = time.perf_counter()
            editor.type(document, typed[-1])
            milliseconds = (time.perf_counter() - start) * 1000.0
            answer = await editor.suggest(document)
            shown = answer.offers[0].text[document.cursor - answer.offers[0].start :] if answer.offers else ""
            recalled = answer.outcome is Outcome.RECALLED
            wanted = place.removed[len(typed) :]
            found.append(Key(milliseconds + answer.ms, len(typed) == 1, recalled, shown, wanted))
            await asyncio.sleep(KEY_SECONDS)
        editor.close(document)
        return found

    @property
    def resident_mb(self) -> float:
        """Of the server's process."""
        return float(psutil.Process(self._editor.process_id).memory_info().rss) / (1 << 20)

    async def stop(self) -> None:
        """End the server."""
        await self._editor.stop()


async def type_beside(server: LlamaServer, place: Place, keys: int, settings: Settings) -> list[Key]:
    """The same as llama.cpp's plugins do it. Raises PeerFailed."""
    plugin, found = Plugin(place, settings, server.infill), []
    await asyncio.sleep(OPEN_SECONDS)
    for typed in place.typed(keys):
        start = time.perf_counter()
        shown, recalled = plugin.suggest(typed)
        milliseconds = (time.perf_counter() - start) * 1000.0
        found.append(Key(milliseconds, len(typed) == 1, recalled, shown, place.removed[len(typed) :]))
        await asyncio.sleep(KEY_SECONDS)
    return found


async def measure(places: list[Place], options: argparse.Namespace) -> dict[str, Figures]:
    """Figures by side; says first who the peer is. Raises ServerFailed and PeerFailed."""
    settings = Settings(options.lines_before, options.lines_after, options.samplers)
    ours, theirs = list[Key](), list[Key]()
    with tempfile.TemporaryDirectory() as folder, _peer(options) as server:
        print(f"{server.description}, {options.samplers} samplers; {options.gguf.name}, {options.model}", flush=True)
        lacuna = Lacuna(Path(folder))
        try:
            await lacuna.start(_lacuna_settings(options))
            for chunk in tqdm(chunks(places, CHUNK), "turns", leave=False):
                for place in chunk:
                    ours += await lacuna.type(place, options.keys)
                await asyncio.sleep(TURN_SECONDS)
                for place in chunk:
                    theirs += await type_beside(server, place, options.keys, settings)
                await asyncio.sleep(TURN_SECONDS)
            resident = lacuna.resident_mb, server.resident_mb
        finally:
            await lacuna.stop()
    return {
        "lacuna": summary(ours) | {"rss_mb": resident[0]},
        "llama_cpp": summary(theirs) | {"rss_mb": resident[1]},
    }


def report(sides: dict[str, Figures], console: Console) -> None:
    table = Table("", *sides)
    for name, label, form in ROWS:
        table.add_row(label, *(form.format(side[name]) if name in side else "-" for side in sides.values()))
    console.print(table)


def same_weights(file: Path, directory: Path) -> bool:
    """Whether a model directory can be of the same weights as a GGUF file: by the final norm. Raises LoadError."""
    header = gguf_header.read(file)
    stored = header.tensors.get(STORED_NORM)
    if stored is None:
        raise LoadError.of(file, f"holds no {STORED_NORM}")
    (theirs,) = gguf.pieces(header, {FINAL_NORM: stored}, silent)
    ours = next((tensor for name, tensor in weight_files.stream(directory) if name == FINAL_NORM), torch.empty(0))
    # A directory may hold it in bfloat16.
    return ours.shape == theirs.shape and torch.allclose(ours.float(), theirs, rtol=1 / 128)


def problem(options: argparse.Namespace) -> str | None:
    """What is wrong with the command, or missing on this machine."""
    if not options.gguf.is_file():
        return f"there is no GGUF file {options.gguf}"
    try:
        if not same_weights(options.gguf, model_store.find(options.model)):
            return f"{options.gguf} does not hold the weights of {options.model}: give the file that it was made of"
    except (model_store.ModelMissing, LoadError) as error:
        return str(error)
    return None if options.llama_server else llama_server.missing()


def _peer(options: argparse.Namespace) -> LlamaServer:
    return LlamaServer(options.gguf, options.threads, options.llama_server)


def _lacuna_settings(options: argparse.Namespace) -> dict[str, object]:
    """The server may run in another directory: paths are whole."""
    directory = model_store.find(options.model)
    is_path = directory == Path(options.model).expanduser()
    settings: dict[str, object] = {
        "model": str(directory.resolve()) if is_path else options.model,
        "threads": options.threads,
    }
    return settings | ({"adapter": str(options.adapter.resolve())} if options.adapter else {})


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    lines = Settings()
    parser.add_argument("--gguf", type=Path, required=True, help="the weights, for llama.cpp")
    parser.add_argument("--model", default=MODEL, help="the same weights, for Lacuna: a name or a directory")
    parser.add_argument("--adapter", type=Path, help="for Lacuna, a directory; llama.cpp has the base alone")
    parser.add_argument("--llama-server", type=Path, help="a binary of your own, instead of the package xllamacpp")
    parser.add_argument("--places", type=_positive, default=100)
    parser.add_argument("--keys", type=_positive, default=8, help="at a place at most")
    parser.add_argument("--threads", type=_positive, default=2, help="of each side")
    parser.add_argument("--seed", type=int, default=0, help="chooses the places")
    parser.add_argument("--corpus", type=Path, help="a file of held-out texts, instead of the corpus' test.jsonl")
    parser.add_argument("--samplers", choices=list(SAMPLERS), default=lines.samplers, help="llama.cpp's")
    parser.add_argument("--lines-before", type=_positive, default=lines.lines_before, help="that llama.cpp is sent")
    parser.add_argument("--lines-after", type=_positive, default=lines.lines_after, help="that llama.cpp is sent")
    options = parser.parse_args()
    if found := problem(options):
        parser.error(found)
    return options


def main() -> None:
    options = _options()
    places = trials(held_out(options.corpus), lambda file: cut(file, options.seed), options.places)
    try:
        sides = asyncio.run(measure(places, options))
    except (PeerFailed, ServerFailed) as error:
        raise SystemExit(f"bench/llama_cpp.py: {error}") from error
    report(sides, Console(width=120))
    figures = {f"{side}_{name}": value for side, found in sides.items() for name, value in found.items()}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
