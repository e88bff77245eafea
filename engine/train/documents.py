"""The texts that training draws from, and which window comes when: a counter and a seed say it, so runs can go on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.train import gaps
from lacuna.engine.train.gaps import Window

# Tokens of a window, and how often; prefixes are shorter than it. The engine reads 512 tokens before a gap, and what it
# has filled of a long one: up to 640 (engine/families/gap/kv_context.py).
SIZES = ((128, 0.25), (256, 0.3), (512, 0.35), (1024, 0.1))
RIGHTS = 8  # right cuts of a window
PYTHON = 0.6  # share of windows; other languages by their size


@dataclass(frozen=True)
class Document:
    language: str  # a name of engine/text/languages.py's table
    text: str


class Documents:
    """A training set in memory."""

    def __init__(
        self, documents: Iterable[Document], seed: int, cutting: gaps.Cutting = gaps.TWO_READS_CUTTING
    ) -> None:
        self._documents = [document for document in documents if document.text.strip()]
        if not self._documents:
            raise ValueError("there is nothing to train on: the corpus has no documents")
        self._seed, self._cutting = seed, cutting
        self._cumulated = list(accumulate(self._weights()))

    def __len__(self) -> int:
        return len(self._documents)

    def window(self, number: int, tokenizer: Tokenizer) -> Window:
        """The window of that number, the same in every run; now and then without gaps."""
        chance = random.Random(f"{self._seed}/{number}")
        (document,) = chance.choices(self._documents, cum_weights=self._cumulated)
        (size,) = chance.choices([size for size, _ in SIZES], [often for _, often in SIZES])
        near_end = self._cutting.near_end > 0 and chance.random() < self._cutting.near_end
        start = (
            gaps.start_before_end(document.text, 3 * size, chance)
            if near_end
            else gaps.random_start(document.text, chance)
        )
        return gaps.cut(document.text, start, document.language, size, RIGHTS, tokenizer, chance, self._cutting)

    def _weights(self) -> list[float]:
        """By size, up to a limit, so that no long file takes over; Python gets its share where there is other code."""
        sizes = [float(min(len(document.text), 20_000)) for document in self._documents]
        python = [document.language == "python" for document in self._documents]
        inside = sum(size for size, is_python in zip(sizes, python, strict=True) if is_python)
        outside = sum(sizes) - inside
        if not inside or not outside:
            return sizes
        shares: Mapping[bool, float] = {True: PYTHON / inside, False: (1 - PYTHON) / outside}
        return [size * shares[is_python] for size, is_python in zip(sizes, python, strict=True)]


def read_corpus(path: Path) -> Iterable[Document]:
    """A split of the corpus, as `lacuna corpus build` writes it."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Document(row["language"], row["text"])
