"""The toy language that `toy_diffusion_gemma.py` teaches: lines such as `AE=([ABCDE])`, and holes in them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lacuna.engine.api import Gap

CANVAS = 32
LONGEST = 11  # tokens of a fill; with the healing prefix before it a hole has 12
LETTERS = range(ord("A"), ord("Z") + 1)
BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Hole:
    gap: Gap
    answer: str


def line(chance: random.Random) -> tuple[str, int]:
    """A line of the toy language, and where its first letter behind the brackets stands."""
    first, last = chance.choice(LETTERS), chance.choice(LETTERS)
    while not 2 <= abs(first - last) <= 8:
        last = chance.choice(LETTERS)
    step = 1 if last > first else -1
    run = "".join(map(chr, range(first, last + step, step)))
    opening = "".join(chance.choice("([{") for _ in range(chance.randint(1, 2)))
    closing = "".join(BRACKETS[bracket] for bracket in reversed(opening))
    head = f"{chr(first)}{chr(last)}={opening}"
    return f"{head}{run}{closing}\n", len(head)


def hole(chance: random.Random) -> Hole:
    """A file of a few lines with a hole in one of them, behind its opening brackets."""
    before, after = (line(chance)[0] if chance.random() < 0.5 else "" for _ in range(2))
    text, opened = line(chance)
    length = chance.randint(1, min(LONGEST, len(text) - opened - 1))
    start = chance.randint(opened, len(text) - 1 - length)
    gap = Gap(before + text[:start], text[start + length :] + after, max_tokens=LONGEST)
    return Hole(gap, text[start : start + length])
