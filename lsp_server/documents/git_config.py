"""The user's own list of files that git ignores everywhere: core.excludesFile, from the user's own configuration.

Only files of the user's are read, never a repository's, and git is not run: neither can a workspace change the answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lacuna.engine.untrusted.safe_read import read_regular

_MAX_BYTES = 1 << 20
_MAX_INCLUDES = 10  # deep, as git has it

_SECTION = re.compile(r'\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\.)*)")?\][ \t]*')
_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=[ \t]*(.*))?$")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}


def excludes_file() -> Path | None:
    """The file of core.excludesFile, which need not exist, or git's default for it; None where there is no home."""
    found = None
    for file in _configurations():
        for key, value in _entries(file, _MAX_INCLUDES):
            if key == "core.excludesfile":
                found = value
    if found is not None:
        return _path(found, None)
    config = _config_home()
    return config / "git" / "ignore" if config is not None else None


def home() -> Path | None:
    """The user's home; None for who has neither HOME nor an entry in the system's list of users."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _config_home() -> Path | None:
    named = os.environ.get("XDG_CONFIG_HOME")
    if named:
        return Path(named)
    user = home()
    return user / ".config" if user is not None else None


def _configurations() -> Iterator[Path]:
    """The later one has the last word."""
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    if named is not None:
        if named:
            yield Path(named)
        return
    config, user = _config_home(), home()
    if config is not None:
        yield config / "git" / "config"
    if user is not None:
        yield user / ".gitconfig"


def _entries(file: Path, includes: int) -> Iterator[tuple[str, str]]:
    """Names, with their section in lower case, and values; those of included files in their place."""
    try:
        text = read_regular(file, _MAX_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):  # most users have one of the two files
        return
    section = ""
    for line in _joined(text.split("\n")):
        head = _SECTION.match(line)
        if head is not None:
            section, line = head[1].lower() + ("" if head[2] is None else "\0"), line[head.end() :]
        entry = _ENTRY.match(line)
        if entry is None or entry[2] is None:
            continue
        key, value = f"{section}.{entry[1].lower()}", _value(entry[2])
        yield key, value
        included = _path(value, file.parent) if key == "include.path" else None
        if included is not None and includes:
            yield from _entries(included, includes - 1)


def _joined(lines: list[str]) -> Iterator[str]:
    """Lines without what is left of them, those that end with a backslash joined with the next one."""
    whole = ""
    for line in lines:
        line = whole + line.removesuffix("\r").lstrip(" \t" if not whole else "")
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            whole = line[:-1]
            continue
        whole = ""
        yield line


def _value(written: str) -> str:
    """Without quotes and comments, escapes resolved; white space at the end counts inside quotes alone."""
    value, kept, quoted, at = "", 0, False, 0
    while at < len(written):
        sign = written[at]
        at += 1
        if sign == '"':
            quoted = not quoted
            kept = len(value)
        elif sign in "#;" and not quoted:
            break
        elif sign == "\\" and at < len(written):
            value += _ESCAPES.get(written[at], written[at])
            at, kept = at + 1, len(value)
        else:
            value += sign
            kept = len(value) if quoted or sign not in " \t" else kept
    return value[:kept]


def _path(value: str, base: Path | None) -> Path | None:
    """A path as git expands it; None for one that is not absolute and has no base."""
    user = home()
    if value == "~" or value.startswith("~/"):
        return user / value[2:] if user is not None else None
    path = Path(value)
    if path.is_absolute() or base is None:
        return path if path.is_absolute() else None
    return base / path
