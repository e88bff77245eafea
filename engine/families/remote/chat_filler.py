"""A filler whose model runs on a server and follows instructions: it rewrites, and knows next edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import takewhile
from math import inf
from threading import Event

from lacuna.engine.api import RewriteRequest
from lacuna.engine.diff_api import DiffQuestion, LineEdit
from lacuna.engine.families.remote.asker import Body
from lacuna.engine.families.remote.connection import RemoteError
from lacuna.engine.families.remote.dialects import chat
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.dialects.dialect import Dialect
from lacuna.engine.families.remote.filler import RemoteFiller
from lacuna.engine.families.shared.line_edit import line_edit

REWRITE_TOKENS, REWRITE_SECONDS = 2048, 300.0
EDIT_TOKENS, EDIT_SECONDS = 400, 10.0
PROBABILITY = 0.75  # of an edit, by hand and without data: servers tell none of a chat's answer that can be relied on


class ChatFiller(RemoteFiller):
    """Of a server with a chat."""

    knows_edits = True

    def rewrite(
        self, request: RewriteRequest, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """Raises RemoteError, and Stopped."""

        def body(dialect: Dialect) -> Mapping[str, object]:
            return _chat(dialect).rewriting(request, REWRITE_TOKENS)

        said = self._said(body, stop, REWRITE_SECONDS, lambda text: on_text(chat.unwrapped(text)))
        if said is None:
            raise RemoteError("the server has not written the answer to its end: rewrite less at once")
        return chat.unwrapped(said)

    def next_edit(
        self, question: DiffQuestion, least: float = 0.0, *, stop: Event | None = None, budget: float | None = None
    ) -> LineEdit | None:
        """As of `diff_api.KnowsEdits`. Raises RemoteError, too."""
        seconds = min(EDIT_SECONDS, inf if budget is None else budget)
        if seconds <= 0:
            return None
        try:
            said = self._said(lambda dialect: _chat(dialect).editing(question, EDIT_TOKENS), stop, seconds)
        except RemoteError as error:
            if error.is_late:
                return None
            raise
        edit = None if said is None else _edit(question, said)
        return edit if edit is not None and edit.probability >= least else None

    def _said(
        self, body: Body, stop: Event | None, seconds: float, on_text: Callable[[str], None] = lambda text: None
    ) -> str | None:
        """All of an answer; None for one that the server has cut, or that breaks off in a block."""
        text, is_cut = "", False
        with closing(self._asker.pieces(body, stop, seconds)) as events:
            for pieces in events:
                text += "".join(piece.text for piece in pieces)
                is_cut = is_cut or any(piece.cut for piece in pieces)
                on_text(text)
        return None if is_cut or text.count(chat.FENCE) == 1 else text


def _chat(dialect: Dialect) -> Chat:
    assert isinstance(dialect, Chat), "only a chat follows instructions"
    return dialect


def _edit(question: DiffQuestion, said: str) -> LineEdit | None:
    """None for an answer that is no block, or not the lines as they will be."""
    if chat.FENCE not in said:
        return None
    after = [f"{line}\n" for line in chat.unwrapped(said).split("\n")]
    if not "".join(after).strip():
        return None  # lines are not taken away altogether on a chat's word
    ends = list(takewhile(lambda line: not line.strip(), reversed(question.lines)))  # which are not said again
    return line_edit(question.lines, [*after, *ends], PROBABILITY)
