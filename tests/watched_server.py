"""The real server, or another command, as a process under watch: it may not hang and may not eat memory.

Whatever it does, a test goes on after `PATIENCE`, and what takes far more memory than it may is killed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil

START_PATIENCE = 120.0  # seconds until a server answers for the first time, beside others that start
# Seconds for one answer, or for the end of a process: what takes so long hangs.
PATIENCE = float(os.environ.get("LACUNA_TEST_PATIENCE", "30"))
MORE_MB = 200.0  # that an input may cost at most
KILL_MB = 200.0  # beyond what it may cost: it goes on without end
SAMPLE_SECONDS = 0.02
CHILDREN_SAMPLE = 25  # samples between two looks for children, which cost a look at every process there is
LACUNA = [sys.executable, "-m", "lacuna.lsp_server"]
# Nothing may reach the network: what goes through a proxy, goes nowhere.
NO_NETWORK = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1"),
    "HF_HUB_OFFLINE": "1",
}


class Fault(AssertionError):
    """What a hostile input may not do, and did."""


class Watched:
    """A process and its children, and the most memory that they had since `mark`."""

    def __init__(self, *command: str, cwd: Path | None = None, **environment: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with this object)
        env = {**os.environ, **NO_NETWORK, "NO_COLOR": "1", "COLUMNS": "200", **environment}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, cwd=cwd, env=env)
        self._tree = psutil.Process(self.process.pid)
        self.more_mb = MORE_MB  # that it may take
        self._base_mb = self._peak_mb = 0.0
        self._children: list[psutil.Process] = []
        self._is_base_set = self.has_exploded = False
        threading.Thread(target=self._watch, daemon=True).start()

    def mark(self) -> None:
        """What it has now is what it may have."""
        self._base_mb = self._peak_mb = self.memory_mb()
        self._is_base_set = True

    def memory_mb(self) -> float:
        """Resident memory of the process and its children; 0 where it has ended."""
        total = 0
        for one in (self._tree, *self._children):
            with suppress(psutil.Error):
                total += one.memory_info().rss
        return total / 1e6

    @property
    def growth_mb(self) -> float:
        """Since `mark`; 0 before."""
        return self._peak_mb - self._base_mb if self._is_base_set else 0.0

    def check_memory(self) -> None:
        if self.has_exploded or self.growth_mb > self.more_mb:
            self.kill()
            raise Fault(f"it took {self.growth_mb:.0f} MB more than before")

    def fault(self, what: str) -> Fault:
        """Why a test fails. What has hung is of no use to the next one, so it is killed."""
        self.check_memory()
        self.kill()
        return Fault(f"{what}\n{self.errors()}")

    def ended(self, patience: float = PATIENCE) -> int:
        """Its exit code, once it has ended of its own accord."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Fault(f"it did not end within {patience:.0f} s") from None
        finally:
            self.kill()
        self.check_memory()
        return code

    def finished(self, patience: float = PATIENCE) -> tuple[int, str, str]:
        """Of a command: its exit code, and what it printed."""
        try:
            output, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise self.fault(f"it did not end within {patience:.0f} s") from None
        self.check_memory()
        return self.process.returncode, output.decode(errors="replace"), self.errors()

    def children(self) -> list[psutil.Process]:
        """The processes that it has started, and those that they have."""
        return self._tree.children(recursive=True)

    def until_children(self, count: int) -> list[psutil.Process]:
        """Wait until it has started so many other processes."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if len(children := self.children()) >= count:
                return children
            time.sleep(SAMPLE_SECONDS)
        raise self.fault("it started nothing")

    def kill(self) -> None:
        """With all its children."""
        try:
            family = [*self._tree.children(recursive=True), self._tree]
        except psutil.Error:
            family = []
        for one in family:
            with suppress(psutil.Error):
                one.kill()
        self.process.wait()

    def errors(self) -> str:
        """What it has said on stderr, the last of it."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), 4000, max(size - 4000, 0)).decode(errors="replace")

    def _watch(self) -> None:
        last = 0.0
        for sample in count():
            if self.process.poll() is not None:
                return
            if sample % CHILDREN_SAMPLE == 0:
                with suppress(psutil.Error):
                    self._children = self._tree.children(recursive=True)
            # What counts is there at two looks in a row: a process that was just forked has its parent's pages.
            last, present = self.memory_mb(), last
            self._peak_mb = max(self._peak_mb, min(last, present))
            if self.growth_mb > self.more_mb + KILL_MB:
                self.has_exploded = True
                self.kill()
            time.sleep(SAMPLE_SECONDS)


class WatchedServer(Watched):
    """`lacuna serve` on stdio. What is sent is bytes; answers are kept by id, all that came."""

    def __init__(self, *, cwd: Path | None = None, **environment: str) -> None:
        super().__init__(*LACUNA, "serve", cwd=cwd, **environment)
        self.answers: dict[int | str, list[dict[str, Any]]] = defaultdict(list)
        self.told: list[dict[str, Any]] = []  # notifications and requests of the server
        self._ids = 0
        self._news = threading.Condition()
        self._outgoing: queue.Queue[bytes | None] = queue.Queue()
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def initialize(self, settings: dict[str, Any], **capabilities: Any) -> dict[str, Any]:
        parameters = {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": capabilities,
            "initializationOptions": settings,
        }
        result = self.call("initialize", parameters, START_PATIENCE)
        self.notify("initialized", {})
        return result

    def send(self, data: bytes) -> None:
        """Never waits, also where the server does not read."""
        self._outgoing.put(data)

    def close_input(self) -> None:
        self._outgoing.put(None)

    def notify(self, method: str, params: object) -> None:
        self.send(framed({"jsonrpc": "2.0", "method": method, "params": params}))

    def request(self, method: str, params: object) -> int:
        self._ids += 1
        self.send(framed({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}))
        return self._ids

    def answer(self, number: int | str, patience: float = PATIENCE) -> dict[str, Any]:
        """The first answer to a request."""
        with self._news:
            self._news.wait_for(lambda: self.answers[number] or self.has_ended, patience)
            if self.answers[number]:
                return self.answers[number][0]
        ended = self.process.poll()
        raise self.fault(f"no answer within {patience:.0f} s" if ended is None else f"it ended with {ended}")

    def any_answer(self, numbers: list[int]) -> None:
        """Wait until one of these requests is answered, or the process has ended."""
        with self._news:
            self._news.wait_for(lambda: any(map(self.answers.get, numbers)) or self.has_ended, PATIENCE)
            if any(map(self.answers.get, numbers)) or self.has_ended:
                return
        raise self.fault(f"it is deaf: no answer within {PATIENCE:.0f} s, and it goes on")

    def call(self, method: str, params: object, patience: float = PATIENCE) -> Any:
        answer = self.answer(self.request(method, params), patience)
        if "error" in answer:
            raise Fault(f"{method}: {answer['error']}")
        return answer["result"]

    def statistics(self) -> Any:
        """A question that every server can answer that lives."""
        return self.call("workspace/executeCommand", {"command": "lacuna.statistics"})

    def until_told(self, seen: int, method: str, *states: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The first notification of that method after the `seen` first, with one of these states."""

        def find() -> dict[str, Any] | None:
            later = (one for one in self.told[seen:] if one.get("method") == method)
            return next((one for one in later if not states or one["params"].get("state") in states), None)

        with self._news:
            self._news.wait_for(lambda: find() or self.has_ended, patience)
            found = find()
        if found is None:
            raise self.fault(f"no {method} {states} within {patience:.0f} s")
        return found

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def goodbye(self) -> int:
        """Close its stdin, as an editor that is gone; its exit code."""
        self.close_input()
        return self.ended()

    def _write(self) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            while (data := self._outgoing.get()) is not None:
                self.process.stdin.write(data)
                self.process.stdin.flush()
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        stream = self.process.stdout
        while header := stream.readline():
            while (line := stream.readline()).strip():
                header += line
            length = next(int(one.partition(b":")[2]) for one in header.splitlines() if b"Content-Length" in one)
            self._take(json.loads(stream.read(length)))
        self.process.wait()
        with self._news:
            self._news.notify_all()

    def _take(self, message: Any) -> None:
        with self._news:
            for one in message if isinstance(message, list) else [message]:
                number = one.get("id")
                if "method" in one or not isinstance(number, int | str):
                    self.told.append(one)
                else:
                    self.answers[number].append(one)
            self._news.notify_all()


def framed(message: object) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
