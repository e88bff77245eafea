"""What clients report of our suggestions: shown, accepted, accepted in part. As commands, or as Copilot's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert, names


def _accepted(ls: LacunaServer, item: int) -> None:
    ls.acceptance.accepted(item)


def _partially_accepted(ls: LacunaServer, item: int, accepted_length: int) -> None:
    ls.acceptance.partially_accepted(item, accepted_length)


def _did_show(ls: LacunaServer, params: Any) -> None:
    ls.acceptance.shown(convert.item_id(params.item))


def _did_partially_accept(ls: LacunaServer, params: Any) -> None:
    ls.acceptance.partially_accepted(convert.item_id(params.item), int(params.acceptedLength))


FEATURES: dict[str, Callable[..., object]] = {
    names.DID_SHOW: _did_show,
    names.DID_PARTIALLY_ACCEPT: _did_partially_accept,
}
COMMANDS: dict[str, Callable[..., object]] = {
    names.ACCEPTED: _accepted,
    names.PARTIALLY_ACCEPTED: _partially_accepted,
}
