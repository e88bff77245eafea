"""llama.cpp's own server in a process of its own, a binary or that of the package xllamacpp, and a client of it.

    python bench/llama_server.py GGUF THREADS PORT

serves with the package on a port of the loopback interface, until its standard input ends.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil

PACKAGE, VERSION = "xllamacpp", "2026.10.11549"  # a version that the bench was run with
HOST = "127.0.0.1"
PATIENCE = 120.0  # seconds; longer than loading or any answer takes
# As the servers that the plugins advise (`llama-server --fim-qwen-1.5b-default`), but for the context, which need not
# be longer than what `/infill` reads of a file and its answer.
BATCH, CACHE_REUSE, CONTEXT = 1024, 256, 4096
CACHE_RAM = 0  # MiB for the prompts of earlier places: none comes twice, so that they would only take memory
VERBOSITY = 1  # errors, on our standard error


class PeerFailed(Exception):
    """The server did not start, went away, or answered with an error; the message says what happened."""


def missing() -> str | None:
    """What to do where the package is not there."""
    if util.find_spec(PACKAGE) is not None:
        return None
    return (
        f"llama.cpp's server is not here: `pip install {PACKAGE}=={VERSION}` (34 MB; Lacuna itself never needs it), "
        "or say where one is with --llama-server"
    )


class LlamaServer:
    """One server process, while a `with` block runs."""

    def __init__(self, gguf: Path, threads: int, binary: Path | None = None) -> None:
        """Returns when the model is loaded. `binary` is a llama-server; None for the package's. Raises PeerFailed."""
        with socket.create_server((HOST, 0)) as free:
            self._port = int(free.getsockname()[1])
        own = [sys.executable, __file__, str(gguf), str(threads), str(self._port)]
        command = own if binary is None else [str(binary), *_flags(gguf, threads, self._port)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        except OSError as error:
            raise PeerFailed(f"{binary} cannot be run: {error}") from error
        try:
            self._wait(gguf)
            build = self._ask("GET", "/props").get("build_info")
        except PeerFailed:
            self.__exit__()
            raise
        self.description = _package() if binary is None else f"llama-server {build}"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def resident_mb(self) -> float:
        """Of the process, with what it has touched of the mapped weights."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / (1 << 20)

    def infill(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer's JSON. Raises PeerFailed."""
        return self._ask("POST", "/infill", request)

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def _wait(self, gguf: Path) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                code = self._process.returncode
                raise PeerFailed(f"llama.cpp's server does not serve {gguf}: it ended with exit code {code}")
            try:
                self._ask("GET", "/health")
                return
            except PeerFailed:  # it does not listen yet, or still loads
                time.sleep(0.1)
        raise PeerFailed(f"llama.cpp's server was not ready after {PATIENCE:.0f} s")

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPConnection(HOST, self._port, timeout=PATIENCE)  # each time, as the plugins' curl does
        sent = None if content is None else json.dumps(content)
        try:
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise PeerFailed(f"llama.cpp's server does not answer: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise PeerFailed(f"llama.cpp's server answered {response.status}: {body[:300].decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(body)
        return answer


def serve(gguf: str, threads: int, port: int) -> None:
    """Serve with the package until standard input ends."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = gguf
    parameters.hostnames, parameters.port = [HOST], port
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = CONTEXT, BATCH, BATCH
    parameters.n_parallel, parameters.n_cache_reuse, parameters.cache_ram_mib = 1, CACHE_REUSE, CACHE_RAM
    parameters.verbosity = VERBOSITY
    _server = xllamacpp.Server(parameters)
    sys.stdin.read()


def _flags(gguf: Path, threads: int, port: int) -> list[str]:
    """The same for a binary."""
    flags = {
        "--model": gguf,
        "--threads": threads,
        "--threads-batch": threads,
        "--host": HOST,
        "--port": port,
        "--ctx-size": CONTEXT,
        "--batch-size": BATCH,
        "--ubatch-size": BATCH,
        "--parallel": 1,
        "--cache-reuse": CACHE_REUSE,
        "--cache-ram": CACHE_RAM,
        "--gpu-layers": 0,
        "--log-verbosity": VERBOSITY,
    }
    return [str(part) for pair in flags.items() for part in pair]


def _package() -> str:
    """Name and version, of which the last part is llama.cpp's build, and which instructions it was compiled for."""
    import xllamacpp

    system = " ".join(part.partition("=")[0].strip() for part in xllamacpp.get_system_info().split("|")).strip()
    return f"{PACKAGE} {metadata.version(PACKAGE)} ({system})"


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
