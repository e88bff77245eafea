"""Git's wildmatch patterns as a machine that reads a path once: no pattern makes it slow.

All states of a pattern are bits of one number, and a byte of the path moves all of them at once (Baeza-Yates and
Gonnet, "A new approach to text searching", 1992): len(path) steps, whatever the pattern. `re` would go back and forth.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

SLASH = 0x2F
_SPECIAL = b"*?[\\"
_BACKSLASH, _STAR, _QUESTION, _OPEN, _CLOSE, _DASH = b"\\*?[]-"
_SPACE = b" \t\n\v\f\r"
_CLASSES = {
    "alnum": (string.ascii_letters + string.digits).encode(),
    "alpha": string.ascii_letters.encode(),
    "blank": b" \t",
    "cntrl": bytes([*range(0x20), 0x7F]),
    "digit": string.digits.encode(),
    "graph": bytes(range(0x21, 0x7F)),
    "lower": string.ascii_lowercase.encode(),
    "print": bytes(range(0x20, 0x7F)),
    "punct": string.punctuation.encode(),
    "space": _SPACE,
    "upper": string.ascii_uppercase.encode(),
    "xdigit": string.hexdigits.encode(),
}


class BadPattern(ValueError):
    """A pattern that nothing can match: a set without its bracket, an unknown class, a lone backslash at the end."""


def literal_length(pattern: bytes) -> int:
    """How many bytes stand before the first that means anything but itself."""
    return next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))


@lru_cache(maxsize=1024)
def machine(pattern: bytes) -> Machine:
    """The machine of a pattern. Raises BadPattern."""
    built = Machine()
    at = 0
    while at < len(pattern):
        at = _read(built, pattern, at)
    return built


@dataclass
class Machine:
    """Bit k of a state: the first k of the pattern's parts have been read; the last bit: all have."""

    parts: int = 0
    bytes_to: dict[int, int] = field(default_factory=lambda: {SLASH: 0})  # byte -> the parts that it alone matches
    any_to: int = 0  # parts that match every byte but the slash
    stars: int = 0  # parts that match any number of bytes, and none as well
    staying: int = 0  # parts that a byte other than the slash does not leave
    staying_at_slash: int = 0
    entries: int = 0  # before a `**/`, which may be skipped
    is_void: bool = False  # a part that no byte matches: a set like `[z-a]`

    def ends(self, path: bytes) -> Iterator[int]:
        """Where the directories and the file on the way end that match, the path read from its start."""
        accepting, state = 1 << self.parts, self._spread(1)
        for at, byte in enumerate(path):
            if byte == SLASH and state & accepting:
                yield at
            if not state:
                return
            stays = self.staying_at_slash if byte == SLASH else self.staying
            moved = self.bytes_to.get(byte, 0) | (0 if byte == SLASH else self.any_to)
            state = self._spread(((state & moved) << 1) | (state & stays))
        if state & accepting:
            yield len(path)

    def matches(self, name: bytes) -> bool:
        """Whether all of a name without slashes matches."""
        return len(name) in self.ends(name)

    def add(self, wanted: bytes) -> None:
        """A part that matches one byte of these."""
        for byte in wanted:
            self.bytes_to[byte] = self.bytes_to.get(byte, 0) | 1 << self.parts
        self.is_void |= not wanted
        self.parts += 1

    def add_any(self) -> None:
        """`?`"""
        self.any_to |= 1 << self.parts
        self.parts += 1

    def add_star(self, crosses: bool) -> None:
        """`*`, or a `**` that crosses slashes."""
        self.stars |= 1 << self.parts
        self._stay(crosses)

    def add_directories(self) -> None:
        """`**/`: nothing, or anything that ends with a slash."""
        self.entries |= 1 << self.parts
        self.parts += 1
        self.bytes_to[SLASH] |= 1 << self.parts
        self._stay(crosses=True)

    def _stay(self, crosses: bool) -> None:
        self.staying |= 1 << self.parts
        self.staying_at_slash |= crosses << self.parts
        self.parts += 1

    def _spread(self, state: int) -> int:
        """With what is reached without a byte. A star is never followed by another, nor by a `**/`."""
        entered = state & self.entries
        state |= entered << 1 | entered << 2
        return state | (state & self.stars) << 1


def _read(built: Machine, pattern: bytes, at: int) -> int:
    """Add the part that begins at an offset. Returns where the next one does."""
    byte = pattern[at]
    if byte == _STAR:
        return _read_stars(built, pattern, at)
    if byte == _QUESTION:
        built.add_any()
        return at + 1
    if byte == _OPEN:
        wanted, end = _read_set(pattern, at + 1)
        built.add(bytes(sorted(wanted - {SLASH})))
        return end
    if byte == _BACKSLASH:
        at += 1
        if at == len(pattern):
            raise BadPattern("it ends with a backslash")
    built.add(pattern[at : at + 1])
    return at + 1


def _read_stars(built: Machine, pattern: bytes, at: int) -> int:
    end = at + len(pattern[at:]) - len(pattern[at:].lstrip(b"*"))
    alone = end - at > 1 and (at == 0 or pattern[at - 1] == SLASH)
    if not alone or not (end == len(pattern) or pattern[end : end + 1] == b"/" or pattern[end : end + 2] == b"\\/"):
        built.add_star(crosses=False)
        return end
    if pattern[end : end + 1] != b"/":
        built.add_star(crosses=True)
        return end
    while pattern[end + 1 : end + 4] == b"**/":  # says it once more
        end += 3
    built.add_directories()
    return end + 1


def _read_set(pattern: bytes, at: int) -> tuple[set[int], int]:
    """The bytes of a bracket that was opened before an offset, and where the pattern goes on."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    first = at = at + negated
    wanted: set[int] = set()
    before = 0  # the byte that a range could begin with
    while at == first or pattern[at : at + 1] != b"]":
        if at >= len(pattern):
            raise BadPattern("a set of characters has no ]")
        if pattern[at] == _DASH and before and pattern[at + 1 : at + 2] not in (b"", b"]"):
            last, at = _escaped(pattern, at + 1)
            wanted.update(range(before, last + 1))
            before = 0
        elif (end := _class_end(pattern, at)) is not None:
            wanted.update(_class(pattern[at + 2 : end - 2]))
            before, at = 0, end
        else:
            before, at = _escaped(pattern, at)
            wanted.add(before)
    return (set(range(256)) - wanted if negated else wanted), at + 1


def _escaped(pattern: bytes, at: int) -> tuple[int, int]:
    at += pattern[at] == _BACKSLASH
    if at >= len(pattern):
        raise BadPattern("a set of characters has no ]")
    return pattern[at], at + 1


def _class_end(pattern: bytes, at: int) -> int | None:
    """Where a `[:name:]` ends that begins at an offset; None where none does."""
    if pattern[at : at + 2] != b"[:":
        return None
    close = pattern.find(b"]", at + 2)
    if close < 0:
        raise BadPattern("a set of characters has no ]")
    return close + 1 if close > at + 2 and pattern[close - 1 : close] == b":" else None


def _class(name: bytes) -> bytes:
    known = _CLASSES.get(name.decode("ascii", "replace"))
    if known is None:
        raise BadPattern(f"[:{name.decode('ascii', 'replace')}:] is no class of characters")
    return known
