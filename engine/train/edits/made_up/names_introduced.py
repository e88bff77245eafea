"""Made-up edits: a name comes into a file at all of its places, or leaves them.

The file as it is has the name. Without it, it lacks the lines, the short blocks and the entries of lists that have it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from lacuna.engine.train.edits.hunks import words
from lacuna.engine.train.edits.made_up.names import LEAST, few_and_near, places

MOST = 8  # lines that a name stands on
MOST_LINES = 6  # that go at one place
ENTRY_WORDS = 4  # of an entry of a list that is about the name
TRIED = 12  # names
_PROSE = re.compile(r"\s*(?:#|//|\*|/\*|<|>>>|\.\.)")
_OPENS, _CLOSES = "([{", ")]}"
_GOES_ON = re.compile(r"\s*(?:[.&|?+*/)\]}]|else\b|elif\b|except\b|catch\b|finally\b|and\b|or\b|=>)")
_UNFINISHED = re.compile(r"(?:[\\=+\-*/&|?.]|\band|\bor|\breturn)\s*$")


def without_a_name(lines: Sequence[str], chance: random.Random) -> list[str] | None:
    """The lines of a file without one of its names; None where none can be taken out."""
    stands = places(lines)
    names = [
        name for name in few_and_near(stands, MOST) if sum(_is_used(name, lines[at]) for at in stands[name]) >= LEAST
    ]
    for name in chance.sample(names, min(TRIED, len(names))):
        left = _without(lines, name)
        if left is not None:
            return left
    return None


def _is_used(name: str, line: str) -> bool:
    """As a name is in code."""
    return not _PROSE.match(line) and re.search(rf"\b{name}\b *[=:(,.)\[]", line) is not None


def _without(lines: Sequence[str], name: str) -> list[str] | None:
    left, at = list[str](), 0
    has = re.compile(rf"\b{re.escape(name)}\b")
    while at < len(lines):
        if not has.search(lines[at]):
            left.append(lines[at])
            at += 1
            continue
        shorter = _without_entries(lines[at], has)
        if shorter is not None:
            left.append(shorter)
            at += 1
            continue
        end = _end(lines, at)
        if end is None or end - at > MOST_LINES or _breaks(left, lines[end : end + 1]):
            return None
        at = end
    return left


def _without_entries(line: str, has: re.Pattern[str]) -> str | None:
    """A line without the entries of its lists that are about a name; None where it stands elsewhere, too."""
    while has.search(line):
        found = next((one for one in _entries(line) if _is_about(line[slice(*one)], has)), None)
        if found is None:
            return None
        start, end = found
        before, after = line[:start].rstrip(), line[end:]
        if before.endswith(","):
            line = before[:-1] + after
        elif after.startswith(","):
            line = line[:start] + after[1:].lstrip(" ")
        else:
            return None  # the only one
    return line


def _is_about(entry: str, has: re.Pattern[str]) -> bool:
    return has.search(entry) is not None and len(words(entry)) <= ENTRY_WORDS


def _entries(line: str) -> Iterator[tuple[int, int]]:
    """Where the entries of the lists in brackets begin and end, the innermost lists first."""
    opened = list[list[int]]()  # per bracket: where its entries begin
    for at, character in enumerate(line):
        if character in _OPENS:
            opened.append([at + 1])
        elif character == "," and opened:
            opened[-1].append(at + 1)
        elif character in _CLOSES and opened:
            starts = opened.pop()
            yield from zip(starts, [start - 1 for start in starts[1:]] + [at], strict=True)


def _end(lines: Sequence[str], at: int) -> int | None:
    """The line after the statement or the block that a line begins; None where it begins neither."""
    line = lines[at].rstrip()
    if _GOES_ON.match(line) or _UNFINISHED.search(line):
        return None
    if line.endswith((":", "{", "(", "[", "=>")):
        return _end_of_block(lines, at)
    return at + 1 if _is_balanced(line) else None


def _end_of_block(lines: Sequence[str], at: int) -> int | None:
    depth, end = _depth(lines[at]), at + 1
    while end < len(lines) and (not lines[end].strip() or _depth(lines[end]) > depth):
        end += 1
    while end > at + 1 and not lines[end - 1].strip():
        end -= 1
    if end < len(lines) and _depth(lines[end]) == depth and lines[end].strip(" \t\n)]};,") == "" and lines[end].strip():
        end += 1
    return end if end > at + 1 and _is_balanced("".join(lines[at:end])) else None


def _breaks(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether lines may not follow each other: the second goes on with what is gone, or a block is left empty."""
    if not before:
        return False
    last = before[-1].rstrip()
    if _UNFINISHED.search(last) or (after and _GOES_ON.match(after[0]) and after[0].strip(" \t\n)]};,")):
        return True
    return last.endswith(":") and not (after and _depth(after[0]) > _depth(last))


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_balanced(text: str) -> bool:
    return all(text.count(opens) == text.count(closes) for opens, closes in zip(_OPENS, _CLOSES, strict=True))
