"""One wheel from the user's package index by pip, which runs nobody's code on the way.

pip takes constraints, requirements, another Python and more from its files and the environment, and a direct reference
among those is built, and so run, before any hash is compared. Only where packages come from is taken over.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lacuna.engine.store import child
from lacuna.engine.store.pull_error import PullError

# pip's options that say where packages are: what comes from there is only taken with the right hash. They may hold
# passwords, so they go into a file and not onto a command line. In this order, as the last one undoes the others.
PLACES = ("index-url", "pypi-url", "extra-index-url", "find-links", "trusted-host", "no-index")
# And how they are reached. "default-timeout" is a name that pip has for `timeout`.
REACHED = ("cert", "client-cert", "timeout", "default-timeout", "retries", "keyring-provider")
_PROXY = "proxy"
_LISTED = re.compile(r"(global|download)\.([\w-]+)=(['\"].*['\"])")


def download(requirement: str, sha256: str, directory: Path, check: Callable[[], None]) -> child.Done:
    """Downloads a wheel of exactly that hash into `directory`; `check` may raise to end it.

    Raises PullError and OSError.
    """
    said = settings(check)
    _check_local(said)
    wanted = directory / "requirements.txt"
    with open(os.open(wanted, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join([*_place_lines(said), f"{requirement} --hash=sha256:{sha256}", ""]))
    arguments = ["download", "--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir"]
    arguments += ["--require-hashes", "--only-binary=:all:", "--no-deps", "--progress-bar=off"]
    arguments += [f"--{name}={said[name]}" for name in REACHED if name in said]
    arguments += ["--dest", str(directory), "--requirement", str(wanted)]
    # pip's own temporary files belong on the same disk, where there is room and they are cleared away.
    env = _clean(os.devnull) | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(directory))
    if _PROXY in said:
        env |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), said[_PROXY])
    try:
        return child.run("pip", arguments, env=env, check=check, isolated=True)
    finally:
        wanted.unlink(missing_ok=True)


def settings(check: Callable[[], None] = lambda: None) -> dict[str, str]:
    """What the user has set of PLACES and REACHED, in pip's files or the environment, by pip's names.

    Raises PullError.
    """
    # pip itself knows where its files are. It would start another Python that is set there, but for --python here; and
    # would be silent where `quiet` is set, but for -v.
    arguments = ["--python", sys.executable, "config", "list", "-vvv"]
    env = _clean(os.environ.get("PIP_CONFIG_FILE"))
    done = child.run("pip", arguments, env=env, check=check, isolated=True)
    if done.code != 0:
        raise PullError(
            f"pip cannot read its own settings, mend them (`pip config debug`): {done.errors.strip()[-500:]}"
        )
    environment = ((name.lower(), value) for name, value in os.environ.items())
    named = {
        **{name: value for section, name, value in _settings(done.out) if section == "global"},
        **{name: value for section, name, value in _settings(done.out) if section == "download"},
        **{name[4:].replace("_", "-"): value for name, value in environment if name.startswith("pip_") and value},
    }
    return {name: value for name, value in named.items() if name in (*PLACES, *REACHED, _PROXY)}


def _check_local(said: Mapping[str, str]) -> None:
    """Raises PullError for a local "wheel" that is a device or a FIFO: pip hashes it where it is, and would not end."""
    for value in said.get("find-links", "").split():
        url = urlsplit(value)
        if "://" in value and url.scheme != "file":
            continue
        place = Path(url2pathname(url.path) if url.scheme == "file" else os.path.expanduser(value))
        for wheel in place.glob("*.whl"):
            if wheel.exists() and not wheel.is_file() and not wheel.is_dir():
                raise PullError(f"{wheel} is no file: remove it, or set pip's find-links to another place")


def _settings(listed: str) -> Iterator[tuple[str, str, str]]:
    """Section, name and value of what `pip config list` prints."""
    for line in listed.splitlines():
        found = _LISTED.fullmatch(line)
        if found:
            yield found[1], found[2], str(ast.literal_eval(found[3]))


def _place_lines(said: Mapping[str, str]) -> Iterator[str]:
    """Lines of a requirements file."""
    for name in PLACES:
        if name == "no-index":
            if said.get(name, "").lower() in ("1", "true", "yes", "on", "y", "t"):
                yield "--no-index"
            continue
        for value in said.get(name, "").split():
            local = name == "find-links" and "://" not in value
            yield f"--{name} {shlex.quote(os.path.abspath(os.path.expanduser(value)) if local else value)}"


def _clean(pip_config: str | None) -> dict[str, str]:
    """The environment without what pip and Python take from it, and with that file of settings."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PIP_", "PYTHON"))}
    return kept if pip_config is None else {**kept, "PIP_CONFIG_FILE": pip_config}
