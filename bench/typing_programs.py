"""Types programs key by key into the real server and counts its suggestions as the person sees them.

    python bench/typing_programs.py [FILE ...] [--model MODEL] [--threads N]

Brackets and quotes are closed as editors do it, and after each key the server is asked. A suggestion is kept where all
of it is what the program has there, and is then accepted; partly right where it begins with a whole word of it, wrong
where it does not. One that goes on as the one before said is the same. Prints a table, and as the last line one JSON
object. Without files the programs in bench/programs are typed, which were written for this and are in no training set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from lacuna.lsp_server.demo.headless_editor import Editor, Offer, OpenText, ServerFailed
from lacuna.lsp_server.infill.selection import CRUMB

PROGRAMS = Path(__file__).with_name("programs")
LANGUAGES = {".py": "python", ".ts": "typescript", ".js": "javascript", ".go": "go", ".rs": "rust"}
PAIRS = {"(": ")", "[": "]", '"': '"', "'": "'"}
KEPT, PARTLY, WRONG = "kept", "partly", "wrong"


@dataclass
class Typed:
    """What came of one program."""

    name: str
    judged: Counter[str] = field(default_factory=Counter)
    short: int = 0  # suggestions of at most CRUMB characters
    keys: int = 0  # that were pressed for characters
    accepted: int = 0  # characters that came from suggestions

    @property
    def seen(self) -> int:
        """Suggestions."""
        return self.judged.total()

    def row(self) -> dict[str, float]:
        """Percent, but for counts."""
        shares = {name: 100.0 * self.judged[name] / max(1, self.seen) for name in (KEPT, PARTLY, WRONG)}
        of_text = 100.0 * self.accepted / max(1, self.accepted + self.keys)
        return {"seen": self.seen, **shares, "short": 100.0 * self.short / max(1, self.seen), "characters": of_text}


def judged(shown: str, rest: str) -> str:
    """A suggestion beside what the program goes on with."""
    if rest.startswith(shown):
        return KEPT
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(shown, rest, strict=False)))
    ends = [match.end() for match in re.finditer(r"\w+|[^\w\s]", rest) if match.end() <= common]
    return PARTLY if ends else WRONG


@dataclass
class Typist:
    """A person at an editor that closes brackets and quotes by itself."""

    editor: Editor
    document: OpenText
    program: str
    at: int = 0  # how much of it is written
    behind: str = ""  # closers that stand behind the cursor

    def press(self) -> None:
        """The next key. A closer that stands there already is typed over."""
        key, before = self.program[self.at], self.program[max(0, self.at - 1) : self.at]
        self.at += 1
        if self.behind.startswith(key):
            self.document.cursor, self.behind = self.document.cursor + 1, self.behind[1:]
            return
        self.editor.type(self.document, key)
        if key in PAIRS and not (key == PAIRS[key] and (before == key or before.isalnum())):
            self.editor.type(self.document, PAIRS[key])
            self.document.cursor, self.behind = self.document.cursor - 1, PAIRS[key] + self.behind

    async def accept(self, offer: Offer) -> int:
        """Takes a suggestion; how many characters it brought."""
        replaced, before = offer.end - self.document.cursor, self.document.cursor
        await self.editor.accept(self.document, offer)
        brought = self.document.cursor - before
        self.at, self.behind = self.at + brought, self.behind[replaced:]
        return brought


async def typed(editor: Editor, path: Path, folder: Path) -> Typed:
    """Raises ServerFailed."""
    program, found = path.read_text(encoding="utf-8"), Typed(path.name)
    document = editor.open(folder / path.name, "", 0, LANGUAGES[path.suffix])
    typist, expected = Typist(editor, document, program), ""  # how the last suggestion goes on
    with tqdm(total=len(program), desc=path.name, leave=False) as bar:
        while typist.at < len(program):
            typist.press()
            found.keys += 1
            answer = await editor.suggest(document)
            offer = next(iter(answer.offers), None)
            shown = offer.text[document.cursor - offer.start :] if offer else ""
            if offer and shown.strip() and shown != expected:
                verdict = judged(shown, program[typist.at :])
                found.judged[verdict] += 1
                found.short += len(shown.strip()) <= CRUMB
                if verdict == KEPT:
                    found.accepted += await typist.accept(offer)
                    shown = ""
            expected = shown[1:] if shown[:1] == program[typist.at : typist.at + 1] else ""
            bar.update(typist.at - bar.n)
    editor.close(document)
    return found


async def measure(options: argparse.Namespace) -> list[Typed]:
    """Raises ServerFailed."""
    editor = Editor()
    with tempfile.TemporaryDirectory() as folder:
        try:
            await editor.start(Path(folder), {"model": options.model, "threads": options.threads})
            await editor.ready()
            return [await typed(editor, path, Path(folder)) for path in options.files]
        finally:
            await editor.stop()


def report(programs: list[Typed], console: Console) -> None:
    whole = Typed("all")
    for one in programs:
        whole.judged += one.judged
        whole.short += one.short
        whole.keys += one.keys
        whole.accepted += one.accepted
    table = Table("", "suggestions", "kept %", "partly %", "wrong %", f"at most {CRUMB} %", "of the characters %")
    for one in (*programs, whole):
        table.add_row(one.name, *(f"{value:.0f}" for value in one.row().values()))
    console.print(table)
    console.print(json.dumps({name: round(value, 1) for name, value in whole.row().items()}), markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(PROGRAMS.iterdir()))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    try:
        report(asyncio.run(measure(options)), Console(width=120))
    except ServerFailed as error:
        raise SystemExit(f"bench/typing_programs.py: {error}") from error


if __name__ == "__main__":
    main()
