"""A place in a real file whose line is typed anew, key by key, and how what is suggested at a key is judged: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from held_out import HeldOut

from lacuna.lsp_server.telemetry.statistics import percentile

PER_FILE = 4  # places
LONGEST = 200  # characters of a line: longer ones are data

Figures = dict[str, float]


@dataclass(frozen=True)
class Place:
    """A file without the rest of one line: the cursor stands between `before` and `after`, and `removed` is typed."""

    file: HeldOut
    before: str
    removed: str  # without white space at its end; two characters at least
    after: str  # "", or from the line's end on

    def typed(self, keys: int) -> Iterator[str]:
        """What of `removed` stands there after each of the first keys; something is always left to suggest."""
        return (self.removed[:count] for count in range(1, min(keys, len(self.removed) - 1) + 1))


@dataclass(frozen=True)
class Key:
    """One key: what was shown after it, beside what is missing then."""

    milliseconds: float  # from before the key until the answer was read
    is_first: bool  # of its place: nothing of the text around it has been read
    is_recalled: bool  # of an earlier answer whose rest still fits: no model was asked
    shown: str  # "" where nothing is
    wanted: str

    @property
    def is_shown(self) -> bool:
        return bool(self.shown.strip())

    @property
    def is_exact(self) -> bool:
        """Whether what is shown on the cursor's line is all that is missing there."""
        return self._line == self.wanted.rstrip()

    @property
    def agrees(self) -> bool:
        """Whether it is a beginning of it, or all."""
        return bool(self._line) and self.wanted.startswith(self._line)

    @property
    def _line(self) -> str:
        return self.shown.partition("\n")[0].rstrip()


def cut(file: HeldOut, seed: int) -> list[Place]:
    """Up to PER_FILE places of a file, one in a line, each at a random character of it; none in white space."""
    if "\r" in file.text:
        return []
    chance, lines = Random(f"{seed} {file.path}"), file.text.split("\n")
    numbers = [number for number, line in enumerate(lines) if _is_code(line)]
    return [_place(file, lines, number, chance) for number in chance.sample(numbers, min(PER_FILE, len(numbers)))]


def chunks(places: Sequence[Place], size: int) -> list[Sequence[Place]]:
    """The places in their order, `size` at a time: each side has a chunk before either has the next."""
    return [places[at : at + size] for at in range(0, len(places), size)]


def summary(keys: Sequence[Key]) -> Figures:
    """One side's figures: milliseconds, and shares from 0 to 1. Those of nothing are left out."""
    first = [key.milliseconds for key in keys if key.is_first]
    warm = [key.milliseconds for key in keys if not key.is_first]
    asked = [key.milliseconds for key in keys if not key.is_first and not key.is_recalled]
    figures: Figures = {"keys": len(keys)}
    for name, times in (("cold", first), ("warm", warm), ("warm_asked", asked)):
        figures |= {f"{name}_p{at}_ms": percentile(times, at) for at in (50, 90)} if times else {}
    shown = [key for key in keys if key.is_shown]
    exact = sum(key.is_exact for key in shown)
    if keys:
        figures["recalled"] = sum(key.is_recalled for key in keys) / len(keys)
        figures["shown"], figures["exact"] = len(shown) / len(keys), exact / len(keys)
    if shown:
        figures["right_of_shown"] = exact / len(shown)
        figures["agrees_of_shown"] = sum(key.agrees for key in shown) / len(shown)
    return figures


def _is_code(line: str) -> bool:
    """Whether a line has enough to be typed, and no white space at its end, which nobody would want suggested."""
    is_whole = line == line.rstrip() and len(line) <= LONGEST
    return is_whole and len(line.lstrip()) >= 2 and re.search(r"\w", line) is not None


def _place(file: HeldOut, lines: list[str], number: int, chance: Random) -> Place:
    line = lines[number]
    indentation = len(line) - len(line.lstrip())
    column = chance.randint(indentation, len(line) - 2)
    before, after = lines[:number], lines[number + 1 :]
    return Place(file, "\n".join([*before, line[:column]]), line[column:], "".join(f"\n{line}" for line in after))
