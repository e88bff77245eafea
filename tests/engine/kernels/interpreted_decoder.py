"""The gap family's decoder on kernels in Triton's interpreter: what it computes and stores without them."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.kernels import availability
from lacuna.engine.layers.cuda_graphs import FULL, Graphs, Run, as_it_is
from lacuna.engine.layers.linear import Linear
from lacuna.engine.models import decoder_kernels
from lacuna.engine.models.decoder import Decoder, DecoderConfig, Layer


def decoders(has_bias: bool, pairs: int) -> list[Decoder]:
    """With kernels, with passes of captured shapes, and without, of the same random weights."""
    config = DecoderConfig(50, 24, 40, 2, 4, pairs, 6, 1e-5, 1e4, 64, has_qkv_bias=has_bias)
    generator = torch.Generator().manual_seed(pairs)
    weights = [
        {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in config.layer_shapes().items()}
        for _ in range(config.num_hidden_layers)
    ]
    embedding, norm = torch.randn(50, 24, generator=generator), torch.rand(24, generator=generator)
    found = []
    for available in (True, True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(availability, "are_available", lambda device, there=available: there)
            found.append(Decoder(config, [Layer(layer) for layer in weights], embedding, norm, Linear(embedding)))
    assert found[1].kernels is not None and found[2].kernels is None
    found[1].kernels.graphs = Graphs("cpu", as_it_is)
    return found


@pytest.mark.parametrize(("has_bias", "pairs"), [(False, 2), (True, 1)])
@torch.inference_mode()
def test_same_passes(has_bias: bool, pairs: int) -> None:
    """A prefill, then a pass behind it that does not see the first slot and runs through one layer alone."""
    hidden, stored = [], []
    for decoder in decoders(has_bias, pairs):
        cache = decoder.cache(16)
        mask = torch.ones(5, 7, dtype=torch.bool).tril(2)
        read = decoder.forward(decoder.embed([3, 1, 4, 1, 5]), torch.arange(5), cache, 0, 2, mask)
        mask = torch.ones(3, 7, dtype=torch.bool).tril(4)
        positions = torch.tensor([5, 9, 6])
        deeper = decoder.with_layers(decoder.layers[1:])
        more = deeper.forward(decoder.embed([9, 2, 6]), positions, cache, 3, 7, mask)
        hidden.append(torch.cat([read, more]))
        stored.append(torch.stack([cache.keys, cache.values]))
    for mine in (0, 1):
        torch.testing.assert_close(hidden[mine], hidden[2], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(stored[mine], stored[2], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_one_graph_for_all_passes_of_a_bucket() -> None:
    """Of other caches too; NaNs that stand where nobody looks do no harm."""
    _, captured, plain = decoders(True, 1)
    assert captured.kernels is not None and captured.kernels.graphs is not None
    for start, count in ((0, 5), (9, 8), (3, 1)):
        found = []
        for decoder in (captured, plain):
            cache = decoder.cache(20)
            for buffer in (cache.keys, cache.values):
                buffer[:, :, start + count :] = torch.nan if decoder is captured else 0.0
            mask = torch.rand(count, start + count, generator=torch.Generator().manual_seed(start)) < 0.5
            mask[:, start:] |= torch.eye(count, dtype=torch.bool)  # a row sees itself
            x = decoder.embed(range(7, 7 + count))
            found.append(decoder.forward(x, torch.arange(count), cache, 0, start, mask))
        torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    assert len(captured.kernels.graphs) == 1


@torch.inference_mode()
def test_graphs_are_checked() -> None:
    decoder = decoders(False, 2)[0]
    kernels, cache = decoder.kernels, decoder.cache(24)
    assert kernels is not None
    assert kernels.fault(Graphs("cpu", as_it_is), decoder.layers, cache) == ""

    def frozen(run: Run) -> Run:
        first = run()
        return lambda: first

    assert kernels.fault(Graphs("cpu", frozen), decoder.layers, cache) == "a replay differs from the pass itself"


@torch.inference_mode()
def test_without_room_for_a_graph() -> None:
    """Passes run without one: those of the check, after which there are no graphs, and those of a question, after which
    there are no more of them."""

    def is_full(run: Run) -> Run:
        raise torch.OutOfMemoryError("no room")

    _, captured, plain = decoders(False, 2)
    kernels, graphs = captured.kernels, Graphs("cpu", is_full)
    assert kernels is not None
    assert kernels.fault(Graphs("cpu", is_full), captured.layers, captured.cache(24)) == FULL
    kernels.graphs = graphs
    assert captured.launches == "as CUDA graphs"
    x, mask = captured.embed([3, 1, 4]), torch.ones(3, 5, dtype=torch.bool).tril(2)
    found, expected = (
        decoder.forward(x, torch.arange(3), decoder.cache(9), 0, 2, mask) for decoder in (captured, plain)
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert captured.launches == f"as CUDA graphs, 0 of them; others kernel by kernel: {FULL}"


@torch.inference_mode()
def test_what_was_prepared_is_captured_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_kernels, "ROWS", (2, 4))
    decoder = decoders(False, 2)[1]
    for piece in decoder.warm_ups():
        piece()
    assert decoder.kernels is not None and decoder.kernels.graphs is not None
    assert len(decoder.kernels.graphs) == 2
    decoder.forward(decoder.embed([3]), torch.arange(1), decoder.cache(9), 0, 3, torch.ones(1, 4, dtype=torch.bool))
    assert len(decoder.kernels.graphs) == 2
    assert decoders(False, 2)[0].warm_ups() == []
