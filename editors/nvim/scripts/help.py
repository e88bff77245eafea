"""Writes the options of lua/lacuna/config.lua, with their comments and defaults, into doc/lacuna.txt, and doc/tags.

`python scripts/help.py` writes; with `--check` it only says whether the files are up to date.
"""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

PLUGIN = Path(__file__).parent.parent
CONFIG = PLUGIN / "lua" / "lacuna" / "config.lua"
HELP = PLUGIN / "doc" / "lacuna.txt"
TAGS = PLUGIN / "doc" / "tags"  # committed, so that :help works in a checkout for which nobody has run :helptags
WIDTH = 78
START, END = "OPTIONS", "=" * WIDTH

_ENTRY = re.compile(r"(\w+) = (.+?),?(?:\s*---@type (.+))?$")
_TAG = re.compile(r"(?<!\S)\*([^*|\s]+)\*(?!\S)")


@dataclass(frozen=True)
class Option:
    """One option, or a section of options, whose default is then None."""

    name: str  # as in "keys.accept"
    default: str | None  # as Lua writes it
    comment: str


def options(source: str) -> list[Option]:
    """The annotated defaults, in their order."""
    found: list[Option] = []
    path: list[str] = []
    comment: list[str] = []
    body = source.partition("local defaults = {\n")[2].partition("\n}\n")[0]
    for line in map(str.strip, body.splitlines()):
        entry = _ENTRY.match(line)
        if line.startswith("--- "):
            comment.append(line[4:])
        elif line == "},":
            path.pop()
        elif entry:
            name, default = ".".join([*path, entry[1]]), entry[2]
            is_section = default == "{"
            found.append(Option(name, None if is_section else default, " ".join(comment)))
            comment = []
            if is_section:
                path.append(entry[1])
        else:
            raise ValueError(f"{CONFIG.name}: {line!r} is neither a comment nor an option")
    return found


def page(source: str, before: str) -> str:
    """The help file, with its section of options replaced by what the source says."""
    head, title, rest = before.partition(f"\n{START} ")
    if not title:
        raise ValueError(f"{HELP.name} has no section {START!r}")
    tail = rest.partition(f"\n{END}")[2]
    heading = f"{START}{'*lacuna-options*':>{WIDTH - len(START)}}"
    entries = "\n".join(_entry(option) for option in options(source))
    return f"{head}\n{heading}\n\n{entries}\n{END}{tail}"


def tags(page: str) -> str:
    """What `:helptags` makes of the help file."""
    return "".join(f"{tag}\t{HELP.name}\t/*{tag}*\n" for tag in sorted(_TAG.findall(page)))


def _entry(option: Option) -> str:
    left = option.name if option.default is None else f"{option.name}  `{option.default}`"
    tag = f"*lacuna-option-{option.name}*"
    fits = len(left) + len(tag) + 2 <= WIDTH
    heading = f"{left}{tag:>{WIDTH - len(left)}}" if fits else f"{tag:>{WIDTH}}\n{left}"
    return heading + "\n" + textwrap.fill(option.comment, WIDTH, initial_indent="    ", subsequent_indent="    ") + "\n"


def main() -> int:
    after = page(CONFIG.read_text(encoding="utf-8"), HELP.read_text(encoding="utf-8"))
    wanted = {HELP: after, TAGS: tags(after)}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is not up to date: run python {Path(__file__).name}")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
