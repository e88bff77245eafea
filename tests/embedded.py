"""The embedded model, loaded once per run of the tests: what numerics are checked on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.decoding.canvas import Canvas
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer

DATA = Path(__file__).parent / "data"


@cache
def embedded(dtype: str = "float32") -> GapFiller:
    model_store.pull(model_store.EMBEDDED)
    return loading.load(model_store.EMBEDDED, runtime.choose(device="cpu", dtype=dtype))


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(model_store.pull(model_store.EMBEDDED) / "tokenizer.json")


def gap_cases() -> list[dict[str, Any]]:
    return json.loads((DATA / "gap_cases.json").read_text(encoding="utf-8"))


def read(filled: GapFiller, prefix: list[int], suffix: list[int]) -> KvContext:
    """A new context of both sides."""
    denoiser = filled.denoiser
    context = denoiser.context()
    context.prefill_prefix(prefix, lambda: None)
    context.place_suffix(denoiser.suffixes.prefill(suffix), denoiser.config.suffix_distance)
    return context


def canvas_of(tokens: dict[int, int], length: int = 16) -> Canvas:
    canvas = Canvas(length)
    for position, token in tokens.items():
        canvas.accept(position, token)
    return canvas
