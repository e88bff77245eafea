"""Who may ask the endpoint: browsers reach loopback too, so pages of strangers are turned away."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any

from lacuna.lsp_server.endpoint import shapes

MOST_BYTES = 4_000_000  # of a body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLarge(Exception):
    """A body has more than `MOST_BYTES`."""


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: App, token: str, is_remote: bool) -> None:
        """`token`: "" where none is asked for. `is_remote`: other machines reach the address, by any name."""
        self._app, self._token, self._is_remote = app, token, is_remote

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(headers)
        if refused is not None:
            return await _refuse(send, *refused)
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise TooLarge
            return message

        await self._app(scope, bounded, send)

    def _refused(self, headers: MutableMapping[str, str]) -> tuple[int, str] | None:
        """A DNS name that leads to loopback is a page's trick, as is any request with an origin."""
        if not self._is_remote and not _is_loopback(headers.get("host", "")):
            return 403, "the Host header is not this machine's"
        if "origin" in headers:
            return 403, "pages of a browser may not ask"
        given = headers.get("authorization", "").removeprefix("Bearer ").strip() or headers.get("x-api-key", "")
        if self._token and not hmac.compare_digest(given.encode(), self._token.encode()):
            return 401, "the token is wrong: it is printed where the endpoint was started, or in LACUNA_TOKEN"
        return None


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition("]")[2].startswith(":") or host.count(":") == 1 else host
    name = name.strip("[]")
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


async def _refuse(send: Send, status: int, message: str) -> None:
    body = shapes.compact(shapes.error(status, message))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
