"""Next edits in small files of several languages, where one edit asks for another: what is offered first?

    python bench/follow_ups.py [--model MODEL] [--files FILES]

follow_ups.txt has the files, written for this: in each one edit is made, and what should follow is known; in the last
three nothing should. unfinished.txt has some in which the user has begun to write into a line, whose rest no longer
fits; in the last three it does, or is another statement. An offer is right where every line that it brings is wanted,
and every line that it takes away is not. Prints what is offered, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from next_edits import User
from scripted_edit import Change, applied

from lacuna.engine.store import model_store
from lacuna.lsp_server.config import Config, ModelChoice
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.model.model_pool import Models

FILES = Path(__file__).with_name("follow_ups.txt")
_FILE = re.compile(r"^===== (\S+) (.*)\n((?:(?!===== ).*\n)*)", re.MULTILINE)
# What was there and what comes: 1 is made by the user, 2 should follow; pieces of one edit have letters.
_EDIT = re.compile(r"«(\d)\w?:(.*?)→(.*?)»", re.DOTALL)


@dataclass(frozen=True)
class Example:
    name: str
    language: str
    before: str
    made: tuple[Change, ...]  # one after the other, each in the text that the ones before have left
    wanted: str  # the file at the end

    @staticmethod
    def all(files: Path = FILES) -> Iterator[Example]:
        for file in _FILE.finditer(files.read_text(encoding="utf-8")):
            before, wanted = (_at(file[3], 0), _at(file[3], 2))
            yield Example(file[2], file[1], before, tuple(_made(file[3])), wanted)

    @property
    def after(self) -> str:
        text = self.before
        for change in self.made:
            text = applied(text, [change])
        return text

    def is_right(self, offer: Change) -> bool:
        """Whether every line that it brings is wanted, and every line that it takes away is not."""
        now, then, wanted = (
            Counter(text.split("\n")) for text in (self.after, applied(self.after, [offer]), self.wanted)
        )
        come, gone = then - now, now - then
        return all(wanted[line] > now[line] for line in come) and all(now[line] > wanted[line] for line in gone)


def _at(marked: str, made: int) -> str:
    """The file with the edits up to a number made."""
    return _EDIT.sub(lambda edit: _stands(edit, made), marked)


def _stands(edit: re.Match[str], made: int) -> str:
    """What stands at an edit's place when those up to a number are made."""
    return edit[3] if int(edit[1]) <= made else edit[2]


def _made(marked: str) -> Iterator[Change]:
    """The user's pieces, from top to bottom."""
    start, last = 0, 0
    for edit in _EDIT.finditer(marked):
        start += edit.start() - last
        last = edit.end()
        if edit[1] == "1":
            yield Change(start, start + len(edit[2]), edit[3])
        start += len(_stands(edit, 1))


async def measure(model: str, files: Path) -> dict[str, float]:
    settings, models = Config(), Models()
    worker = models.lease(ModelChoice(model, settings.device, settings.dtype, settings.threads))
    await worker.ready()
    shown, right, times = 0, 0, list[float]()
    for example in Example.all(files):
        user = User(example.before, worker, example.language)
        for change in example.made:
            user.change(change)
        begun = time.perf_counter()
        offer = await user.offered()
        times.append((time.perf_counter() - begun) * 1000.0)
        is_right = not isinstance(offer, Quiet) and example.is_right(offer)
        shown, right = shown + (not isinstance(offer, Quiet)), right + is_right
        said = offer.value if isinstance(offer, Quiet) else f"{'right' if is_right else 'other'}: {offer.text!r}"
        print(f"{example.language:12} {example.name:20} {times[-1]:6.0f} ms  {said}")
    models.close()
    return {
        "files": len(times),
        "shown": shown,
        "right": right,
        "p50_ms": round(median(times)),
        "p90_ms": round(sorted(times)[len(times) * 9 // 10]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=model_store.EMBEDDED)
    parser.add_argument("--files", type=Path, default=FILES)
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(measure(chosen.model, chosen.files))))


if __name__ == "__main__":
    main()
