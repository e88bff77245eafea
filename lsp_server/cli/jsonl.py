"""`lacuna infill --jsonl`: a gap per line in, a fill per line out, in the same order. The raw engine, for measuring."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lacuna.engine.api import Gap, Infill
from lacuna.engine.text.languages import language_of
from lacuna.lsp_server.cli.raw_gap import RawGap

MAX_TOKENS = 100  # canvas after canvas: the engine has room for 128 tokens behind its longest prefix window


@dataclass(frozen=True)
class Request:
    """One line of input."""

    id: Any  # any JSON value
    raw_gap: RawGap


@dataclass(frozen=True)
class Malformed:
    """A line that is no request. `id` is None where none could be read."""

    id: Any
    error: str


def answers(lines: Iterable[bytes], max_tokens: int, fill: Callable[[Gap], Infill]) -> Iterator[str]:
    """One line of JSON for each line of input, without its line end. `max_tokens` is for lines that name none."""
    for line in lines:
        request = parse(line, max_tokens)
        if isinstance(request, Malformed):
            yield json.dumps({"id": request.id, "error": request.error})
        else:
            yield json.dumps(_answer(request, fill))


def parse(line: bytes, max_tokens: int) -> Request | Malformed:
    """Read `{"id", "prefix", "suffix", "language", "max_tokens"}`; other fields are ignored.

    `prefix` and `suffix` must be there. `id` is null, `language` "" and `max_tokens` the argument where they are not.
    """
    try:
        fields = json.loads(line.decode("utf-8-sig"), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError, too
        return Malformed(None, f"not JSON: {error}")
    if not isinstance(fields, dict):
        return Malformed(None, f"not a JSON object but {_type(fields)}")
    fields = {"id": None, "language": "", "max_tokens": max_tokens, **fields}
    fault = _fault(fields)
    if fault:
        return Malformed(fields["id"], fault)
    language = language_of(fields["language"])
    return Request(fields["id"], RawGap.between(fields["prefix"], fields["suffix"], language, fields["max_tokens"]))


def _answer(request: Request, fill: Callable[[Gap], Infill]) -> dict[str, Any]:
    start = time.perf_counter()
    infill = fill(request.raw_gap.gap)
    return {
        "id": request.id,
        "text": request.raw_gap.answer(infill.text),
        "confidence": infill.confidence,
        "steps": infill.steps,
        "forwards": infill.forwards,
        "ms": round((time.perf_counter() - start) * 1000, 1),
    }


def _fault(fields: dict[str, Any]) -> str:
    """What is wrong with a request's fields; "" if nothing is."""
    for name in ("prefix", "suffix", "language"):
        if name not in fields:
            return f"{name} is missing"
        if not isinstance(fields[name], str):
            return f"{name} must be a string, not {_type(fields[name])}"
    tokens = fields["max_tokens"]
    if not isinstance(tokens, int) or isinstance(tokens, bool):
        return f"max_tokens must be a whole number, not {_type(tokens)}"
    return "" if 1 <= tokens <= MAX_TOKENS else f"max_tokens must be 1 to {MAX_TOKENS}, not {tokens}"


def _type(value: object) -> str:
    """The JSON name of a value's type."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _finite(number: str) -> float:
    """Python reads NaN, Infinity and 1e999; they could not be written back as JSON."""
    if not math.isfinite(float(number)):
        raise ValueError(f"{number} is no number of JSON")
    return float(number)
