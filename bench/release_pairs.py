"""Real edits: what changed in the files of held-out packages from one release to the next, hunk by hunk."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from held_out import MAX_CHARACTERS
from scripted_edit import Change, applied

from lacuna.engine.store import paths
from lacuna.engine.train.corpus import clients
from lacuna.engine.train.corpus.filters import normalised, reason_against
from lacuna.engine.train.corpus.packages import open_package
from lacuna.engine.train.corpus.sources import Source

LIST = Path(__file__).with_name("release_pairs.tsv")  # of the packages whose files are in test.jsonl
MOST_HUNKS = 40  # of a file; one with more was written anew
SEEN = 4  # hunks that the user makes while the server looks; those before stand in the file already


@dataclass(frozen=True)
class History:
    """A file with some hunks made, those that the user makes now, and those that follow."""

    name: str  # package, release and path
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
    """Per file one after each of its hunks; after the last one nothing follows. Fetches the packages. Exits where that
    fails."""
    with LIST.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    for row in rows:
        older, newer = (_files(Source("pypi", row["package"], row[age], row["licence"])) for age in ("older", "newer"))
        for path in sorted(older.keys() & newer.keys()):
            hunks = _hunks(older[path], newer[path])
            if 2 <= len(hunks) <= MOST_HUNKS:
                name = f"{row['package']} {row['newer']} {path}"
                yield [_history(name, older[path], hunks, count) for count in range(1, len(hunks) + 1)]


def _history(name: str, text: str, hunks: list[Change], count: int) -> History:
    """After the first `count` hunks, from top to bottom."""
    first, grown = max(0, count - SEEN), [0]
    for hunk in hunks:
        grown.append(grown[-1] + len(hunk.text) - (hunk.end - hunk.start))
    made = [_moved(hunk, by) for hunk, by in zip(hunks[first:count], grown[first:], strict=False)]
    following = [_moved(hunk, grown[count]) for hunk in hunks[count:]]
    return History(name, applied(text, hunks[:first]), tuple(made), tuple(following))


def _moved(hunk: Change, by: int) -> Change:
    return Change(hunk.start + by, hunk.end + by, hunk.text)


def _hunks(older: str, newer: str) -> list[Change]:
    """The lines that differ, from top to bottom; offsets are those of the older text."""
    old, new = older.splitlines(keepends=True), newer.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    changed = (one for one in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if one[0] != "equal")
    return [
        Change(starts[old_start], starts[old_end], "".join(new[new_start:new_end]))
        for _, old_start, old_end, new_start, new_end in changed
    ]


def _files(source: Source) -> dict[str, str]:
    try:
        folder = clients.fetch(source, paths.corpus() / "downloads")
    except clients.FetchError as error:
        raise SystemExit(f"{source} could not be fetched: {error}") from error
    found = ((path, normalised(data)) for path, data in open_package("pypi", folder).files)
    return {
        path: text
        for path, text in found
        if text is not None and len(text) <= MAX_CHARACTERS and not reason_against(path, text)
    }
