"""Which files Lacuna leaves alone: secrets, what the user lists, and what .gitignore hides."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache

from lacuna.engine.untrusted.ignore_rules import IgnoreRules, TooCostly, fault
from lacuna.engine.untrusted.secret_names import secret_rule
from lacuna.lsp_server.documents.gitignore import GitIgnores

MAX_GLOBS = 1000  # of the user's
SHORT_PARTS, SHORT_CHARS = 3, 120  # of a path that a model is told
_MAX_PATH = 4096  # characters; no file of any system has a longer path
_MAX_ANSWERS = 1000  # documents remembered; a session opens far fewer

_PERCENT_CODES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_secret_rule = lru_cache(maxsize=4096)(secret_rule)


class Exclusion:
    """Says why a document gets no suggestions and enters no other document's context.

    `user_globs` are .gitignore patterns that hold at any depth, the later ones before the earlier ones and before what
    .gitignore says: `!dist/a.js` lets that file in again. Nothing lets in what may hold secrets: the globs may be a
    workspace's. A file is judged by its path and by what that links to. A pattern that is none raises ValueError.
    `recheck_seconds`: how long an answer stands before the file system is asked again.
    """

    def __init__(self, user_globs: Iterable[str] = (), recheck_seconds: float = 1.0) -> None:
        self._user = [(glob, _user_rules(glob)) for glob in user_globs]
        self._gitignores = GitIgnores()
        self._recheck_seconds = recheck_seconds
        self._answers: dict[str, tuple[float, str | None]] = {}

    def reason(self, uri_or_path: str) -> str | None:
        """Why this document is left alone, in words for a person; None where it is not."""
        path = path_of(uri_or_path[: 4 * _MAX_PATH])  # percent codes take three for one
        if len(path) > _MAX_PATH:
            return "its path is too long"
        now = time.monotonic()
        known = self._answers.get(path)
        if known is not None and now - known[0] < self._recheck_seconds:
            return known[1]
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        reasons = map(self._reason, dict.fromkeys((path, _real(path))))
        self._answers[path] = (now, next(filter(None, reasons), None))
        return self._answers[path][1]

    def _reason(self, path: str) -> str | None:
        try:
            secret = _secret_rule(path)
        except TooCostly:
            return "may hold secrets: its path cannot be judged"
        if secret is not None:
            return f"may hold secrets: {secret}"
        for glob, rules in reversed(self._user):
            include = _includes(rules, path)
            if include is not None:
                return f"listed by the user: {glob}" if include else None
        hidden_by = self._gitignores.hides(path)
        return f"hidden by {hidden_by}" if hidden_by is not None else None


def bad_globs(globs: Iterable[str]) -> str | None:
    """What is wrong with a user's list, in words; None where nothing is."""
    listed = list(globs)
    if len(listed) > MAX_GLOBS:
        return f"excluded: {len(listed)} patterns are too many; at most {MAX_GLOBS} are taken"
    faults = ((glob, fault(_anywhere(glob))) for glob in listed)
    return next((_complaint(glob, wrong) for glob, wrong in faults if wrong is not None), None)


def path_of(uri_or_path: str) -> str:
    """The file behind a URI, with forward slashes: of a notebook cell the notebook, of an untitled document its name.

    A plain path comes back as it is. Query and fragment are dropped, percent codes decoded, and Windows drives
    keep their letter: `file:///c%3A/x` is `c:/x`.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri_or_path)  # two letters at least: one is a drive
    if scheme is None:
        windows = os.sep == "\\" or re.match(r"[A-Za-z]:\\|\\\\", uri_or_path)
        return uri_or_path.replace("\\", "/") if windows else uri_or_path
    rest = re.split(r"[?#]", uri_or_path[scheme.end() :], maxsplit=1)[0]
    authority = ""
    if rest.startswith("//"):
        authority, slash, tail = rest[2:].partition("/")
        rest = slash + tail
    path = _decoded(rest)
    if scheme[1].lower() == "file" and authority not in ("", "localhost"):
        return f"//{_decoded(authority)}{path}"
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def short_path(uri: str) -> str:
    """The file behind a URI as a model is told of it: its name and two folders, on one line."""
    short = "/".join(path_of(uri).strip("/").split("/")[-SHORT_PARTS:])
    return "".join(sign for sign in short if sign.isprintable())[-SHORT_CHARS:]


def _decoded(text: str) -> str:
    return _PERCENT_CODES.sub(lambda codes: bytes.fromhex(codes[0].replace("%", "")).decode(errors="replace"), text)


def _user_rules(glob: str) -> IgnoreRules:
    wrong = fault(_anywhere(glob))
    if wrong is not None:
        raise ValueError(_complaint(glob, wrong))
    return IgnoreRules([_anywhere(glob).encode(errors="surrogatepass")])


def _complaint(glob: str, wrong: str) -> str:
    return f"excluded: {glob!r} is not a .gitignore pattern: {wrong}"


def _includes(rules: IgnoreRules, path: str) -> bool | None:
    """Whether a glob leaves a file alone (True), lets it in (False), or does not speak of it."""
    try:
        decisions = rules.decisions(path.strip("/").encode(errors="surrogatepass"))
    except TooCostly:
        return True
    rule = next((rule for rule in reversed(decisions) if rule is not None), None)
    return None if rule is None else not rule.negative


def _anywhere(glob: str) -> str:
    """`glob` so that it holds at any depth: .gitignore ties a pattern with an inner slash to its own directory."""
    negation, pattern = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
    if pattern.startswith("~"):
        pattern = os.path.expanduser(pattern).replace(os.sep, "/")
    tied = "/" in pattern.rstrip("/") and not pattern.startswith(("/", "**/")) and not re.match(r"[A-Za-z]:/", pattern)
    return f"{negation}**/{pattern}" if tied else f"{negation}{pattern}"


def _real(path: str) -> str:
    """The path without links, in any of its directories."""
    if not os.path.isabs(path):
        return path
    try:
        return os.path.realpath(path).replace(os.sep, "/")
    except (OSError, ValueError):  # a name that no file can have
        return path
