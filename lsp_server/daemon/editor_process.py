"""The process that a session belongs to: where stdin is somebody else's too, its end does not show."""

from __future__ import annotations

import os
import select
from contextlib import suppress


class EditorProcess:
    """One that is there now. One that is not is of another machine or container, perhaps, and never gone."""

    def __init__(self, process: int) -> None:
        self._handle, self._process = -1, None
        if hasattr(os, "pidfd_open"):
            with suppress(OSError, OverflowError):
                self._handle = os.pidfd_open(process)
            return
        import psutil

        with suppress(psutil.Error, OverflowError):
            self._process = psutil.Process(process)

    @property
    def is_gone(self) -> bool:
        if self._handle >= 0:
            return bool(select.select([self._handle], [], [], 0)[0])
        return self._process is not None and not self._process.is_running()
