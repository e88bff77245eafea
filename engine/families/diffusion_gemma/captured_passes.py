"""The passes of a request as CUDA graphs: canvases and short readings, each in few shapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.infill_layout import SIZES
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.triton_span import place
from lacuna.engine.layers.buckets import bucket, filled
from lacuna.engine.layers.cuda_graphs import Graphs, fault

CANVASES = (1, 4)  # of a pass: one that is denoised, or lengths that are tried
ROWS = (1, 4, 8)  # of what is read: a prompt's end, or continuations
USUAL = (96, 128)  # canvases of a line and of a block
SAMPLE = 16  # tokens that a capture is checked with
DENOISE, READ = "denoise", "read"
TOKENS = (4, 16, 32, 64, 128)  # that are read at once; more take longer than their launches


class CapturedPasses:
    """Passes over caches of one text. The cache has room for a pass when it is asked for."""

    def __init__(self, model: DiffusionGemma, graphs: Graphs) -> None:
        """`model` attends by kernels, and its experts do not wait for the host."""
        self._model = model
        self._graphs = graphs

    @property
    def launches(self) -> str:
        """How they are launched, in words."""
        return self._graphs.launches

    @torch.inference_mode()
    def fault(self) -> str:
        """What speaks against them, found out with random tokens behind a short text and behind a longer one; "" where
        nothing does. Raises torch.cuda.OutOfMemoryError where there is no room for a pass itself."""
        vocabulary, hidden, device = self._model.config.vocab_size, self._model.config.hidden_size, self._model.device
        cache, numbers = self._model.cache(), torch.Generator().manual_seed(0)
        canvases, readings = [], []
        for length in (0, 5):
            cache.reserve(length + SAMPLE)
            cache.extend(length)
            ids = torch.randint(vocabulary, (1, SAMPLE), generator=numbers)
            expected = torch.randn(1, SAMPLE, hidden, generator=numbers).to(device, self._model.dtype)
            readings.append((ids.to(device), place(cache, SAMPLE - 1)))
            canvases.append((ids.to(device), expected, place(cache, SAMPLE)))
        return fault(self._graphs, READ, self._read, readings) or fault(self._graphs, DENOISE, self._denoised, canvases)

    def warm_ups(self) -> list[Callable[[], None]]:
        """Every shape once, the usual ones first, and what the head does for a canvas."""
        read = [partial(self._warm_reading, rows, tokens) for tokens in TOKENS for rows in ROWS]
        most = self._model.config.canvas_length
        sizes = [size for size in (*USUAL, *SIZES) if size < most]
        canvases = [(rows, size) for size in dict.fromkeys((*sizes, most)) for rows in CANVASES]
        return [*read, *(partial(self._warm_canvas, *shape) for shape in canvases)]

    @torch.inference_mode()
    def _warm_reading(self, rows: int, tokens: int) -> None:
        ids = torch.zeros(rows, tokens, dtype=torch.long, device=self._model.device)
        self._model.logits(self._model.read(ids, self._model.cache())[:1])

    @torch.inference_mode()
    def _warm_canvas(self, rows: int, tokens: int) -> None:
        ids = torch.zeros(rows, tokens, dtype=torch.long, device=self._model.device)
        hidden = self._model.denoise(ids, self._model.cache())[:1]
        uniform = torch.full((1, tokens), 0.5, device=self._model.device)
        decision = self._model.decide(hidden, {}, 1.0, 0.0, uniform)
        self._model.expect(decision.proposal.probabilities)

    def denoise(self, canvas: Tensor, cache: Cache, expected: Tensor | None) -> Tensor | None:
        """As `DiffusionGemma.denoise`, all positions; None for a batch that is not captured."""
        count, tokens = canvas.shape
        rows = bucket(count, CANVASES)
        if rows is None or cache.batch != 1:
            return None
        if expected is None:  # zeros condition nothing: neither norm nor block has a bias
            expected = self._model.embed(canvas).zero_()
        inputs = (filled(canvas, rows, 0), filled(expected, rows, 0), place(cache, tokens))
        return self._graphs.run(DENOISE, self._denoised, inputs)[:count]

    def read(self, ids: Tensor, cache: Cache) -> Tensor | None:
        """Final hidden states [batch, tokens, hidden] of ids behind the cache's text; None for what is not captured.

        What fills up a row is behind it: it is not seen, and not stored.
        """
        (count, length), (rows, tokens) = ids.shape, (bucket(ids.shape[0], ROWS), bucket(ids.shape[1], TOKENS))
        if rows is None or tokens is None or cache.batch != 1:
            return None
        inputs = (filled(filled(ids, tokens, 1), rows, 0), place(cache, length))
        return self._graphs.run(READ, self._read, inputs)[:count, :length]

    def _denoised(self, canvas: Tensor, expected: Tensor, place: Tensor) -> Tensor:
        spans = self._model.spans(place, True, canvas.shape[1], is_causal=False)
        return self._model.decoder(canvas, expected, spans)

    def _read(self, ids: Tensor, place: Tensor) -> Tensor:
        return self._model.encoder(ids, self._model.spans(place, True, ids.shape[1], is_causal=True))
