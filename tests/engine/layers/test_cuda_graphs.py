"""Captured passes by shape: what is kept, what is the caller's own, what a wrong graph is told by. The graph itself
needs a GPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lacuna.engine.layers.buckets import bucket, filled
from lacuna.engine.layers.cuda_graphs import CudaCapture, Graphs, Run, as_it_is, fault


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


def test_what_fails_to_be_captured_is_not_kept() -> None:
    def fails(run: Run) -> Run:
        raise torch.OutOfMemoryError("no room")

    graphs = Graphs("cpu", fails)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run("sum", summed, pairs()[0])
    assert len(graphs) == 0


def test_a_wrong_graph_is_found() -> None:
    """By the second inputs; the first would do for one that never looks again."""
    assert fault(Graphs("cpu", as_it_is), "sum", summed, pairs()) == ""
    assert fault(Graphs("cpu", frozen), "sum", summed, pairs()) == "a replay differs from the pass itself"


def test_a_capture_that_fails_is_told_and_no_room_is_raised() -> None:
    def fails(run: Run) -> Run:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    def is_full(run: Run) -> Run:
        raise torch.OutOfMemoryError("no room")

    expected = "a pass cannot be captured: RuntimeError: operation not permitted when stream is capturing"
    assert fault(Graphs("cpu", fails), "sum", summed, pairs()) == expected
    with pytest.raises(torch.OutOfMemoryError):
        fault(Graphs("cpu", is_full), "sum", summed, pairs())


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
