"""`lacuna demo`: types into a small project as an editor would, against the real server, and shows what it suggests."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from lacuna.lsp_server.demo.headless_editor import Answer, Editor, Offer, OpenText, ServerFailed
from lacuna.lsp_server.demo.screen import Screen
from lacuna.lsp_server.telemetry.statistics import Outcome, percentile

SAMPLE = Path(__file__).parent / "sample"
KEY_SECONDS = 0.04  # between two keys of a word: a fast typist
READING_SECONDS = 0.6  # for whoever watches, at every pause
LAST_SCENE_SECONDS = 40.0  # no scene begins later: a slow machine shows fewer


@dataclass(frozen=True)
class Scene:
    """Lines of a sample file that somebody is about to write: the file is opened without them."""

    file: str
    lines: tuple[str, ...]


SCENES = (
    Scene("inventory.py", ("        return [item.price for item in self.items]",)),
    Scene("inventory.py", ("            if item.name == name:", "                return item")),
    Scene("storage.py", ("        rows = json.load(file)",)),
    Scene("report.py", ("    for item in inventory.items:", "        print(item)")),
    Scene("report.py", ("    sys.exit(main())",)),
)


@dataclass
class Tally:
    """What happened so far."""

    load_seconds: float = 0.0
    typed: int = 0  # keys
    accepted_characters: int = 0
    accepted: int = 0
    answers: list[Answer] = field(default_factory=list)

    @property
    def suggestions(self) -> int:
        return sum(bool(answer.offers) for answer in self.answers)


def run(model: str, *, plain: bool) -> int:
    """Play all scenes. Returns the exit code: 1 where the server failed, or never suggested anything."""
    console = Console(highlight=False)
    screen = Screen(console, live=console.is_terminal and not plain)
    with tempfile.TemporaryDirectory(prefix="lacuna-demo-") as directory:
        project = Path(directory).resolve() / "shop"
        shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
        try:
            tally = asyncio.run(_play(model, project, screen))
        except ServerFailed as error:
            print(f"lacuna: {error}\nRun `lacuna doctor` to see what is wrong.", file=sys.stderr)
            return 1
    screen.summary(_summary(tally))
    if not tally.suggestions:
        print("lacuna: the server suggested nothing at all; run `lacuna doctor`", file=sys.stderr)
    return 0 if tally.suggestions else 1


async def _play(model: str, project: Path, screen: Screen) -> Tally:
    tally, editor, start = Tally(), Editor(), time.perf_counter()
    screen.say(f"Starting `lacuna serve` on a copy of the sample project in {project}")
    try:
        await editor.start(project, {"model": model})
        for scene in SCENES:
            if time.perf_counter() - start > LAST_SCENE_SECONDS:
                screen.say("This machine is slow or busy: the remaining scenes are left out")
                break
            document = _open(editor, project / scene.file, scene)
            if not tally.load_seconds:
                await editor.ready()
                tally.load_seconds = time.perf_counter() - start
                screen.say(f"The model is ready after {tally.load_seconds:.1f} s")
            with screen.showing(scene.file):
                await _Typist(editor, document, screen, tally).write("\n".join(scene.lines))
            editor.close(document)
    finally:
        await editor.stop()
    return tally


def _open(editor: Editor, path: Path, scene: Scene) -> OpenText:
    """Open the scene's file as it was before its lines were written, the cursor where they belong."""
    text = path.read_text(encoding="utf-8")
    lines = "\n".join(scene.lines)
    assert text.count(lines) == 1, f"{scene.file} holds the lines of the scene once"
    return editor.open(path, text.replace(lines, ""), text.index(lines))


class _Typist:
    """Knows what is to be written, types it key by key, and takes a suggestion that says the same."""

    def __init__(self, editor: Editor, document: OpenText, screen: Screen, tally: Tally) -> None:
        self._editor = editor
        self._document = document
        self._screen = screen
        self._tally = tally

    async def write(self, wanted: str) -> None:
        while wanted:
            burst = _next_burst(wanted)
            for key in _keys(burst):
                await asyncio.sleep(KEY_SECONDS)
                self._editor.type(self._document, key)
                self._tally.typed += 1
                self._screen.draw(self._document)
            wanted = wanted[len(burst) :]
            if wanted:
                wanted = await self._pause(wanted)

    async def _pause(self, wanted: str) -> str:
        """Ask, look, and perhaps accept. Returns what is left to be written."""
        answer = await self._editor.suggest(self._document)
        self._tally.answers.append(answer)
        offer = answer.offers[0] if answer.offers else None
        fits = _fitting(self._document, offer, wanted) if offer else 0
        self._screen.answered(self._document, answer, accepted=bool(fits))
        if self._screen.is_live:
            await asyncio.sleep(READING_SECONDS)
        if offer and fits:
            await self._editor.accept(self._document, offer)
            self._tally.accepted += 1
            self._tally.accepted_characters += fits
            self._screen.draw(self._document)
        return wanted[fits:]


def _next_burst(wanted: str) -> str:
    """What is typed without a pause: a line end with the indentation that editors add, else a word or a sign or two."""
    match = re.match(r"\n[ ]*|[ ]{2,}|[ ]?(?:\w+|[^\w\s]+)", wanted)
    assert match is not None, "scenes hold words, signs, spaces and line ends"
    return match[0]


def _keys(burst: str) -> list[str]:
    """The edits that typing a burst makes; what an editor indents by itself comes with the line end."""
    return [burst] if burst.isspace() else list(burst)


def _fitting(document: OpenText, offer: Offer, wanted: str) -> int:
    """How many characters of what is wanted a suggestion would write; 0 where it would write anything else."""
    text = str(document.text)
    before, after = text[: document.cursor], text[document.cursor :]
    result = text[: offer.start] + offer.text + text[offer.end :]
    size = len(result) - len(text)
    return size if size > 0 and result == before + wanted[:size] + after else 0


def _summary(tally: Tally) -> list[tuple[str, str]]:
    typed_along = [answer.ms for answer in tally.answers if answer.outcome is Outcome.RECALLED]
    asked = [answer.ms for answer in tally.answers if answer.outcome is not Outcome.RECALLED]
    return [
        ("keys typed", str(tally.typed)),
        ("characters accepted", f"{tally.accepted_characters}, in {tally.accepted} suggestions"),
        ("pauses", f"{len(tally.answers)}, of which {tally.suggestions} with a suggestion"),
        ("key to answer", _times(asked)),
        ("typing along", _times(typed_along) if typed_along else "did not happen"),
        ("start to model ready", f"{tally.load_seconds:.1f} s"),
    ]


def _times(milliseconds: list[float]) -> str:
    median, ninth = (percentile(milliseconds, percent) for percent in (50, 90))
    return f"median {median:.0f} ms, 90 % within {ninth:.0f} ms ({len(milliseconds)} times)"
