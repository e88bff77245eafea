"""The KV cache of a gap on a tiny model: after any sequence of edits it says what a fresh one says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import write_tiny_model

from lacuna.engine.api import Stopped
from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import CHUNK, KvContext

TOKENS = st.integers(1, 4)  # few, so that texts often begin alike and drafts are often accepted
TEXTS = st.lists(TOKENS, min_size=1, max_size=12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("prefill"), TEXTS),  # another text altogether
        st.tuples(st.just("append"), TEXTS),
        st.tuples(st.just("truncate"), st.integers(0, 12)),
        st.tuples(st.just("stop"), TEXTS),  # seen before the first chunk
        st.tuples(st.just("stop between chunks"), TEXTS),
        st.tuples(st.just("draft"), TEXTS),  # verified, and then accepted as far as the next text has it
        st.tuples(st.just("draft with states"), TEXTS),  # the same, and nothing of it is computed again
        st.tuples(st.just("copy"), st.integers(1, 12)),  # on with another context, which takes over so many tokens
    ),
    min_size=1,
    max_size=10,
)


@cache
def denoiser() -> GapDenoiser:
    with TemporaryDirectory() as directory:
        model = write_tiny_model(Path(directory) / "model")
        return loading.load(str(model), runtime.choose(device="cpu", dtype="float32")).denoiser


def prefill(context: KvContext, text: list[int], chunks: int | None = None) -> None:
    """Prefills `text`, or is stopped after so many chunks of it."""
    seen = 0

    def check() -> None:
        nonlocal seen
        if seen == chunks:
            raise Stopped
        seen += 1

    context.prefill_prefix(text, check)


@given(STEPS)
@settings(max_examples=40, deadline=None)
@torch.inference_mode()
def test_after_any_sequence_a_cached_context_equals_a_fresh_one(steps: list[tuple[str, list[int] | int]]) -> None:
    context, text = denoiser().context(), [1]
    prefill(context, text)
    for step, given_ in steps:
        tokens = given_ if isinstance(given_, list) else []
        count = given_ if isinstance(given_, int) else 0
        if step == "prefill":
            text = tokens
        elif step == "append":
            text = [*text, *tokens]
        elif step == "truncate":
            text = text[: max(1, len(text) - count)]
        elif step == "stop":
            _stopped(context, [*tokens, *text], 0)
        elif step == "stop between chunks":
            _stopped(context, [*tokens, *[2] * 2 * CHUNK], 1)
        elif step == "draft":
            text = _accepted(context, text, tokens)
        elif step == "draft with states":
            text = _kept(context, text, tokens)
        else:
            source, context = context, denoiser().context()
            context.copy_from(source, min(count, len(source.ids)))
        if not step.startswith("stop"):
            prefill(context, text)
            _check(context, text)
    prefill(context, text)
    _check(context, text)


def _stopped(context: KvContext, text: list[int], chunks: int) -> None:
    """May be done before it is stopped, where the cache holds nearly all of it."""
    try:
        prefill(context, text, chunks)
    except Stopped:
        return


def _accepted(context: KvContext, text: list[int], draft: list[int]) -> list[int]:
    """The text with the first half of a draft that was verified behind it, and one token more."""
    prefill(context, text)
    tree = DraftTree([[3, 3], draft])
    denoiser().score(context, tree)
    context.keep_draft_kv(draft, [context.tail + row for row in tree.paths[1]])
    return [*text, *draft[: (len(draft) + 1) // 2], 4]


def _kept(context: KvContext, text: list[int], draft: list[int]) -> list[int]:
    """The text with the first half of a draft that was verified with its states."""
    prefill(context, text)
    denoiser().score(context, DraftTree([draft, [3, 3]]), keep=True)
    return [*text, *draft[: (len(draft) + 1) // 2]]


def _check(context: KvContext, text: list[int]) -> None:
    fresh = denoiser().context()
    prefill(fresh, text)
    assert context.ids == fresh.ids
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-4, rtol=0)
    slots = slice(context.ORIGIN, context.tail)
    torch.testing.assert_close(context.cache.keys[:, :, slots], fresh.cache.keys[:, :, slots], atol=1e-4, rtol=0)
    torch.testing.assert_close(context.cache.values[:, :, slots], fresh.cache.values[:, :, slots], atol=1e-4, rtol=0)


def test_what_is_cached_is_not_computed_again() -> None:
    with torch.inference_mode():
        context = denoiser().context()
        assert context.prefill_prefix([1, 2, 3], lambda: None) == 4  # the sink too
        assert context.prefill_prefix([1, 2, 3, 4, 5], lambda: None) == 2
        assert context.prefill_prefix([1, 2], lambda: None) == 0, "its logits are known, too"
        assert context.cached([1, 2, 9]) == 3
        with pytest.raises(Stopped):
            prefill(context, [4] * (2 * CHUNK), chunks=1)
        assert len(context.ids) == CHUNK + 1


def test_a_context_is_read_on_in_either_mode() -> None:
    context, fresh = denoiser().context(), denoiser().context()
    with torch.inference_mode():
        prefill(context, [1, 2])
    with torch.no_grad():
        prefill(context, [1, 2, 3, 4])
        prefill(context, [1, 2, 3])
        prefill(fresh, [1, 2, 3])
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_draft_that_is_kept_with_its_states_is_read_once() -> None:
    context, fresh = denoiser().context(), denoiser().context()
    prefill(context, [1, 2])
    denoiser().score(context, DraftTree([[3, 4, 1], [3, 3]]), keep=True)
    assert context.prefill_prefix([1, 2, 3, 4], lambda: None) == 0
    prefill(fresh, [1, 2, 3, 4])
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-4, rtol=0)
    context.prefill_prefix([1, 2, 3], lambda: None)
    denoiser().log_probabilities_at(context, [2, 2, 4], [0, 2])
    assert context.prefill_prefix([1, 2, 3, 2, 2, 4, 1], lambda: None) == 1
