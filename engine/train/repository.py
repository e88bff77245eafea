"""A user's own repository as training text: what git tracks, without secrets and without what nobody wrote by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from engine.train.corpus.filters import normalised, reason_against
from engine.train.corpus.languages import language_of_file
from engine.train.documents import Document

HELD_OUT = 10  # one file of so many is kept out of training, to measure by


def read_repository(root: Path) -> tuple[list[Document], list[Document]]:
    """Texts to train on, and held-out ones. Raises ValueError for a folder that git tracks nothing of."""
    train: list[Document] = []
    held_out: list[Document] = []
    for path in _tracked(root):
        document = _document(root, path)
        if document is not None:
            digest = hashlib.sha256(os.fsencode(path)).digest()
            (held_out if digest[0] % HELD_OUT == 0 else train).append(document)
    if not train:
        raise ValueError(f"{root} holds no source files that git tracks and that could be learned from")
    return train, held_out or train[-1:]


def _tracked(root: Path) -> Iterator[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise ValueError("git is not installed, and says which files of a repository are its own") from error
    except subprocess.CalledProcessError as error:
        raise ValueError(f"{root} is no git repository: {error.stderr.decode(errors='replace').strip()}") from error
    yield from sorted(filter(None, listed.stdout.decode("utf-8", "surrogateescape").split("\0")))


def _document(root: Path, path: str) -> Document | None:
    try:
        text = normalised((root / path).read_bytes())
    except OSError:  # deleted in the working tree, a submodule, or a link to nowhere
        return None
    if text is None or reason_against(path, text) is not None:
        return None
    language = language_of_file(path, text)
    return Document(language, text) if language else None
