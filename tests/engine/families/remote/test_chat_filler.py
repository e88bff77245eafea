"""What a model that follows instructions is asked behind a server: next edits and rewrites."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import pytest
from recorded_server import Recorded, RecordedServer
from test_remote_filler import DIFFUSION, LLAMA_CPP, asked, chunk, sse

from lacuna.engine.api import RewriteRequest, Stopped
from lacuna.engine.diff_api import DiffQuestion, Hunk, KnowsEdits
from lacuna.engine.families.remote.chat_filler import PROBABILITY, ChatFiller
from lacuna.engine.families.remote.connection import Address, Connection, RemoteError
from lacuna.engine.families.remote.detection import detect
from lacuna.engine.families.remote.fillers import filler

CHAT = "/v1/chat/completions"
HUNK = Hunk(1, (), ("def fetch(client):\n",), ("def fetch(client, timeout):\n",))
LINES = ("\n", "def load(client):\n", "    return fetch(client)\n")
QUESTION = DiffQuestion("users.py", (HUNK,), 9, (), LINES)
REQUEST = RewriteRequest("add them", "    return a\n")


def said(text: str) -> Recorded:
    return Recorded(lines=sse(chunk(f"Here it is.\n```python\n{text}```\n"), chunk("", "stop")))


def chat(server: RecordedServer) -> ChatFiller:
    one, _ = asked(server)
    assert isinstance(one, ChatFiller) and isinstance(one, KnowsEdits) and one.knows_edits
    return one


def test_an_edit_is_what_differs_in_the_lines_that_come_back() -> None:
    line = "    return fetch(client, timeout)\n"
    with RecordedServer({**DIFFUSION, CHAT: said("\ndef load(client):\n" + line)}).running() as server:
        one = chat(server)
        edit = one.next_edit(QUESTION)
        assert edit is not None and (edit.start, edit.end, edit.lines) == (2, 3, (line,))
        assert edit.probability == PROBABILITY and one.next_edit(QUESTION, PROBABILITY + 0.01) is None
        content = server.bodies(CHAT)[-1]["messages"][-1]["content"]
        assert "-def fetch(client):\n+def fetch(client, timeout):\n" in content
        assert "Lines of users.py:\n```\n\ndef load(client):\n    return fetch(client)\n```" in content


def test_blank_lines_that_end_the_window_stay() -> None:
    question = DiffQuestion("users.py", (HUNK,), 9, (), (*LINES, "\n", "\n"))
    answer = "\ndef load(client):\n    return fetch(client, timeout)\n"
    for more in ("", "\n", "\n\n\n"):
        with RecordedServer({**DIFFUSION, CHAT: said(answer + more)}).running() as server:
            edit = chat(server).next_edit(question)
            assert edit is not None and (edit.start, edit.end, len(edit.lines)) == (2, 3, 1)


@pytest.mark.parametrize(
    "lines",
    [
        sse(chunk("```python\ndef load("), chunk("", "length")),
        sse(chunk("```python\ndef load(client):\n    return fetch(client, timeout)\n"), chunk("", "stop")),
    ],
    ids=["cut", "without a fence"],
)
def test_an_answer_that_is_not_whole_is_none(lines: tuple[str, ...]) -> None:
    """Or the rest of the code would be taken away."""
    with RecordedServer({**DIFFUSION, CHAT: Recorded(lines=lines)}).running() as server:
        one = chat(server)
        assert one.next_edit(QUESTION) is None
        with pytest.raises(RemoteError, match="to its end"):
            one.rewrite(REQUEST)


@pytest.mark.parametrize(
    "recorded",
    [
        said("".join(LINES)),
        said(""),
        Recorded(lines=sse(chunk("Nothing follows."), chunk("", "stop"))),
        Recorded(lines=sse(chunk("", "stop"))),
    ],
    ids=["the same", "an empty block", "no block", "nothing"],
)
def test_where_nothing_follows_there_is_no_edit(recorded: Recorded) -> None:
    with RecordedServer({**DIFFUSION, CHAT: recorded}).running() as server:
        assert chat(server).next_edit(QUESTION) is None


def test_an_answer_that_comes_too_late_is_none_and_the_server_is_asked_on() -> None:
    with RecordedServer({**DIFFUSION, CHAT: said("x\n")}).running() as server:
        one = chat(server)
        before = server.answers[CHAT]
        server.answers[CHAT] = replace(before, waits=Event())
        assert one.next_edit(QUESTION, budget=0.1) is None
        assert one.next_edit(QUESTION, budget=0.0) is None
        server.answers[CHAT] = before
        assert one.next_edit(QUESTION) is not None


def test_a_stop_ends_it() -> None:
    stop = Event()
    stop.set()
    with RecordedServer({**DIFFUSION, CHAT: said("x\n")}).running() as server, pytest.raises(Stopped):
        chat(server).next_edit(QUESTION, stop=stop)


@pytest.mark.parametrize("ask", [lambda one: one.rewrite(REQUEST), lambda one: one.next_edit(QUESTION)])
def test_a_server_that_went_away_is_left_alone_here_too(ask: object) -> None:
    assert callable(ask)
    with RecordedServer({**DIFFUSION, CHAT: Recorded({"error": "busy"}, status=503)}).running() as server:
        one = chat(server)
        for _ in range(2):
            with pytest.raises(RemoteError, match="503"):
                ask(one)
        assert len(server.bodies(CHAT)) == 1


def test_a_temperature_that_is_refused_is_left_out_of_rewrites() -> None:
    listed = {"/v1/models": LLAMA_CPP["/v1/models"]}
    refused, done = Recorded({"error": "no"}, status=400), said("    return a + b\n")
    answer = Recorded(chooses=lambda body: refused if "temperature" in body else done)
    with RecordedServer({**listed, CHAT: answer}).running() as server:
        to = Connection(Address(server.url))
        one = filler(to, detect(to, "chat"))
        assert isinstance(one, ChatFiller)
        assert one.rewrite(REQUEST) == "    return a + b"
        first, second = server.bodies(CHAT)
        assert "temperature" in first and "temperature" not in second
        one.rewrite(REQUEST)
        assert "temperature" not in server.bodies(CHAT)[-1]
