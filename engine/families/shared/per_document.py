"""What every family's filler does beside filling: it keeps what was read per document, and looks at the stop flag."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Event
from typing import Generic, TypeVar

from lacuna.engine.api import Stopped
from lacuna.engine.device.cpu_threads import FreeCores

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


class Checks:
    """What runs between two pieces of work."""

    def __init__(self, threads: int) -> None:
        """`threads`: CPU threads to use at most; 0 where the passes run elsewhere."""
        self._free_cores = FreeCores(threads) if threads else None

    def until(self, stop: Event | None) -> Callable[[], None]:
        """A check that raises Stopped once `stop` is set, and leaves cores to programs that need them."""

        def check() -> None:
            if stop is not None and stop.is_set():
                raise Stopped
            if self._free_cores is not None:
                self._free_cores.update()

        return check
