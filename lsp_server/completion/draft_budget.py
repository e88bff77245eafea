"""How many candidates an automatic request can afford, by what the last ones took."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

REMEMBERED = 8  # requests; enough to outlast one slow one, few enough to notice that the machine has become busy
_PREFILL, _PER_CANDIDATE = ("prefill",), ("denoise", "rerank")


class DraftBudget:
    """Keeps the milliseconds of the last automatic requests."""

    def __init__(self) -> None:
        self._prefill: deque[float] = deque(maxlen=REMEMBERED)  # milliseconds
        self._decoding: deque[float] = deque(maxlen=REMEMBERED)  # milliseconds per candidate

    def spent(self, timings: Mapping[str, float], candidates: int) -> None:
        """A request with so many candidates took so many milliseconds in each of the engine's stages."""
        self._prefill.append(sum(timings[stage] for stage in _PREFILL))
        self._decoding.append(sum(timings[stage] for stage in _PER_CANDIDATE) / candidates)

    def candidates(self, budget_ms: float, most: int) -> int:
        """From 1 to `most`, as if every candidate took as long as the first, though candidates share passes."""
        if not self._decoding:
            return 1
        room = budget_ms - median(self._prefill)
        return max(1, min(most, int(room / max(median(self._decoding), 0.1))))
