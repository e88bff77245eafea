"""What every family's filler keeps: what was read per document."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class PerDocument(Generic[Kept]):
    """One thing for each of the documents used last."""

    def __init__(self, make: Callable[[], Kept], most: int) -> None:
        self._make, self._most = make, most
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def of(self, document: str) -> Kept:
        kept = self._kept[document] if document in self._kept else self._make()
        self._kept[document] = kept
        self._kept.move_to_end(document)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return kept

    def forget(self, document: str) -> None:
        self._kept.pop(document, None)
