"""Which records loggers let through while clients are there, and after."""

from __future__ import annotations

import logging

from lacuna.lsp_server.log import ClientLog


async def test_loggers_let_through_what_any_client_wants_and_are_then_as_they_were() -> None:
    ours = logging.getLogger("lacuna.engine")
    before = ours.level
    talkative, quiet = ClientLog(lambda *_: None), ClientLog(lambda *_: None)
    with quiet.addressed():
        with talkative.addressed():
            talkative.set_level("debug")
            assert ours.level == logging.DEBUG
        assert ours.level == logging.WARNING
    assert ours.level == before
