"""The file of counts and what lies beside it: whatever it is, the server ends well and `lacuna stats` tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import ask
from planting import GB, Fifo, Files, Folder, Link, Repeated, Socket, Sparse, cases, plant
from watched_server import LACUNA, Watched, WatchedServer

FILE, LOCK, NEW, DAMAGED = "statistics.json", "statistics.lock", "statistics.new", "statistics.damaged.json"
GOOD = '{"format": 1, "days": {"2026-02-28": {"requests": 3}}}'


def days(content: object) -> Files:
    return {FILE: json.dumps({"format": 1, "days": content})}


STATES: dict[str, Files] = {
    "FIFO": {FILE: Fifo()},
    "socket": {FILE: Socket()},
    "directory": {FILE: Folder()},
    "link to /dev/zero": {FILE: Link("/dev/zero")},
    "link to /dev/stdin": {FILE: Link("/dev/stdin")},
    "link to /dev/full": {FILE: Link("/dev/full")},
    "link to itself": {FILE: Link(FILE)},
    "link to a victim": {FILE: Link("victim"), "victim": "kept"},
    "sparse, 4 GB": {FILE: Sparse(4 * GB)},
    "sparse, 4 GB, good at first": {FILE: Sparse(4 * GB, GOOD.encode())},
    "300 MB of brackets": {FILE: Repeated(b"[" * 1_000_000, 300)},
    "empty": {FILE: ""},
    "deep lists": {FILE: "[" * 100_000},
    "deep objects": {FILE: '{"format": 1, "days": ' + '{"a":' * 100_000 + "1" + "}" * 100_001},
    "number of 5,000 digits": {FILE: '{"format": 1, "days": {"2026-02-28": {"requests": ' + "9" * 5_000 + "}}}"},
    "number of 4,000 digits": {FILE: '{"format": 1, "days": {"2026-02-28": {"requests": ' + "9" * 4_000 + "}}}"},
    "NaN": {FILE: '{"format": 1, "days": {"2026-02-28": {"requests": NaN}}}'},
    "invalid UTF-8": {FILE: b'{"format": 1, "days": {"\xff": {}}}'},
    "NULs": {FILE: b"\0" * 100},
    "lone surrogate": {FILE: '{"format": 1, "days": {"\\ud800": {"requests": 1}}}'},
    "another format": {FILE: '{"format": 99, "days": {}}'},
    "days a list": days([1, 2]),
    "a day a text": days({"2026-02-28": "many"}),
    "a count a text": days({"2026-02-28": {"requests": "3"}}),
    "a count true": days({"2026-02-28": {"requests": True}}),
    "a count negative": days({"2026-02-28": {"requests": -(10**30)}}),
    "a day that is none": days({"yesterday": {"requests": 1}, "9999-99-99": {"requests": 1}, "": {"accepted": 1}}),
    "escape sequences": days({"\x1b[2J\x1b]0;x\x07": {"requests": 1}}),
    "unknown counts": days({"2026-02-28": {f"count {number}": number for number in range(10_000)}}),
    "100,000 days": days({f"{1000 + number // 300}-{number % 300:03}": {"requests": 1} for number in range(100_000)}),
    "new: link to a victim": {FILE: GOOD, NEW: Link("victim"), "victim": "kept"},
    "new: FIFO": {FILE: GOOD, NEW: Fifo()},
    "new: directory": {FILE: GOOD, NEW: Folder()},
    "new: link to /dev/full": {FILE: GOOD, NEW: Link("/dev/full")},
    "lock: FIFO": {FILE: GOOD, LOCK: Fifo()},
    "lock: directory": {FILE: GOOD, LOCK: Folder()},
    "lock: link to a victim": {FILE: GOOD, LOCK: Link("victim"), "victim": "kept"},
    "lock: socket": {FILE: GOOD, LOCK: Socket()},
    "damaged: directory": {FILE: "{", DAMAGED: Folder()},
    "damaged: link to a victim": {FILE: "{", DAMAGED: Link("victim"), "victim": "kept"},
    "damaged: FIFO": {FILE: "{", DAMAGED: Fifo()},
}
QUICK = ["FIFO", "deep lists", "new: link to a victim", "lock: FIFO"]


@pytest.mark.parametrize("files", cases(STATES, QUICK))
def test_goodbye(tmp_path: Path, files: Files) -> None:
    plant(tmp_path, files)
    server = WatchedServer(LACUNA_STATE=str(tmp_path))
    try:
        server.initialize({"enabled": False})
        server.statistics()
        server.mark()
        ask(server, "untitled:counted")
        server.call("shutdown", None)
        server.notify("exit", None)
        assert server.goodbye() == 0
    finally:
        server.kill()
    if "victim" in files:
        assert (tmp_path / "victim").read_text() == "kept"


@pytest.mark.parametrize("files", cases(STATES, ["FIFO", "deep lists"]))
@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
def test_stats(tmp_path: Path, files: Files, option: tuple[str, ...]) -> None:
    plant(tmp_path, files)
    process = Watched(*LACUNA, "stats", *option, LACUNA_STATE=str(tmp_path))
    process.mark()
    code, output, errors = process.finished()
    assert code in (0, 1) and "Traceback" not in errors, errors
    assert output if code == 0 else errors
    assert "\x1b" not in output, "a file's own escape sequences reach the terminal"
