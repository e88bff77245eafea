"""The remote engine before llama.cpp's own server: what a key costs the server, and whether fills are those of our
engine with the same weights.

    python bench/remote.py --gguf FILE [--model MODEL] [--places N] [--threads N]

`--gguf` is the file that the model was made of. At places of held-out files the rest of a line is typed key by key.
Each key is asked for twice: as the remote engine asks, whose text begins at the same line for many keys and ends soon
behind the cursor, and as a client that sends so many characters on both sides of the cursor. What the server reads of
each prompt (its own count) and the time until the answer is there are counted. At the first key the remote engine's
fill is compared with that of our engine, the base as it is: of one line, the likeliest tokens of both. Prints a table,
and as the last line one JSON object. Needs `lacuna corpus edits` and the package xllamacpp.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from statistics import mean, median
from threading import Event, Timer
from typing import Any

from held_out import HeldOut, trials
from llama_server import LlamaServer, PeerFailed
from rich.console import Console
from rich.table import Table
from tqdm import tqdm
from typed_place import Place, cut

from lacuna.engine.api import Filler, Gap, Stopped
from lacuna.engine.device import runtime
from lacuna.engine.families.remote.connection import Address, Connection
from lacuna.engine.families.remote.detection import detect
from lacuna.engine.families.remote.fillers import filler
from lacuna.engine.load import load
from lacuna.engine.store import model_store, paths
from lacuna.engine.train.corpus import releases

BOTH = 2_000  # characters on both sides that the other client sends
TOKENS, KEYS = 24, 12


class Counting(Connection):
    """Notes how many tokens of each prompt the server has read."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.read: list[int] = []

    def stream(
        self, path: str, body: Mapping[str, object], stop: Event | None = None, seconds: float = 0.0
    ) -> Generator[dict[str, Any]]:
        with closing(super().stream(path, body, stop, seconds)) as events:
            for event in events:
                if isinstance(event.get("timings"), dict):
                    self.read.append(int(event["timings"].get("prompt_n", 0)))
                yield event


def gap(place: Place, typed: str) -> Gap:
    return Gap(place.before + typed, place.after, place.file.language, max_tokens=TOKENS, max_lines=1)


def naive(connection: Counting, place: Place, typed: str) -> None:
    """As a client asks that cuts what it sends at so many characters, and ends an answer with the line."""
    body = {
        "input_prefix": (place.before + typed)[-BOTH:],
        "input_suffix": place.after[:BOTH],
        "n_predict": TOKENS,
        "temperature": 0.0,
        "stop": ["\n"],
        "stream": True,
    }
    for _ in connection.stream("/infill", body):
        pass


def milliseconds_to_stop(one: Filler) -> float:
    """From a stop in the middle of a long answer until the server has answered another question."""
    stop, stopped_at = Event(), [0.0]

    def now() -> None:
        stopped_at[0] = time.perf_counter()
        stop.set()

    Timer(1.0, now).start()
    try:
        one.infill(
            Gap("numbers = [\n    1,\n    2,\n    3,\n", "]\n", "python", max_tokens=250, max_lines=0), stop=stop
        )
    except Stopped:
        one.infill(Gap("a = ", "\n", "python", max_tokens=1, max_lines=1))
        return (time.perf_counter() - stopped_at[0]) * 1000
    raise PeerFailed("the long answer ended before it was stopped")


def measured(places: list[Place], arguments: argparse.Namespace) -> dict[str, float]:
    """Raises PeerFailed."""
    chosen = runtime.choose("cpu", "auto", arguments.threads)
    base = load(str(model_store.find(arguments.model)), chosen)  # by its directory it has no adapter of ours
    ours, theirs, same = list[float](), list[float](), list[bool]()
    with LlamaServer(arguments.gguf, arguments.threads) as server:
        one, other = Counting(Address(server.url)), Counting(Address(server.url))
        remote = filler(one, detect(one))
        one.read.clear()
        for place in tqdm(places, "places", leave=False):
            for typed in place.typed(KEYS):
                start = time.perf_counter()
                fill = remote.infill(gap(place, typed), document=place.file.path)[0]
                ours.append((time.perf_counter() - start) * 1000)
                if len(typed) == 1:
                    same.append(fill.text == base.infill(gap(place, typed), document=place.file.path)[0].text)
            for typed in place.typed(KEYS):
                start = time.perf_counter()
                naive(other, place, typed)
                theirs.append((time.perf_counter() - start) * 1000)
        stopped = milliseconds_to_stop(remote)
    return {
        "keys": len(ours),
        "tokens_read_a_key": mean(one.read),
        "naive_tokens_read_a_key": mean(other.read),
        "key_p50_ms": median(ours),
        "naive_key_p50_ms": median(theirs),
        "same_fill_as_our_engine": mean(same),
        "stop_to_next_answer_ms": stopped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--places", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    files = [HeldOut(file.path, file.language, file.after) for file in releases.read(paths.corpus(), "test")]
    places = trials([file for file in files if len(file.text) > 4 * BOTH], lambda file: cut(file, 0), arguments.places)
    try:
        figures = measured(places, arguments)
    except PeerFailed as error:
        raise SystemExit(str(error)) from error
    table = Table("", "")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}")
    Console().print(table)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
