"""The routes: each reads a body, has it filled, and answers as the server does whose API it is."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lacuna.lsp_server.endpoint import shapes, wanted
from lacuna.lsp_server.endpoint.filling import Fill, Filling
from lacuna.lsp_server.endpoint.guard import MOST_BYTES, TooLarge
from lacuna.lsp_server.endpoint.wanted import BadBody, Wanted
from lacuna.lsp_server.model.loading import ModelError
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker

LEFT = 499  # the client is gone, or has asked for something else since
JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
_Answer = Callable[[Mapping[str, Any], Wanted, list[Fill]], Response]


class Endpoint:
    """Of one model."""

    def __init__(self, worker: Worker, filling: Filling) -> None:
        self._worker, self._filling = worker, filling

    def app(self) -> Starlette:
        """The ASGI application."""
        gets = {
            "/health": self._health,
            "/v1/health": self._health,
            "/props": self._props,
            "/v1/models": lambda request: _json(shapes.models()),
            "/models": lambda request: _json(shapes.models()),
            "/api/tags": lambda request: _json(shapes.tags()),
            "/api/version": lambda request: _json({"version": _version()}),
        }
        posts: dict[str, tuple[Callable[[Mapping[str, Any]], Wanted], _Answer]] = {
            "/infill": (wanted.of_infill, _infill),
            "/completion": (wanted.of_completion, _infill),
            "/v1/completions": (wanted.of_completion, _completion),
            "/completions": (wanted.of_completion, _completion),
            "/beta/completions": (wanted.of_completion, _completion),
            "/v1/fim/completions": (wanted.of_completion, _fim),
            "/api/generate": (wanted.of_completion, _ollama),
        }
        routes = [Route(path, answer, methods=["GET"]) for path, answer in gets.items()]
        routes += [
            Route(path, partial(self._filled, read, answer), methods=["POST"]) for path, (read, answer) in posts.items()
        ]
        routes.append(Route("/api/show", lambda request: _json(shapes.show()), methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found, TooLarge: _too_large})

    async def _health(self, request: Request) -> Response:
        if self._worker.is_ready:
            return _json({"status": "ok"})
        return self._not_ready()

    def _not_ready(self) -> Response:
        is_loading = self._worker.phase is Phase.LOADING
        return _json(shapes.error(503, "Loading model" if is_loading else self._worker.note), 503)

    async def _props(self, request: Request) -> Response:
        return _json(shapes.props(self._worker.model, _version()))

    async def _filled(self, read: Callable[[Mapping[str, Any]], Wanted], answer: _Answer, request: Request) -> Response:
        try:
            body = await _body(request)
            asked = read(body)
        except BadBody as error:
            return _json(shapes.error(400, str(error)), 400)
        except ClientDisconnect:
            return Response(status_code=LEFT)
        if not self._worker.is_ready:
            self._worker.retry()
            return self._not_ready()
        try:
            fills = await _while_connected(request, self._filling.fill(asked, _client(request, body)))
        except ModelError as error:
            return _json(shapes.error(503, str(error)), 503)
        if fills is None:
            return Response(status_code=LEFT)
        return answer(body, asked, fills)


def _infill(body: Mapping[str, Any], asked: Wanted, fills: list[Fill]) -> Response:
    if asked.streams:
        first = {"index": 0, "content": fills[0].text, "stop": False}
        return _events([first, {**shapes.infill(fills[0]), "content": ""}], is_ended=False)
    fields = body.get("response_fields")
    if asked.count > 1:
        return _json([shapes.infill(fill, fields) for fill in fills])
    return _json(shapes.infill(fills[0], fields))


def _completion(body: Mapping[str, Any], asked: Wanted, fills: list[Fill]) -> Response:
    has_log_probabilities = bool(body.get("logprobs"))
    if not asked.streams:
        return _json(shapes.completion(fills, has_log_probabilities))
    whole = shapes.completion(fills[:1], has_log_probabilities)
    del whole["usage"]
    options = body.get("stream_options")
    is_counted = isinstance(options, dict) and options.get("include_usage")
    return _events([whole, *([shapes.usage_chunk(fills[0])] if is_counted else [])])


def _fim(body: Mapping[str, Any], asked: Wanted, fills: list[Fill]) -> Response:
    return _events([shapes.fim(fills[0], is_chunk=True)]) if asked.streams else _json(shapes.fim(fills[0]))


def _ollama(body: Mapping[str, Any], asked: Wanted, fills: list[Fill]) -> Response:
    fill = fills[0]
    is_load = not asked.prefix and not asked.suffix
    if body.get("stream") is False:  # else it streams, also where nothing is said
        return _json(shapes.ollama(fill, is_load=is_load))
    last = {**shapes.ollama(fill, is_load=is_load), "response": ""}
    lines = [shapes.ollama(fill, is_last=False), last] if fill.text else [last]
    return Response(b"".join(shapes.compact(line) + b"\n" for line in lines), media_type=LINES)


def _json(value: object, status: int = 200) -> Response:
    return Response(shapes.compact(value), status, media_type=JSON)


def _events(values: Iterable[object], is_ended: bool = True) -> Response:
    """Server-sent events. A fill comes as a whole: there is nothing to wait for between them."""
    events = [b"data: " + shapes.compact(value) + b"\n\n" for value in values]
    return Response(b"".join([*events, *([b"data: [DONE]\n\n"] if is_ended else [])]), media_type=EVENTS)


async def _not_found(request: Request, error: Exception) -> Response:
    return _json(shapes.error(404, "File Not Found"), 404)


async def _too_large(request: Request, error: Exception) -> Response:
    return _json(shapes.error(413, f"the body has more than {MOST_BYTES} bytes"), 413)


async def _body(request: Request) -> Mapping[str, Any]:
    """Whatever its type is said to be: curl says another one. Raises BadBody."""
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise BadBody("the body is no JSON") from error
    if not isinstance(found, dict):
        raise BadBody("the body is no JSON object")
    return found


async def _while_connected(request: Request, work: Awaitable[list[Fill] | None]) -> list[Fill] | None:
    """What comes of some work; None, and it is cancelled, where the client goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _client(request: Request, body: Mapping[str, Any]) -> str:
    """Who asks: of one of these the newest request wins. Plugins that ask several times at once name slots."""
    host = request.client.host if request.client else ""
    marks = (body.get("id_slot"), body.get("user"))
    named = [str(mark)[:40] for mark in marks if isinstance(mark, str | int)]
    return " ".join([host, request.headers.get("user-agent", "")[:80], *named])


def _version() -> str:
    return importlib.metadata.version("lacuna")
