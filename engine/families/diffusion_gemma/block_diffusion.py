"""Block diffusion: a canvas is denoised step by step, its result is read as text, and the next canvas follows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma


@dataclass(frozen=True)
class CanvasState:
    """A canvas after one denoising step."""

    step: int  # from 1
    canvas: Tensor  # [batch, canvas]: what the next step starts from, noise included
    best: Tensor  # [batch, canvas]: the likeliest tokens, pins as they are; the last step's are the result
    accepted: Tensor  # [batch, free positions], bool: taken over into `canvas` in this step
    confidence: Tensor  # [batch, free positions]: probabilities of the likeliest tokens
    entropy: Tensor  # [batch, free positions], nats
    finished: Tensor  # [batch]: stable and confident; such a row no longer changes
    # The same of `best` and `accepted`, and whether no step follows: read from the device at once, as each reading
    # waits for it.
    best_ids: list[list[int]]
    taken: list[list[bool]]
    is_last: bool
    # [batch, canvas], with the last state of a block of `generate`: what the text goes on with.
    emitted: Tensor | None = None


@dataclass(frozen=True)
class Pins:
    """Positions of a canvas that are given. They are never proposed, accepted, renoised or scored."""

    free: Tensor  # positions, ascending, that are not pinned
    one_hot: bool = False  # self-conditioning at pins: the pinned token's own embedding, or nothing
    # Per free position, counted from 0, that not every token may stand at: bool, [vocab], those that may.
    allowed: Mapping[int, Tensor] = field(default_factory=dict)


def denoise(
    model: DiffusionGemma,
    cache: Cache,
    canvas: Tensor,
    config: EntropyBoundConfig,
    noise: Noise,
    pins: Pins | None = None,
) -> Iterator[CanvasState]:
    """Steps until every row is finished, or none are left. `canvas`, [batch, canvas], holds first noise and pins."""
    free = torch.arange(canvas.shape[1], device=canvas.device) if pins is None else pins.free
    finished = torch.zeros(canvas.shape[0], dtype=torch.bool, device=canvas.device)
    history: deque[Tensor] = deque(maxlen=config.stability_threshold)
    expected: Tensor | None = None
    best = canvas
    for remaining in range(config.max_denoising_steps, 0, -1):
        hidden = model.denoise(canvas, cache, expected, slice(None) if pins is None else free)
        uniform, allowed = noise.uniform(*hidden.shape[:2]), {} if pins is None else pins.allowed
        temperature = config.temperature(remaining)
        proposal, taken, tokens = model.decide(hidden, allowed, temperature, config.entropy_bound, uniform)
        renoised = torch.where(taken, tokens, noise.ids(*taken.shape))
        canvas = _changed(canvas, free, renoised, finished)
        best = _changed(best, free, proposal.best, finished)
        finished = finished | (_stable(best, history) & (proposal.entropy.mean(-1) < config.confidence_threshold))
        history.append(best)
        step = config.max_denoising_steps - remaining + 1
        best_ids, accepted, all_finished = _read(best, taken, finished)
        is_last = all_finished or remaining == 1
        tensors = (canvas, best, taken, proposal.confidence, proposal.entropy, finished)
        yield CanvasState(step, *tensors, best_ids, accepted, is_last)
        if is_last:
            return
        expected = _expected(model, canvas, proposal.probabilities, pins)


def generate(model: DiffusionGemma, cache: Cache, config: EntropyBoundConfig, noise: Noise) -> Iterator[CanvasState]:
    """Canvas after canvas behind the cache's text, until every row has ended or `max_new_tokens` are reached."""
    length = model.config.canvas_length
    ended = torch.zeros(cache.batch, dtype=torch.bool, device=model.device)
    blocks = -(-config.max_new_tokens // length)
    for block in range(blocks):
        for state in denoise(model, cache, noise.ids(cache.batch, length), config, noise):
            if not state.is_last:
                yield state
                continue
            emitted, ended = finalize(state.best, ended, config)
            yield replace(state, emitted=emitted)
            if bool(ended.all()):
                return
            if block + 1 < blocks:
                model.encode(emitted, cache)


def finalize(best: Tensor, ended: Tensor, config: EntropyBoundConfig) -> tuple[Tensor, Tensor]:
    """The canvas [batch, canvas] with padding after the first end-of-sequence id, and which rows have ended by now."""
    is_end = torch.isin(best, torch.tensor(config.eos_token_ids, device=best.device))
    behind = is_end.cumsum(-1) - is_end.long() > 0
    return best.masked_fill(behind | ended[:, None], config.pad_token_id), ended | is_end.any(-1)


def _read(best: Tensor, taken: Tensor, finished: Tensor) -> tuple[list[list[int]], list[list[bool]], bool]:
    """The first two, and whether all are finished, in one reading of the device."""
    rows = torch.cat([best, taken.to(best.dtype), finished[:, None].to(best.dtype)], dim=1).tolist()
    length = best.shape[1]
    accepted = [[flag == 1 for flag in row[length:-1]] for row in rows]
    return [row[:length] for row in rows], accepted, all(row[-1] for row in rows)


def _changed(canvas: Tensor, free: Tensor, tokens: Tensor, finished: Tensor) -> Tensor:
    changed = canvas.clone()
    changed[:, free] = tokens
    return torch.where(finished[:, None], canvas, changed)


def _stable(best: Tensor, history: deque[Tensor]) -> Tensor:
    if len(history) < (history.maxlen or 0):
        return torch.zeros(best.shape[0], dtype=torch.bool, device=best.device)
    stable = torch.ones(best.shape[0], dtype=torch.bool, device=best.device)
    for earlier in history:
        stable &= (earlier == best).all(-1)
    return stable


def _expected(model: DiffusionGemma, canvas: Tensor, probabilities: Tensor, pins: Pins | None) -> Tensor:
    """[batch, canvas, hidden]: what the step before expected, for self-conditioning."""
    expected = model.expect(probabilities)
    if pins is None:
        return expected
    whole = model.embed(canvas)
    if not pins.one_hot:
        whole.zero_()
    whole[:, pins.free] = expected
    return whole
