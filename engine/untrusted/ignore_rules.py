"""A file of .gitignore rules, read and matched as git does, in time that is bounded whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lacuna.engine.untrusted.wildmatch import BadPattern, literal_length, machine

MAX_PATTERN = 2048  # bytes; a longer line names no file that anybody has
MAX_STEPS = 200_000  # for one question: bytes that machines read and are built from; some 0.1 s
_STEPS_PER_RULE = 10  # that looking at a rule with wildcards takes before its machine is asked


_SPECIAL = frozenset(b"*?[\\")


class TooCostly(ValueError):
    """The rules hold more wildcards than can be tried on one path in reasonable time."""


class Rule(NamedTuple):
    """One line: `pattern` without its `!` and the slashes at its ends."""

    pattern: bytes
    negative: bool  # lets in again
    only_directories: bool
    anchored: bool  # to the directory of its file: matched against paths, not names


class IgnoreRules:
    """The rules of one file.

    Lines without wildcards, and those like `*.log`, are looked up as they are written, so that they need not be read
    (60,000 lines: 30 ms); the others are tried one by one, the last first.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = [_normalised(line) for line in lines]
        self._bytes = sum(map(len, self._lines))
        self._last = {line: number for number, line in enumerate(self._lines) if line[:1] != b"#"}
        wild = [number for number, line in enumerate(self._lines) if not _SPECIAL.isdisjoint(line)]
        endings = {number: ending for number in wild if (ending := _ending(self._lines[number]))}
        self._ending_lengths = sorted(set(map(len, endings.values())))
        self._wild = [number for number in wild if number not in endings]

    @classmethod
    def of(cls, content: bytes) -> IgnoreRules:
        """The rules of a file's content."""
        return cls(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"))

    @property
    def cost(self) -> int:
        """What reading and keeping them takes: a line counts as one, as do 20 bytes."""
        return len(self._lines) + 2 + self._bytes // 20

    def decisions(self, path: bytes) -> list[Rule | None]:
        """For each directory on the way to a file, and for the file, the rule that speaks of it last.

        `path` is relative to the rules' directory. Raises TooCostly.
        """
        parts = path.split(b"/")
        ends = _ends(parts)
        best = [-1] * len(parts)
        for level, name in enumerate(parts):
            for written in _spellings(name, path[: ends[level]], self._ending_lengths, level == len(parts) - 1):
                best[level] = max(best[level], self._last.get(written, -1))
        self._try_wild(path, parts, ends, best)
        return [parse(self._lines[number]) if number >= 0 else None for number in best]

    def _try_wild(self, path: bytes, parts: list[bytes], ends: list[int], best: list[int]) -> None:
        level_of = {end: level for level, end in enumerate(ends)}
        left = MAX_STEPS
        for number in reversed(self._wild):
            if number < min(best):
                return
            left -= _STEPS_PER_RULE
            rule = parse(self._lines[number])
            if rule is not None and _piece(rule.pattern) in path:
                left -= len(path) + len(rule.pattern)
                for level in _anchored(rule, path, level_of) if rule.anchored else _by_name(rule, parts):
                    if not (rule.only_directories and level == len(parts) - 1):
                        best[level] = max(best[level], number)
            if left < 0:
                raise TooCostly(f"more than {MAX_STEPS:,} steps of wildcards for one path")


def parse(line: bytes) -> Rule | None:
    """The rule of a line without its end; None for a comment and for an empty line."""
    if not line or line[:1] == b"#":
        return None
    negative = line[:1] == b"!"
    pattern = line[negative:]
    only_directories = pattern[-1:] == b"/"
    pattern = pattern[: len(pattern) - only_directories]
    anchored = b"/" in pattern
    pattern = pattern[1:] if pattern[:1] == b"/" else pattern
    return Rule(pattern, negative, only_directories, anchored) if pattern else None


def fault(line: str) -> str | None:
    """What is wrong with a line that is meant to be a rule, in words; None where nothing is."""
    rule = parse(_normalised(line.encode(errors="surrogatepass")))
    if rule is None:
        return "it names nothing"
    try:
        built = machine(rule.pattern)
    except BadPattern as error:
        return str(error)
    return "no character is in one of its sets" if built.is_void else None


def _normalised(line: bytes) -> bytes:
    """Without a carriage return and spaces at the end; nothing where it is too long. A null byte ends it, as in git."""
    if line[-1:] in (b"\r", b" ") or b"\0" in line:
        line = line.split(b"\0", 1)[0].removesuffix(b"\r")
        kept = line.rstrip(b" ")
        backslashes = len(kept) - len(kept.rstrip(b"\\"))
        escaped = backslashes % 2 == 1 and len(kept) < len(line)  # such a space counts
        line = line[: len(kept) + escaped]
    return line if len(line) <= MAX_PATTERN else b""


def _ending(line: bytes) -> bytes:
    """How names end that a line like `*.log` speaks of; nothing of any other."""
    rule = parse(line)
    if rule is None or rule.anchored or rule.pattern[:1] != b"*":
        return b""
    ending = rule.pattern[1:]
    return ending if _SPECIAL.isdisjoint(ending) else b""


def _spellings(name: bytes, path: bytes, lengths: list[int], is_file: bool) -> Iterator[bytes]:
    """How lines without wildcards, and those that say how a name ends, could name a directory or a file."""
    plain = (name, b"/" + path, path) if b"/" in path else (name, b"/" + path)
    wanted = [one for one in plain if _SPECIAL.isdisjoint(one)]
    endings = (name[len(name) - length :] for length in lengths if length <= len(name))
    wanted += [b"*" + ending for ending in endings if _SPECIAL.isdisjoint(ending)]
    for one in wanted:
        if one[:1] != b"!":  # as a line it would let in another
            yield from (one,) if is_file else (one, one + b"/")
        yield from (b"!" + one,) if is_file else (b"!" + one, b"!" + one + b"/")


def _ends(parts: list[bytes]) -> list[int]:
    ends, at = [], -1
    for part in parts:
        at += len(part) + 1
        ends.append(at)
    return ends


def _anchored(rule: Rule, path: bytes, level_of: dict[int, int]) -> list[int]:
    """As git: what stands before the first wildcard is compared, the rest is a pattern of its own."""
    start = literal_length(rule.pattern)
    if not path.startswith(rule.pattern[:start]):
        return []
    try:
        ends = list(machine(rule.pattern[start:]).ends(path[start:]))
    except BadPattern:
        return []
    return [level_of[start + end] for end in ends if start + end in level_of]


def _by_name(rule: Rule, parts: list[bytes]) -> list[int]:
    try:
        built = machine(rule.pattern)
    except BadPattern:
        return []
    start = rule.pattern[: literal_length(rule.pattern)]
    return [level for level, name in enumerate(parts) if name.startswith(start) and built.matches(name)]


def _piece(pattern: bytes) -> bytes:
    """What any match must hold: the longest piece without wildcards; of patterns with sets or escapes the last one."""
    if b"[" in pattern or b"\\" in pattern:
        return pattern[max(map(pattern.rfind, (b"*", b"?", b"]", b"[", b"\\"))) + 1 :]
    return max(pattern.replace(b"**/", b"*").replace(b"?", b"*").split(b"*"), key=len)
