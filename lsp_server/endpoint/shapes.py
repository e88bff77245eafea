"""Answers in the shapes that clients read: compact JSON, as some look for a colon with nothing behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from lacuna.lsp_server.endpoint.filling import Fill

MODEL = "lacuna"
CREATED = 1_764_547_200  # of the model, for people


def compact(value: object) -> bytes:
    """One line, without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def error(status: int, message: str, kind: str = "") -> dict[str, Any]:
    """As llama.cpp's, which the `openai` client reads too."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        503: "unavailable_error",
    }
    return {"error": {"code": status, "message": message, "type": kind or kinds.get(status, "server_error")}}


def infill(fill: Fill, fields: object = None) -> dict[str, Any]:
    """llama.cpp's; `fields` are those that the client wants, whose slashes stay in their names."""
    tokens = max(1, fill.tokens)
    timings = {
        "prompt_n": 0,
        "prompt_ms": 0.0,
        "prompt_per_token_ms": 0.0,
        "prompt_per_second": 0.0,
        "predicted_n": fill.tokens,
        "predicted_ms": round(fill.milliseconds, 1),
        "predicted_per_token_ms": round(fill.milliseconds / tokens, 2),
        "predicted_per_second": round(1000 * tokens / max(fill.milliseconds, 1.0), 1),
    }
    whole = {
        "index": 0,
        "content": fill.text,
        "stop": True,
        "stop_type": "limit" if fill.is_cut else "eos",
        "truncated": False,
        "tokens_predicted": fill.tokens,
        "tokens_evaluated": 0,
        "tokens_cached": 0,
        "model": MODEL,
    }
    if not isinstance(fields, list) or not fields:
        return {**whole, "timings": timings}
    flat = {**whole, **{f"timings/{name}": value for name, value in timings.items()}}
    return {name: flat[name] for name in fields if isinstance(name, str) and name in flat}


def completion(fills: Iterable[Fill], with_log_probabilities: bool = False) -> dict[str, Any]:
    """OpenAI's."""
    found = list(fills)
    choices = [
        {
            "index": at,
            "text": one.text,
            "finish_reason": _reason(one),
            "logprobs": _log_probabilities(one, with_log_probabilities),
        }
        for at, one in enumerate(found)
    ]
    return {**_head("cmpl", "text_completion"), "choices": choices, "usage": _usage(found)}


def fim(fill: Fill, is_chunk: bool = False) -> dict[str, Any]:
    """Mistral's, and with a `text` beside the message what Inception's readers look for."""
    spoken = {"role": "assistant", "content": fill.text}
    said = {"delta": spoken} if is_chunk else {"message": {**spoken, "tool_calls": None}}
    head = _head("fim", "chat.completion.chunk" if is_chunk else "chat.completion")
    choice = {"index": 0, **said, "text": fill.text, "finish_reason": _reason(fill)}
    return {**head, "choices": [choice], "usage": _usage([fill])}


def ollama(fill: Fill, is_last: bool = True, is_load: bool = False) -> dict[str, Any]:
    """A line of Ollama's; the last one has the numbers. `is_load`: nothing was asked but to load the model."""
    line: dict[str, Any] = {"model": MODEL, "created_at": _now(), "response": fill.text, "done": is_last}
    if not is_last:
        return line
    nanoseconds = round(fill.milliseconds * 1_000_000)
    spent = {"total_duration": nanoseconds, "load_duration": 0, "prompt_eval_duration": 0, "eval_duration": nanoseconds}
    counts = {"prompt_eval_count": 0, "eval_count": fill.tokens}
    return {**line, "done_reason": "load" if is_load else _reason(fill), "context": [], **spent, **counts}


def usage_chunk(fill: Fill) -> dict[str, Any]:
    """What OpenAI's stream ends with for who wants it."""
    return {**_head("cmpl", "text_completion"), "choices": [], "usage": _usage([fill])}


def models() -> dict[str, Any]:
    """OpenAI's list."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": CREATED, "owned_by": MODEL}]}


def tags() -> dict[str, Any]:
    """Ollama's list."""
    name = f"{MODEL}:latest"
    return {
        "models": [{"name": name, "model": name, "modified_at": _now(), "size": 0, "digest": "", "details": DETAILS}]
    }


def show() -> dict[str, Any]:
    """What Ollama says of a model: some look for `.Suffix` in the template, others for "insert"."""
    return {
        "modelfile": "",
        "parameters": "",
        "template": "{{ .Prompt }}{{ .Suffix }}",
        "details": DETAILS,
        "model_info": {},
        "capabilities": ["completion", "insert"],
    }


def props(model: str, version: str) -> dict[str, Any]:
    """llama.cpp's."""
    return {
        "default_generation_settings": {"n_ctx": 2048, "params": {}},
        "total_slots": 1,
        "model_alias": MODEL,
        "model_path": model,
        "build_info": f"lacuna-{version}",
        "chat_template": "",
    }


DETAILS: Mapping[str, Any] = {
    "format": "safetensors",
    "family": MODEL,
    "families": [MODEL],
    "parameter_size": "",
    "quantization_level": "",
}


def _reason(fill: Fill) -> str:
    return "length" if fill.is_cut else "stop"


def _head(kind: str, name: str) -> dict[str, Any]:
    return {"id": f"{kind}-{uuid4().hex}", "object": name, "created": int(time.time()), "model": MODEL}


def _usage(fills: list[Fill]) -> dict[str, int]:
    written = sum(one.tokens for one in fills)
    return {"prompt_tokens": 0, "completion_tokens": written, "total_tokens": written}


def _log_probabilities(fill: Fill, wanted: bool) -> dict[str, Any] | None:
    if not wanted or not fill.log_probabilities:
        return None
    texts, values = zip(*fill.log_probabilities, strict=True)
    starts = [sum(map(len, texts[:at])) for at in range(len(texts))]
    return {"tokens": texts, "token_logprobs": values, "top_logprobs": None, "text_offset": starts}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
