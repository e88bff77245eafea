"""Names of a file that an edit can be about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from lacuna.engine.train.edits.hunks import is_telling

LEAST = 2  # lines that a name stands on
REACH = 120  # lines from the first to the last of them
_NAME = re.compile(r"(?<!\\)\b[A-Za-z_]\w*\b")  # no letter of an escape


def places(lines: Sequence[str]) -> dict[str, list[int]]:
    """Per name the lines that it stands on. The order is the text's: that of a set is another one in every process."""
    found: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        for name in dict.fromkeys(_NAME.findall(line)):
            found[name].append(at)
    return found


def few_and_near(found: dict[str, list[int]], most: int) -> list[str]:
    """The names that tell something and stand on a few lines that are near each other."""
    return [
        name for name, at in found.items() if LEAST <= len(at) <= most and at[-1] - at[0] <= REACH and is_telling(name)
    ]
