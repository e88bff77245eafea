"""Finds texts that are nearly the same as one that was kept before: MinHash over runs of five tokens."""

from __future__ import annotations

import re
import zlib

import numpy as np
from datasketch import MinHash, MinHashLSH

SIMILARITY = 0.7  # Jaccard index of the sets of runs; from here on a text is a copy
_RUN = 5  # tokens
_PERMUTATIONS = 128
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FACTORS = np.array([pow(31, place) for place in range(_RUN)], dtype=np.uint64)


class NearDuplicates:
    """The texts kept so far. The first of several copies is the one that stays."""

    def __init__(self) -> None:
        self._index = MinHashLSH(threshold=SIMILARITY, num_perm=_PERMUTATIONS)
        self._kept: list[MinHash] = []

    def add(self, text: str) -> bool:
        """Keep a text; False, and nothing is kept, where it is a copy of one that was."""
        sketch = _sketch(text)
        if any(self._kept[key].jaccard(sketch) >= SIMILARITY for key in self._index.query(sketch)):
            return False
        self._index.insert(len(self._kept), sketch)
        self._kept.append(sketch)
        return True


def _sketch(text: str) -> MinHash:
    tokens = np.array([zlib.crc32(token.encode()) for token in _TOKEN.findall(text)], dtype=np.uint64)
    # A text shorter than a run is one run.
    padded = np.pad(tokens, (0, max(0, _RUN - tokens.size)))
    runs = (np.lib.stride_tricks.sliding_window_view(padded, _RUN) * _FACTORS).sum(axis=1) & np.uint64(0xFFFFFFFF)
    sketch = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int)  # the runs are hashed already
    sketch.update_batch(np.unique(runs).tolist())
    return sketch
