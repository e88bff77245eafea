"""The bench's client of bytes: it has answers from the real server."""

from __future__ import annotations

import latency


def test_a_time_for_every_key() -> None:
    run = latency.type_without_model(20, 3)
    assert len(run.requests) == 3
    assert all(milliseconds > 0 for milliseconds in run.requests)
