"""Real edits: what changed in the files of held-out packages from one release to the next, hunk by hunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripted_edit import Change, applied

from lacuna.engine.store import paths
from lacuna.engine.text.lines import lines_of
from lacuna.engine.train.corpus import releases
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.corpus.sources import CorpusError
from lacuna.engine.train.edits.hunks import Hunk, hunks

MOST_HUNKS = 40  # of a file; one with more was written anew
SEEN = 4  # hunks that the user makes while the server looks; those before stand in the file already


@dataclass(frozen=True)
class History:
    """A file with some hunks made, those that the user makes now, and those that follow."""

    name: str  # package, release and path
    language: str
    text: str
    made: tuple[Change, ...]  # one after the other, each in the text that the ones before have left
    following: tuple[Change, ...]  # in the text after all that were made

    @property
    def after(self) -> str:
        text = self.text
        for hunk in self.made:
            text = applied(text, [hunk])
        return text


def histories() -> Iterator[list[History]]:
    """Per file one after each of its hunks; after the last one nothing follows. Exits where there are none."""
    try:
        files = releases.read(paths.corpus(), "test")
    except CorpusError as error:
        raise SystemExit(str(error)) from error
    for file in files:
        changes = _changes(file)
        if 2 <= len(changes) <= MOST_HUNKS:
            yield [_history(file, changes, count) for count in range(1, len(changes) + 1)]


def _history(file: ChangedFile, changes: list[Change], count: int) -> History:
    """After the first `count` hunks, from top to bottom."""
    first, grown = max(0, count - SEEN), [0]
    for change in changes:
        grown.append(grown[-1] + len(change.text) - (change.end - change.start))
    made = [_moved(change, by) for change, by in zip(changes[first:count], grown[first:], strict=False)]
    following = [_moved(change, grown[count]) for change in changes[count:]]
    name = f"{file.package} {file.newer} {file.path}"
    return History(name, file.language, applied(file.before, changes[:first]), tuple(made), tuple(following))


def _moved(change: Change, by: int) -> Change:
    return Change(change.start + by, change.end + by, change.text)


def _changes(file: ChangedFile) -> list[Change]:
    """From top to bottom; offsets are those of the older text."""
    before = lines_of(file.before)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    return [_change(hunk, starts) for hunk in hunks(before, lines_of(file.after))]


def _change(hunk: Hunk, starts: list[int]) -> Change:
    return Change(starts[hunk.start], starts[hunk.end], "".join(hunk.lines))
