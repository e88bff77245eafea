"""Made-up edits, the plainest there are: a name in a file becomes another one, at all of its places."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from lacuna.engine.train.edits.made_up.names import few_and_near, places

MOST = 10  # lines that a name stands on
_PREFIXES = ("new_", "old_", "base_", "raw_", "current_", "_", "is_", "max_", "default_")
_SUFFIXES = ("_", "2", "_id", "_name", "_value", "s", "_list", "_path", "_options", "_count", "Ref", "Value", "Options")


def renamed(lines: Sequence[str], chance: random.Random) -> list[str] | None:
    """The lines of a file with a name changed; None where none stands on a few lines that are near each other."""
    stands = places(lines)
    names = few_and_near(stands, MOST)
    if not names:
        return None
    old = chance.choice(names)
    new = _another(old, names, chance)
    if new in stands:
        return None
    return [re.sub(rf"\b{old}\b", new, line) for line in lines]


def _another(old: str, names: Sequence[str], chance: random.Random) -> str:
    drawn = chance.random()
    if drawn < 0.4:
        return old + chance.choice(_SUFFIXES)
    if drawn < 0.7:
        return chance.choice(_PREFIXES) + old
    parts = [part for name in chance.sample(list(names), min(3, len(names))) for part in name.strip("_").split("_")]
    return "_".join(chance.sample(parts, min(len(parts), chance.choice((1, 2))))) or f"{old}_2"
