"""Captured passes by shape: what is kept, what is the caller's own, what a wrong graph is told by. The graph itself
needs a GPU."""

from __future__ import annotations

import logging
import weakref

import pytest
import torch
from torch import Tensor

from lacuna.engine.layers.buckets import bucket, filled
from lacuna.engine.layers.cuda_graphs import FULL, CudaCapture, Graphs, Run, as_it_is, fault


def summed(x: Tensor, y: Tensor) -> Tensor:
    return (x + y).cumsum(0)


def frozen(run: Run) -> Run:
    """A capture that gives its first answer for ever."""
    first = run()
    return lambda: first


def pairs() -> list[tuple[Tensor, Tensor]]:
    return [(torch.arange(3.0) + at, torch.ones(3) * at) for at in range(3)]


def test_answers_are_of_the_inputs_and_the_callers_own() -> None:
    graphs = Graphs("cpu", as_it_is)
    found = [graphs.run("sum", summed, inputs) for inputs in pairs()]
    assert [one.tolist() for one in found] == [summed(*inputs).tolist() for inputs in pairs()]
    assert len(graphs) == 1


def test_inputs_are_copied_to_where_they_stay() -> None:
    """A pass is captured over one set of addresses, whatever is given later."""
    addresses = []

    def noted(x: Tensor) -> Tensor:
        addresses.append(x.data_ptr())
        return x + 0

    graphs, inputs = Graphs("cpu", as_it_is), [torch.rand(4) for _ in range(3)]
    for x in inputs:
        assert graphs.run("noted", noted, [x]).equal(x)
    assert len(set(addresses)) == 1 and addresses[0] not in {x.data_ptr() for x in inputs}


def test_the_oldest_goes_first() -> None:
    captured = []

    def counted(run: Run) -> Run:
        captured.append(run)
        return run

    graphs = Graphs("cpu", counted, most=2)
    for size in (1, 2, 1, 3, 1, 2):
        graphs.run("sum", summed, [torch.zeros(size), torch.zeros(size)])
    assert len(captured) == 4 and len(graphs) == 2


@pytest.mark.parametrize("ends_with", ["the error itself", "another that came of it", "torch's own, on a CPU"])
def test_without_room_for_a_capture_passes_run_without_one(ends_with: str, caplog: pytest.LogCaptureFixture) -> None:
    """What was captured is replayed on, nothing new is, and what the half-made capture held is free by then."""
    captures, left = [], []

    def second_is_too_large(run: Run) -> Run:
        captures.append(run)
        if len(captures) < 2:
            return run
        result = run()
        left.append(weakref.ref(result))
        if ends_with.startswith("torch"):
            torch.empty(1 << 60)
        try:
            raise torch.OutOfMemoryError("no room")
        finally:
            if ends_with.startswith("another"):
                raise RuntimeError("capture of a stream that was invalidated")

    graphs = Graphs("cpu", second_is_too_large)
    with caplog.at_level(logging.WARNING):
        for size in (1, 2, 1, 3, 2):
            inputs = torch.full((size,), 1.0), torch.full((size,), 2.0)
            assert graphs.run("sum", summed, inputs).equal(summed(*inputs))
            assert all(reference() is None for reference in left)
    assert len(captures) == 2 and len(left) == 1 and len(graphs) == 1
    assert graphs.launches == f"as CUDA graphs, 1 of them; others kernel by kernel: {FULL}"
    assert [record.message for record in caplog.records] == [f"no more CUDA graphs, there are 1: {FULL}"]


def test_without_room_for_the_pass_itself_that_is_raised() -> None:
    def too_large(x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no room")

    graphs = Graphs("cpu", frozen)
    for _ in range(2):
        with pytest.raises(torch.OutOfMemoryError):
            graphs.run("too large", too_large, [torch.zeros(1)])
    with pytest.raises(torch.OutOfMemoryError):
        fault(graphs, "too large", too_large, [[torch.zeros(1)]])


def test_a_wrong_graph_is_found() -> None:
    """By the second inputs; the first would do for one that never looks again."""
    assert fault(Graphs("cpu", as_it_is), "sum", summed, pairs()) == ""
    assert fault(Graphs("cpu", frozen), "sum", summed, pairs()) == "a replay differs from the pass itself"


def test_a_capture_that_fails_is_told() -> None:
    def fails(run: Run) -> Run:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    def is_full(run: Run) -> Run:
        raise torch.OutOfMemoryError("no room")

    expected = "a pass cannot be captured: RuntimeError: operation not permitted when stream is capturing"
    assert fault(Graphs("cpu", fails), "sum", summed, pairs()) == expected
    assert fault(Graphs("cpu", is_full), "sum", summed, pairs()) == FULL
    with pytest.raises(RuntimeError, match="not permitted"):
        Graphs("cpu", fails).run("sum", summed, pairs()[0])


def test_buckets() -> None:
    assert [bucket(count, (1, 4, 8)) for count in (1, 2, 4, 8, 9)] == [1, 4, 4, 8, None]
    x = torch.arange(6).view(2, 3)
    assert filled(x, 3, 1) is x
    assert filled(x, 4, 0).tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]
    assert filled(x, 5, 1).tolist() == [[0, 1, 2, 2, 2], [3, 4, 5, 5, 5]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@torch.inference_mode()
def test_a_graph_on_a_gpu() -> None:
    graphs, weight = Graphs("cuda", CudaCapture(), most=2), torch.rand(64, 64, device="cuda")

    def passed(x: Tensor) -> Tensor:
        return torch.softmax(x @ weight, -1) @ weight

    assert fault(graphs, "sum", passed, [[torch.rand(8, 64)], [torch.rand(8, 64)]]) == ""
    for rows in (8, 16, 24, 8, 16):  # some are captured anew, in the memory of those that went
        x = torch.rand(rows, 64)
        torch.testing.assert_close(graphs.run("passed", passed, [x]), passed(x.cuda()))
