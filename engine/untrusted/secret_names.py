"""Whether a file's name says that it holds secrets. The names stand in secret_names.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lacuna.engine.untrusted.ignore_rules import IgnoreRules

_TABLE = Path(__file__).with_name("secret_names.txt")
_MAX_PATH = 4096  # characters; no file has a longer path
_MAX_COPIES = 4  # marks of a copy or an environment that are taken off one after the other

# `.env~`, `.env.bak`, `.netrc.old`, `kubeconfig-prod`, `id_rsa (1)`. (Editors' own files have marks in front as well.)
_COPY = re.compile(
    r"(?:~|[-._ ](?:bak|back|backup|bkp|copy|old|orig|original|save|saved|swp|swo|swn|tmp|temp|rej|disabled|[0-9]{1,8}"
    r"|prod|production|prd|stage|staging|stg|dev|devel|development|test|testing|qa|uat|live|local|ci|default)"
    r"|\(copy\)|[ ]?\([0-9]{1,3}\))$"
)
_FRONT = re.compile(r"^(?:\.?#|\._|\.(?=.+\.sw[a-p]$))")
_BEHIND = re.compile(r"#$")


def secret_rule(path: str) -> str | None:
    """The line of the table that says so of a file, or of a directory it is in; None where none does.

    `path` has forward slashes, and is taken as it stands: what it links to is another path. Raises TooCostly, for one
    that is made to be hard to rerank.
    """
    if len(path) > _MAX_PATH:
        return None
    folder, slash, name = path.lower().strip("/").rpartition("/")
    directories, files = _tables()
    inside = directories.decisions(_bytes(folder + slash + name))[:-1]
    for rule in filter(None, inside):
        return rule.pattern.decode() + "/"
    for one in reversed(list(_names(name))):  # of `secrets.py~` what `secrets.py` is decides
        found = files.decisions(_bytes(folder + slash + one))[-1]
        if found is not None:
            return None if found.negative else found.pattern.decode()
    return None


@lru_cache(maxsize=1)
def _tables() -> tuple[IgnoreRules, IgnoreRules]:
    """Of directories and of files. A rule with a slash inside holds at any depth, as all others do."""
    lines = [line for line in _TABLE.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    rules = [_anywhere(one).encode() for line in lines for one in _written_out(line)]
    directories = [rule for rule in rules if rule.endswith(b"/")]
    return IgnoreRules(directories), IgnoreRules(rule for rule in rules if not rule.endswith(b"/"))


def _anywhere(line: str) -> str:
    sign, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    inner = "/" in pattern.rstrip("/") and not pattern.startswith("**/")
    return f"{sign}**/{pattern}" if inner else line


def _written_out(line: str) -> Iterator[str]:
    """Once for each sign of a set: rules without sets are looked up, those with them are tried one by one."""
    found = re.search(r"\[([-_.]+)\]", line)
    if found is None:
        yield line
        return
    for sign in found[1]:
        yield from _written_out(line[: found.start()] + sign + line[found.end() :])


def _bytes(path: str) -> bytes:
    return path.encode(errors="surrogatepass")


def _names(name: str) -> Iterator[str]:
    """A name, and what it is a copy of."""
    yield name
    name = _BEHIND.sub("", _FRONT.sub("", name)) if _FRONT.match(name) else name
    for _ in range(_MAX_COPIES):
        yield name
        shorter = _COPY.sub("", name)
        if shorter in (name, "", "."):
            return
        name = shorter
