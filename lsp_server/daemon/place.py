"""Where the user's daemon listens, and what it says of itself there: a socket and a file in a directory that nobody
else can write to. Imports nothing that takes long, as editors wait for it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import platformdirs

VERSION = 1  # of what a shim and a daemon say to each other
HAS_UNIX_SOCKETS = sys.platform != "win32"
MOST_PATH = 100  # bytes of a socket's path: macOS takes 103, Linux 107
MOST_INFO = 1 << 16  # bytes

# What decides how a daemon computes, and where it keeps what. Who has other values has another daemon.
_COMPUTING = ("CUDA_", "GOMP_", "HIP_", "KMP_", "MKL_", "NVIDIA_", "OMP_", "ONEDNN_", "PYTORCH_", "ROCR_", "TORCH")
_PREFIXES = ("LACUNA_", "HF_", "TRITON_", *_COMPUTING)
_NAMES = (
    *("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "GIT_CONFIG_GLOBAL"),
    *("PYTHONPATH", "LD_LIBRARY_PATH", "LRU_CACHE_CAPACITY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    "DBUS_SESSION_BUS_ADDRESS",  # which the keyring is asked by
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NOT = ("LACUNA_TOKEN", "LACUNA_DAEMON")


class NotOurs(OSError):
    """The directory for sockets belongs to somebody else, or others can write to it."""


@dataclass(frozen=True)
class Info:
    """What a daemon says of itself in a file."""

    process: int
    created: float  # seconds since the epoch, of the process: numbers of processes are used again
    port: int = 0  # on loopback, where there are no Unix sockets
    token: str = ""  # that a shim and a daemon on loopback show each other


@dataclass(frozen=True)
class Place:
    """One daemon's files."""

    directory: Path
    name: str

    @property
    def socket(self) -> Path:
        return self.directory / f"{self.name}.sock"

    @property
    def info(self) -> Path:
        return self.directory / f"{self.name}.json"

    @property
    def lock(self) -> Path:
        """Held by who starts it."""
        return self.directory / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def read_info(self) -> Info | None:
        """None where there is none, or it is none."""
        try:
            with self.info.open(encoding="utf-8") as file:
                return Info(**json.loads(file.read(MOST_INFO)))
        except (OSError, ValueError, TypeError):
            return None

    def write_info(self, info: Info) -> None:
        """At once, whoever reads it meanwhile."""
        written = self.info.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(info), file)
        written.replace(self.info)

    def of_one(self, process: int) -> Place:
        """That of a daemon that serves one session alone."""
        return replace(self, name=f"{self.name}-{process}")

    @property
    def is_of_one(self) -> bool:
        return self.name.count("-") > 1

    def clear(self) -> None:
        """Nobody listens there any more."""
        for file in (self.socket, self.info):
            file.unlink(missing_ok=True)


def place() -> Place:
    """That of this user, this installation and this environment. Raises OSError."""
    return Place(_directory(), _name())


def named(name: str) -> Place | None:
    """That place, or that of one session, by its name; None where it is of another environment. Raises OSError."""
    here = place()
    return replace(here, name=name) if name == here.name or name.startswith(f"{here.name}-") else None


def places() -> Iterator[Place]:
    """Those of this user at which a daemon was. Raises OSError."""
    directory = _directory()
    yield from (Place(directory, file.stem) for file in sorted(directory.glob("d-*.json")))


def _name() -> str:
    proxies = {*_PROXIES, *map(str.lower, _PROXIES)}
    environment = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith(_PREFIXES) or name in _NAMES or name in proxies) and name not in _NOT
    }
    package = os.path.dirname(os.path.dirname(__file__))
    parts = [VERSION, importlib.metadata.version("lacuna"), sys.executable, package, sorted(environment.items())]
    return f"d-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _directory() -> Path:
    """Made where it is missing. Raises NotOurs, and OSError where none can be made."""
    error: OSError = FileNotFoundError("there is no directory for sockets")
    for directory in _candidates():
        if HAS_UNIX_SOCKETS and len(os.fsencode(directory / "d-0123456789ab-1234567.sock.new")) > MOST_PATH:
            continue
        try:
            return made(directory)
        except NotOurs:
            raise
        except OSError as failed:  # the system names a directory that is not there, as in containers
            error = failed
    raise error


def _candidates() -> Iterator[Path]:
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and os.path.isabs(runtime):
        yield Path(runtime, "lacuna")
    yield platformdirs.user_cache_path("lacuna", appauthor=False) / "run"
    if hasattr(os, "getuid"):
        yield Path(tempfile.gettempdir()) / f"lacuna-{os.getuid()}"


def made(directory: Path) -> Path:
    """A directory of this user's alone. Raises NotOurs, and OSError where there can be none."""
    if not directory.is_symlink():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise NotOurs(f"{directory} is not a directory of this user's alone (mode 700)")
        if found.st_mode & 0o077:  # nobody else could write to it
            directory.chmod(0o700)
    return directory
