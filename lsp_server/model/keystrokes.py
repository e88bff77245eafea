"""How long keystrokes take: somebody types into a small document, and every key is answered by a fill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lacuna.engine.api import Gap

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

_PREFIX = "import json\n\n\ndef load_config(path):\n    with open(path) as file:\n        "
_SUFFIX = "\n\n\ndef main():\n    print(load_config('config.json'))\n"
_TYPED = "return jso"  # ten keys, nine of which are warm
FEWEST = 4  # keys that are timed however long they take
PATIENCE_SECONDS = 3.0
QUIET_SHARE = 0.25  # of all CPUs: what other programs may take where a time is to be that of the model


@dataclass(frozen=True)
class TimedFill:
    """What one keystroke cost."""

    text: str
    steps: int
    forwards: int
    ms: float
    stages_ms: dict[str, float]


@dataclass(frozen=True)
class Speed:
    """Of a model, here."""

    p50_ms: float  # what half of the warm keystrokes take at most
    others_share: float  # what other programs took of all CPUs meanwhile, 0 to 1

    @property
    def is_disturbed(self) -> bool:
        """Whether it may be better when the machine has less to do."""
        return self.others_share > QUIET_SHARE


def timed(filler: Filler) -> Iterator[TimedFill]:
    """A fill per keystroke: the first prefills the whole prompt, the others are warm and read what is new of it."""
    began = time.perf_counter()
    for end in range(1, len(_TYPED) + 1):
        start = time.perf_counter()
        if end > FEWEST and start - began > PATIENCE_SECONDS:
            return
        fill = filler.infill(Gap(_PREFIX + _TYPED[:end], _SUFFIX, "python"))[0]
        milliseconds = round((time.perf_counter() - start) * 1000, 1)
        stages = {stage: round(ms, 1) for stage, ms in fill.timings.items()}
        yield TimedFill(fill.text, fill.steps, fill.forwards, milliseconds, stages)


def speed(filler: Filler) -> Speed:
    """Takes a second or two; some keystrokes of a model that is far too slow."""
    from lacuna.engine.device.other_programs import OtherPrograms

    filler.close("")
    others = OtherPrograms()
    fills = list(timed(filler))
    filler.close("")
    return speed_of(fills, others.share())


def speed_of(fills: list[TimedFill], others_share: float) -> Speed:
    """The same, of keystrokes that were timed."""
    warm = sorted(fill.ms for fill in fills[1:])
    return Speed(warm[len(warm) // 2], others_share)
