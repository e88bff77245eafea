"""A user's own repository as training text: what git tracks, without secrets and without what nobody wrote by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lacuna.engine.train.corpus.filters import BIGGEST, normalised, reason_against
from lacuna.engine.train.corpus.languages import language_of_file
from lacuna.engine.train.documents import Document
from lacuna.engine.untrusted.safe_read import read_regular
from lacuna.engine.untrusted.secret_names import secret_rule
from lacuna.engine.untrusted.secrets import has_secret

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
    # The repository may be a stranger's, and its own configuration can name programs that git would run.
    safe = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.untrackedCache=false", "core.pager=cat")
    settings = [word for setting in safe for word in ("-c", setting)]
    command = ["git", *settings, "-C", str(root), "ls-files", "-z", "--cached"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL, env=_environment())
    except FileNotFoundError as error:
        raise ValueError("git is not installed, and says which files of a repository are its own") from error
    except subprocess.CalledProcessError as error:
        raise ValueError(f"{root} is no git repository: {error.stderr.decode(errors='replace').strip()}") from error
    yield from sorted(filter(None, listed.stdout.decode("utf-8", "surrogateescape").split("\0")))


def _environment() -> dict[str, str]:
    """Without what could point git at another repository, or at a program."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _is_inside(root: Path, path: str) -> bool:
    real = os.path.realpath(root)
    folder = os.path.realpath(os.path.join(root, os.path.dirname(path)))
    return os.path.commonpath((real, folder)) == real


def _document(root: Path, path: str) -> Document | None:
    """None for what is no source file, holds secrets, or lies elsewhere: a link may lead out of the repository."""
    if secret_rule(path) is not None or not _is_inside(root, path):
        return None
    try:
        text = normalised(read_regular(root / path, BIGGEST, follow_links=False))
    except (
        OSError,
        ValueError,
    ):  # deleted, a submodule, a link, or larger than what is learned from
        return None
    if text is None or reason_against(path, text) is not None or has_secret(text):
        return None
    language = language_of_file(path, text)
    return Document(language, text) if language else None
