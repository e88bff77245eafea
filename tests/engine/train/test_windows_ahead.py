"""Windows cut by other processes are those that this one would cut."""

from __future__ import annotations

from pathlib import Path

from embedded import tokenizer

from lacuna.engine.store import model_store
from lacuna.engine.train.documents import Document, Documents
from lacuna.engine.train.windows_ahead import WindowsAhead

TEXT = Path(__file__).read_text(encoding="utf-8")


def test_windows_of_other_processes_are_the_same() -> None:
    documents = Documents([Document("python", TEXT)], seed=3)
    cut = WindowsAhead(documents, model_store.pull(model_store.EMBEDDED) / "tokenizer.json", processes=2)
    try:
        # Each process has its own order of sets: nothing may depend on it, or runs could not go on where they were.
        assert [cut.window(number) for number in range(4)] == [
            documents.window(number, tokenizer()) for number in range(4)
        ]
    finally:
        cut.close()
