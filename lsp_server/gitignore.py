"""What the .gitignore files above a file say about it, read with pathspec and cached by modification time."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

_log = logging.getLogger(__name__)

_MAX_ANSWERS = 1000  # files remembered; a session opens far fewer
_MAX_SPEC_BYTES = 1 << 20  # a .gitignore longer than this is somebody's mistake


@dataclass(frozen=True)
class _CachedSpec:
    stamp: tuple[int, int]  # modification time in nanoseconds, size
    spec: GitIgnoreSpec


class GitIgnores:
    """Answers whether git would leave a file out, without running git.

    `recheck_seconds`: how long an answer stands before the files are looked at again. (A look is a `stat` for every
    directory up to the repository's root: 40 us on a local disk, several milliseconds on a network mount.)
    """

    def __init__(self, recheck_seconds: float = 1.0) -> None:
        self._recheck_seconds = recheck_seconds
        self._specs: dict[Path, _CachedSpec] = {}
        self._answers: dict[str, tuple[float, Path | None]] = {}

    def hides(self, path: str) -> Path | None:
        """The .gitignore that hides `path` or a directory it is in; None where none does or `path` is not absolute."""
        if not os.path.isabs(path):
            return None
        now = time.monotonic()
        known = self._answers.get(path)
        if known is not None and now - known[0] < self._recheck_seconds:
            return known[1]
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        answer = self._look(Path(os.path.normpath(path)))
        self._answers[path] = (now, answer)
        return answer

    def _look(self, path: Path) -> Path | None:
        """As git does: from the root down, so that nothing inside an ignored directory can be brought back."""
        directories = _directories_of_repository(path)
        specs: list[tuple[Path, GitIgnoreSpec]] = []
        for depth, directory in enumerate(directories):
            spec = self._spec(directory / ".gitignore")
            if spec is not None:
                specs.append((directory, spec))
            last = depth + 1 == len(directories)
            entry = path if last else directories[depth + 1]
            decisive = _decisive(specs, entry, is_directory=not last)
            if decisive is not None:
                return decisive / ".gitignore"
        return None

    def _spec(self, file: Path) -> GitIgnoreSpec | None:
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            cached = self._specs.get(file)
            if cached is not None and cached.stamp == stamp:
                return cached.spec
            text = file.read_bytes()[:_MAX_SPEC_BYTES].decode("utf-8-sig", errors="replace")
        except (OSError, ValueError):  # absent, a directory, not ours to read, or a name that no file can have
            self._specs.pop(file, None)
            return None
        spec = GitIgnoreSpec.from_lines(_valid_lines(text.splitlines(), file))
        self._specs[file] = _CachedSpec(stamp, spec)
        return spec


def _directories_of_repository(path: Path) -> list[Path]:
    """The directories from the repository's root down to `path`'s own.

    Outside a repository every directory below the home directory or the file system's root counts: an unpacked
    archive, or a project before its `git init`, means its .gitignore just as well.
    """
    directories: list[Path] = []
    home = Path.home()
    for directory in path.parents:
        if directory == home and not _is_repository(directory):
            break
        directories.append(directory)
        if _is_repository(directory):
            break
    return directories[::-1]


def _is_repository(directory: Path) -> bool:
    return os.path.exists(directory / ".git")  # a file in worktrees and submodules


def _decisive(specs: list[tuple[Path, GitIgnoreSpec]], entry: Path, is_directory: bool) -> Path | None:
    """The directory whose .gitignore ignores `entry`; the deepest one with an opinion decides."""
    for directory, spec in reversed(specs):
        relative = entry.relative_to(directory).as_posix() + ("/" if is_directory else "")
        include = spec.check_file(relative).include
        if include is not None:
            return directory if include else None
    return None


def _valid_lines(lines: Iterable[str], file: Path) -> list[str]:
    """Without the lines that are no patterns, as git skips them; one bad line must not open all the others' files."""
    valid = []
    for number, line in enumerate(lines, start=1):
        try:
            GitIgnoreSpec.from_lines([line])
        except (GitIgnorePatternError, re.error):
            _log.warning("%s:%d is not a pattern that git knows; skipped", file, number)
        else:
            valid.append(line)
    return valid
