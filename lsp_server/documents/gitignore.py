"""What git's ignore files say about a file: those of its repository, and the user's own. Git is not run.

All of them are data from a stranger, `.git` included: read as regular files of a bounded size, matched in bounded time.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from lacuna.engine.untrusted.ignore_rules import IgnoreRules, Rule, TooCostly
from lacuna.engine.untrusted.safe_read import TooLargeError, read_regular
from lacuna.lsp_server.documents.git_config import excludes_file

_log = logging.getLogger(__name__)

_MAX_COST = 220_000  # lines, and 20 bytes each, of all ignore files that speak of one file: some 0.6 s to read
_MAX_BYTES = 2 << 20  # of an ignore file
_MAX_LINES = 100_000  # of an ignore file
_MAX_POINTER = 4096  # bytes of a `.git` file and of `commondir`

_Stamp = tuple[int, int, int]  # modification time in nanoseconds, size, inode
_Known = tuple[_Stamp, IgnoreRules | None]  # None: too large to be read
_Verdict = tuple[bool, str]  # whether a rule hides, and the file that it stands in


@dataclass(frozen=True)
class _Source:
    """An ignore file, and the directory that its rules are about."""

    file: str
    directory: str
    is_linkable: bool = False  # git follows a link here; in a work tree it does not


class GitIgnores:
    """Answers whether git would leave a file out.

    A file of more than 2 MiB or 100,000 lines hides everything that it is about, as do rules that cannot be tried in
    bounded time, and files that are too much together: what they would hide is not known, and may be private. An answer
    takes some calls of `stat` for every directory up to the repository's root: 40 us on a local disk, several
    milliseconds on a network mount.
    """

    def __init__(self) -> None:
        self._rules: dict[str, _Known] = {}  # by file
        self._everywhere = excludes_file()

    def hides(self, path: str) -> str | None:
        """The ignore file that hides `path` or a directory it is in; None where none does or it is not absolute."""
        if not os.path.isabs(path) or "\0" in path:
            return None
        path = os.path.normpath(path)
        folders = _folders(path)
        found = next(((at, git) for at, folder in enumerate(folders) if (git := _git_directory(folder))), None)
        if found is not None:
            at, git = found
            return self._hidden(path, folders[at::-1], [*self._common(folders[at], git)])
        # No repository: nothing but its own folder speaks of a file. Who may write above it, or shares it, has no say.
        return self._hidden(path, folders[:1], []) if _is_own(folders[0]) else None

    def _common(self, root: str, git: str) -> Iterator[_Source]:
        """What counts for a whole repository and says least: the user's own file, then info/exclude."""
        if self._everywhere is not None:
            yield _Source(str(self._everywhere), root, is_linkable=True)
        yield _Source(os.path.join(git, "info", "exclude"), root, is_linkable=True)

    def _hidden(self, path: str, folders: list[str], common: list[_Source]) -> str | None:
        """`folders` are those from the root down: as git has it, nothing inside an ignored one can be brought back."""
        verdicts: list[_Verdict | None] = [None] * len(folders)
        cost = sum(self._apply(source, path, verdicts, 0) for source in common)
        for level, folder in enumerate(folders):
            source = _Source(os.path.join(folder, ".gitignore"), folder)
            cost += self._apply(source, path, verdicts, level)
            verdict = verdicts[level]
            if verdict is not None and verdict[0]:
                return verdict[1]
            if cost > _MAX_COST:
                _log.info("%s and those above it are too much; what they are about is left alone", source.file)
                return source.file
        return None

    def _apply(self, source: _Source, path: str, verdicts: list[_Verdict | None], level: int) -> int:
        """Put in what a file says of what lies in its directory on the way to `path`, which begins at a level.

        Returns what its rules cost.
        """
        found, rules = self._read(source)
        if not found:
            return 0
        if rules is None:
            verdicts[level] = (True, source.file)
            return 0
        inner = path[len(source.directory) :].lstrip(os.sep).replace(os.sep, "/")
        for at, rule in enumerate(_decisions(rules, source, inner), start=level):
            if rule is not None:
                verdicts[at] = (not rule.negative, source.file)
        return rules.cost

    def _read(self, source: _Source) -> tuple[bool, IgnoreRules | None]:
        """Whether there is a file, and its rules."""
        try:
            status = os.stat(source.file, follow_symlinks=source.is_linkable)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._rules.get(source.file)
            if known is None or known[0] != stamp:
                known = self._remember(source.file, (stamp, _rules_of(source)))
        except (OSError, ValueError):  # absent, no regular file, not ours to read, or a name that no file can have
            self._rules.pop(source.file, None)
            return False, None
        return True, known[1]

    def _remember(self, file: str, known: _Known) -> _Known:
        """Of as many files as one question may take, twice over."""
        self._rules[file] = known
        if sum(rules.cost for _, rules in self._rules.values() if rules is not None) > 2 * _MAX_COST:
            self._rules = {file: known}
        return known


_EVERYTHING = Rule(b"*", negative=False, only_directories=False, anchored=False)


def _decisions(rules: IgnoreRules, source: _Source, inner: str) -> list[Rule | None]:
    try:
        return rules.decisions(os.fsencode(inner))
    except TooCostly as error:
        _log.info("%s: %s; what it is about is left alone", source.file, error)
        return [_EVERYTHING]


def _rules_of(source: _Source) -> IgnoreRules | None:
    """None for a file that is too large. Raises OSError for what git does not read either, as a link in a work tree."""
    try:
        content = read_regular(source.file, _MAX_BYTES, follow_links=source.is_linkable)
    except TooLargeError as error:
        _log.warning("%s; what it is about is left alone", error)
        return None
    if content.count(b"\n") > _MAX_LINES:
        _log.warning("%s has more than %d lines; what it is about is left alone", source.file, _MAX_LINES)
        return None
    return IgnoreRules.of(content)


def _folders(path: str) -> list[str]:
    """The folders that a file is in, its own first."""
    drive, rest = os.path.splitdrive(path)
    names = rest.strip(os.sep).split(os.sep)[:-1]
    return list(accumulate(names, os.path.join, initial=drive + os.sep))[::-1]


def _git_directory(root: str) -> str | None:
    """Of the root of a repository where its info/exclude lies: `.git`, or what the `.git` of a worktree names."""
    git = os.path.join(root, ".git")
    try:
        mode = os.stat(git).st_mode
        if stat.S_ISREG(mode):
            named = os.fsdecode(read_regular(git, _MAX_POINTER))
            if not named.startswith("gitdir:"):
                return None
            git = os.path.join(root, named.removeprefix("gitdir:").strip())
            mode = os.stat(git).st_mode
        return _shared(git) if stat.S_ISDIR(mode) and os.path.lexists(os.path.join(git, "HEAD")) else None
    except (OSError, ValueError):
        return None


def _shared(git: str) -> str:
    """The directory that the worktrees of a repository share."""
    try:
        return os.path.join(git, os.fsdecode(read_regular(os.path.join(git, "commondir"), _MAX_POINTER)).strip())
    except OSError:  # no worktree
        return git


def _is_own(folder: str) -> bool:
    """Whether nobody else may put files there. (On Windows each user has temporary folders of their own.)"""
    try:
        return os.name != "posix" or not os.stat(folder).st_mode & stat.S_IWOTH
    except (OSError, ValueError):
        return False
