"""Windows that other processes cut ahead of the training: a GPU learns from one in the time a core takes to cut it."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.train.documents import Documents
from lacuna.engine.train.gaps import Window

AHEAD = 64  # windows


class WindowsAhead:
    """`Documents.window` for numbers that rise, from `processes` that hold the documents too."""

    def __init__(self, documents: Documents, tokenizer: Path, processes: int) -> None:
        # Spawned: a fork would share what CUDA and the threads of torch have begun.
        self._pool = ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(documents, tokenizer)
        )
        self._cut: dict[int, Future[Window]] = {}

    def window(self, number: int) -> Window:
        for ahead in range(number, number + AHEAD):
            if ahead not in self._cut:
                self._cut[ahead] = self._pool.submit(_window, ahead)
        return self._cut.pop(number).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


_held: list[tuple[Documents, Tokenizer]] = []  # in a process that cuts


def _begin(documents: Documents, tokenizer: Path) -> None:
    _held.append((documents, Tokenizer(tokenizer)))


def _window(number: int) -> Window:
    documents, tokenizer = _held[0]
    return documents.window(number, tokenizer)
