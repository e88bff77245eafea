"""Counts over time: the file, what becomes of suggestions, `lacuna stats`, and all of it over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import lacuna
from filelock import FileLock
from language_client import Client, started

from lacuna.engine.untrusted.safe_read import TooLargeError
from lacuna.lsp_server.cli import stats_command
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.telemetry import acceptance, daily_counts
from lacuna.lsp_server.telemetry.acceptance import Acceptance, Given, retained_characters
from lacuna.lsp_server.telemetry.daily_counts import KEPT_DAYS, Count, DailyCounts, read
from lacuna.lsp_server.telemetry.statistics import Outcome, Record, Statistics

URI = "untitled:test.py"
DAY = date(2026, 2, 28)
# A process that counts 40 times and writes each of them down by itself.
COUNTING = """
import asyncio, sys
from pathlib import Path
from lacuna.lsp_server.telemetry.daily_counts import Count, DailyCounts
async def run():
    for _ in range(40):
        counts = DailyCounts(Path(sys.argv[1]))
        counts.add(Count.REQUESTS, 2)
        counts.close()
asyncio.run(run())
"""


def total(path: Path) -> dict[str, int]:
    """All days' counts in one: a test may begin before midnight and end after it."""
    return dict(sum(read(path).values(), Counter[str]()))


class Editor:
    """A document in which suggestions are given and taken, and what was counted of them."""

    def __init__(self, path: Path, text: str) -> None:
        self.daily = DailyCounts(path)
        self.statistics = Statistics(self.daily)
        self.documents = DocumentStore()
        self.documents.open(URI, "python", 0, text)
        self.acceptance = Acceptance(self.documents, self.statistics)

    def counts(self) -> dict[str, object]:
        report = self.statistics.report()
        return {name: report[name] for name in Count if report[name]}


async def test_every_way_to_end_is_counted_by_its_name(tmp_path: Path) -> None:
    statistics = Statistics(DailyCounts(tmp_path / "statistics.json"))
    ends = [*Reason, *Outcome]
    for end in ends:
        statistics.add(Record("automatic", outcome=end))
    assert statistics.report()["outcomes"] == {end.name.lower(): 1 for end in ends}


async def test_counts_are_written_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "statistics.json"
    for number in (1, 2):
        counts = DailyCounts(path)
        counts.add(Count.REQUESTS, number)
        counts.add(Count.ACCEPTED)
        counts.close()
        counts.close()
    assert total(path) == {"requests": 3, "accepted": 2}


def test_servers_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, str(path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert total(path) == {"requests": 240}


async def test_counts_belong_to_the_day_on_which_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, counts = tmp_path / "statistics.json", DailyCounts(tmp_path / "statistics.json")
    for ago, number in ((1, 2), (0, 3)):
        monkeypatch.setattr(daily_counts, "date", type("Today", (), {"today": lambda ago=ago: DAY - timedelta(ago)}))
        counts.add(Count.SHOWN, number)
    counts.close()
    assert read(path) == {"2026-02-27": {"shown": 2}, "2026-02-28": {"shown": 3}}


async def test_old_days_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    first = DAY - timedelta(days=KEPT_DAYS)
    days = {(first + timedelta(days=number)).isoformat(): {"requests": 1} for number in range(KEPT_DAYS)}
    path.write_text(json.dumps({"format": 1, "days": days}), encoding="utf-8")
    counts = DailyCounts(path)
    counts.add(Count.REQUESTS)
    counts.close()
    kept = read(path)
    assert len(kept) == KEPT_DAYS
    assert first.isoformat() not in kept and max(kept) > DAY.isoformat(), "the day of these counts is the newest"


DAMAGED = [
    "",
    "{",
    "[]",
    "[" * 100_000,
    '{"format": 1, "days": ' + '{"a":' * 100_000,
    "1" * 5000,
    " " * 2_000_000,
    '{"format": 2, "days": {}}',
    '{"format": 1, "days": {"x": {"y": "z"}}}',
]


@pytest.mark.parametrize("damaged", DAMAGED)
async def test_a_file_that_cannot_be_read_is_kept_and_counting_goes_on(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises((ValueError, TooLargeError), match=r"."):
        read(path)
    counts = DailyCounts(path)
    counts.add(Count.SHOWN)
    counts.close()
    assert total(path) == {"shown": 1}
    assert (tmp_path / "statistics.damaged.json").read_text(encoding="utf-8") == damaged


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs there")
@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), os.mkdir, lambda path: path.symlink_to("/dev/zero")])
async def test_what_is_no_file_is_set_aside(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "statistics.json"
    make(path)
    counts = DailyCounts(path)
    counts.add(Count.SHOWN)
    await asyncio.wait_for(asyncio.to_thread(counts.close), 10.0)
    assert total(path) == {"shown": 1}


async def test_links_are_not_written_through(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "statistics.json"
    victim.write_text("mine", encoding="utf-8")
    for name in ("statistics.new", "statistics.lock", "statistics.json"):
        (tmp_path / name).symlink_to(victim)
    counts = DailyCounts(path)
    counts.add(Count.SHOWN)
    counts.close()
    assert victim.read_text(encoding="utf-8") == "mine"


async def test_what_is_counted_while_others_are_written_is_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, counts = tmp_path / "statistics.json", DailyCounts(tmp_path / "statistics.json")
    monkeypatch.setattr(daily_counts, "SAVE_SECONDS", 0.01)
    counts.add(Count.SHOWN)
    with FileLock(path.with_suffix(".lock")):
        await asyncio.sleep(0.1)  # it is being written, and waits
        counts.add(Count.SHOWN)
    async with asyncio.timeout(10.0):
        while total(path) != {"shown": 2}:
            await asyncio.sleep(0.01)


async def test_closing_waits_for_what_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, counts = tmp_path / "statistics.json", DailyCounts(tmp_path / "statistics.json")
    monkeypatch.setattr(daily_counts, "SAVE_SECONDS", 0.01)
    counts.add(Count.SHOWN)
    with FileLock(path.with_suffix(".lock")):
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(asyncio.to_thread(counts.close))
        await asyncio.sleep(0.1)
        assert not closing.done()
    await closing
    assert total(path) == {"shown": 1}


async def test_a_place_that_cannot_be_written_to_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    counts = DailyCounts(tmp_path / "file" / "statistics.json")
    counts.add(Count.REQUESTS)
    counts.close()
    assert "could not be written" in caplog.text


async def test_switched_off_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    counts = DailyCounts(path)
    counts.add(Count.REQUESTS)
    counts.switch(on=False)
    counts.add(Count.REQUESTS)
    counts.close()
    assert not path.exists()
    counts.switch(on=True)
    counts.add(Count.REQUESTS)
    counts.close()
    assert total(path) == {"requests": 1}


async def test_a_suggestion_is_shown_and_accepted_once(tmp_path: Path) -> None:
    editor = Editor(tmp_path / "statistics.json", "x = \n")
    editor.acceptance.give(1, Given(URI, 4, "x = ", "a + b"))
    for _ in range(2):
        editor.acceptance.shown(1)
        editor.acceptance.accepted(1)
    editor.acceptance.accepted(2)
    assert editor.counts() == {"shown": 1, "accepted": 1, "accepted_characters": 5}
    editor.acceptance.stop()


async def test_parts_are_counted_from_the_items_start_in_utf_16(tmp_path: Path) -> None:
    editor = Editor(tmp_path / "statistics.json", "é😀 = \n")
    editor.acceptance.give(1, Given(URI, 5, "é😀 = ", "😀 + b"))
    editor.acceptance.partially_accepted(1, 6)  # what stood there already
    assert editor.counts() == {}
    editor.acceptance.partially_accepted(1, 6 + 2)
    editor.acceptance.partially_accepted(1, 6 + 4)
    editor.acceptance.partially_accepted(1, 6 + 4)
    assert editor.counts() == {"partially_accepted": 1, "partially_accepted_characters": 3}
    editor.acceptance.accepted(1)
    assert editor.counts()["accepted_characters"] == 2, "what was not taken before"
    editor.acceptance.stop()


@pytest.mark.parametrize(
    ("edit", "retained"),
    [
        (Edit(Position(0, 0), Position(0, 0), "import os\n\n"), len("total(first, second)")),
        (Edit(Position(0, 10), Position(0, 24), ""), len("total(")),
        (Edit(Position(0, 17), Position(0, 23), "third"), len("total(first,")),
    ],
)
async def test_what_was_accepted_is_looked_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit, retained: int
) -> None:
    monkeypatch.setattr(acceptance, "CHECKS", ((0.01, Count.CHECKED_AFTER_30_S, Count.RETAINED_AFTER_30_S),))
    text = "total(first, second)"
    editor = Editor(tmp_path / "statistics.json", f"x = {text}\n")
    editor.acceptance.give(1, Given(URI, 4, "", text))
    editor.acceptance.accepted(1)
    editor.documents.change(URI, 1, [edit])
    while Count.CHECKED_AFTER_30_S not in editor.counts():
        await asyncio.sleep(0.01)
    assert editor.counts()["checked_after_30_s"] == len(text)
    assert editor.counts().get("retained_after_30_s", 0) == retained


async def test_documents_that_were_closed_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "CHECKS", ((0.01, Count.CHECKED_AFTER_30_S, Count.RETAINED_AFTER_30_S),))
    editor = Editor(tmp_path / "statistics.json", "x = a\n")
    editor.acceptance.give(1, Given(URI, 4, "", "a"))
    editor.acceptance.accepted(1)
    editor.documents.close(URI)
    await asyncio.sleep(0.1)
    assert "checked_after_30_s" not in editor.counts()


@pytest.mark.parametrize(
    ("accepted", "around", "retained"),
    [
        ("return a + b", "def f(a, b):\n    return a + b\n", 12),
        ("return  a", "return a", 9),
        ("return a + b", "", 0),
        ("a, b", "one, two", 0),
        ("x", "f(x)", 1),
        ("x", "f(y)", 0),
        ("for x in xs:\n    f(x)", "for x in xs:\n    g(y)", len("for x in xs:")),
    ],
)
def test_retained_characters(accepted: str, around: str, retained: int) -> None:
    assert retained_characters(accepted, around) == retained


def test_the_table_has_days_and_weeks() -> None:
    today = date(2026, 3, 31)
    days = {
        (today - timedelta(days=ago)).isoformat(): Counter(
            {Count.REQUESTS: 1000, Count.SUGGESTED: 10, Count.ACCEPTED: ago % 3, Count.CHECKED_AFTER_30_S: 4}
        )
        for ago in range(40)
    }
    rows = {line[:30].strip(): line[30:].split() for line in stats_command.as_text(days, today).splitlines()}
    assert rows["requests"] == ["1,000", "7,000", "30,000", "40,000"]
    assert rows["still there after 30 seconds"] == ["0", "%"] * 4
    assert rows["still there after 5 minutes"] == ["-"] * 4
    assert rows["accepted of those found"][:4] == ["0", "%", "9", "%"]


def test_the_command_prints_them(tmp_path: Path) -> None:
    nothing = lacuna("stats", LACUNA_STATE=str(tmp_path))
    assert nothing.returncode == 0 and "Nothing was counted yet" in nothing.stdout
    path = tmp_path / "statistics.json"
    path.write_text(json.dumps({"format": 1, "days": {DAY.isoformat(): {"requests": 12}}}), encoding="utf-8")
    done = lacuna("stats", LACUNA_STATE=str(tmp_path))
    assert "requests" in done.stdout and "12" in done.stdout and str(path) in done.stdout
    assert json.loads(lacuna("stats", "--json", LACUNA_STATE=str(tmp_path)).stdout) == {
        DAY.isoformat(): {"requests": 12}
    }
    path.write_text("{", encoding="utf-8")
    broken = lacuna("stats", LACUNA_STATE=str(tmp_path))
    assert broken.returncode == 1
    assert str(path) in broken.stderr and "Traceback" not in broken.stderr


ADD = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"


async def suggested(client: Client) -> tuple[int, str]:
    """The id and the text of a suggestion."""
    await client.until("ready")
    client.open(ADD)
    [item] = await client.ask(1, 11)
    return item.command.arguments[0], item.insert_text


@pytest.mark.weights
async def test_editors_report_and_the_file_has_no_text(embedded_model: Path, tmp_path: Path) -> None:
    async with started({"confidence": 0.0}, LACUNA_STATE=str(tmp_path)) as (client, _):
        item, text = await suggested(client)
        reported = {"insertText": text, "command": {"command": "lacuna.accepted", "arguments": [item]}}
        for _ in range(2):
            client.send("textDocument/didShowCompletion", {"item": reported})
        client.send("textDocument/didPartiallyAcceptCompletion", {"item": reported, "acceptedLength": 1})
        await client.command("partiallyAccepted", item, 2)
        client.change(1, 11, text)
        await client.command("accepted", item)
        report = await client.statistics()
    counted = {
        "requests": 1,
        "suggested": 1,
        "shown": 1,
        "partially_accepted": 1,
        "partially_accepted_characters": 2,
        "accepted": 1,
        "accepted_characters": len(text) - 2,
    }
    assert {name: report[name] for name in counted} == counted
    assert total(tmp_path / "statistics.json") == counted
    everything = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    assert set(everything) == {"format", "days"}, "and nothing else"


@pytest.mark.weights
async def test_switched_off_in_an_editor_there_is_no_file(embedded_model: Path, tmp_path: Path) -> None:
    async with started({"confidence": 0.0, "statistics": False}, LACUNA_STATE=str(tmp_path)) as (client, _):
        item, _ = await suggested(client)
        await client.command("accepted", item)
        assert (await client.statistics())["accepted"] == 1, "the process may know"
    assert list(tmp_path.iterdir()) == []


async def test_reports_about_nothing_do_no_harm(tmp_path: Path) -> None:
    async with started({"enabled": False}, LACUNA_STATE=str(tmp_path)) as (client, _):
        await client.until("off")
        for params in ({}, {"item": None}, {"item": {"command": {"arguments": []}}}, {"item": {"insertText": "x"}}):
            client.send("textDocument/didShowCompletion", params)
            client.send("textDocument/didPartiallyAcceptCompletion", params)
        await client.command("accepted", 12345)
        await client.command("partiallyAccepted", 12345, 1)
        report = await client.statistics()
        assert (report["shown"], report["accepted"]) == (0, 0)
