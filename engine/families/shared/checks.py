"""What every family's filler does between two pieces of work: it looks at the stop flag, and leaves cores to others."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from lacuna.engine.api import Stopped
from lacuna.engine.device.cpu_threads import FreeCores


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
