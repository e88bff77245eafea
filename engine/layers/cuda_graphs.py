"""Passes that are captured once and launched as a whole: a pass of a thousand kernels takes longer to launch than to
run.

A graph computes from the same addresses every time. So a pass is captured over inputs that stay where they are, one
graph for each shape of them, and what else it reads must never move: weights do not, and caches are found through a
table among the inputs (`kernels/slots`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.device import memory

logger = logging.getLogger(__name__)

WARM_UPS = 3  # before a capture, as torch asks
MOST = 64  # graphs that are kept
TOLERANCE = 2.0**-5  # of the largest number, as of kernels: some roundings to bfloat16
AS_GRAPHS, BY_KERNEL = "as CUDA graphs", "kernel by kernel"
FULL = "memory ran out while a pass was captured"

Run = Callable[[], Tensor]
Capture = Callable[[Run], Run]  # of a run, what runs it again


@dataclass(frozen=True)
class _Captured:
    held: Sequence[Tensor]  # the inputs
    run: Run
    function: Callable[..., Tensor]  # kept, as what it refers to is read


class Graphs:
    """The passes of one model by shape; of many shapes those that were used last.

    Where memory runs out for a capture, there are no more of them: what has no graph is run without one.
    """

    def __init__(self, device: str, capture: Capture, most: int = MOST) -> None:
        """`capture` is a `CudaCapture`; `as_it_is` computes the same without a graph, on any device."""
        self._device = device
        self._capture = capture
        self._most = most
        self._kept: OrderedDict[Hashable, _Captured] = OrderedDict()
        self.full = ""  # why nothing more is captured, in words

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def launches(self) -> str:
        """How these passes are launched, in words."""
        return f"{AS_GRAPHS}, {len(self)} of them; others {BY_KERNEL}: {self.full}" if self.full else AS_GRAPHS

    @torch.inference_mode()
    def run(self, name: Hashable, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """What `function` computes of the inputs, which may be on the host. `name` stands for the function and all it
        refers to. The answer is the caller's own.

        Captures it first where inputs of these shapes are new. Raises what that raises, but where memory runs out for
        it, and what the function itself raises: torch.cuda.OutOfMemoryError, say.
        """
        key = (name, *((tensor.shape, tensor.dtype) for tensor in inputs))
        if key not in self._kept and not self.full:
            self._add(key, function, inputs)
        if key not in self._kept:
            return function(*(tensor.to(self._device) for tensor in inputs))
        self._kept.move_to_end(key)
        found = self._kept[key]
        for held, tensor in zip(found.held, inputs, strict=True):
            held.copy_(tensor)
        return found.run().clone()

    def _add(self, key: Hashable, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
        try:
            self._kept[key] = self._captured(function, inputs)
        except (RuntimeError, MemoryError) as error:
            if not _says_out_of_memory(error):
                raise
            self.full = FULL
        if self.full:  # said here, as the error has held what the half-made graph took until now
            memory.give_back()
            logger.warning("no more CUDA graphs, there are %d: %s", len(self), self.full)
        elif len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _captured(self, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> _Captured:
        held = [tensor.to(self._device, copy=True) for tensor in inputs]
        return _Captured(held, self._capture(lambda: function(*held)), function)


def fault(graphs: Graphs, name: Hashable, function: Callable[..., Tensor], samples: Sequence[Sequence[Tensor]]) -> str:
    """What speaks against captured passes, by some random inputs of one shape: an error of the capture, or a replay
    that differs from the function itself, or no room for a graph. "" where nothing does. Raises
    torch.cuda.OutOfMemoryError where there is no room for the function itself."""
    try:
        for inputs in samples:
            found = graphs.run(name, function, inputs)
            if not _is_close(found, function(*(tensor.to(found.device) for tensor in inputs))):
                return "a replay differs from the pass itself"
            if graphs.full:
                return graphs.full
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        first = str(error).strip().partition("\n")[0]
        return f"a pass cannot be captured: {type(error).__name__}: {first[:200]}"
    return ""


def _is_close(found: Tensor, expected: Tensor) -> bool:
    """To roundings: a product may be made by another kernel while it is captured."""
    difference = (found.double() - expected.double()).abs().max()
    return bool(difference <= TOLERANCE * expected.double().abs().max())


def told(why_not: str) -> str:
    """How passes are launched, in words, by what speaks against graphs; logged."""
    if why_not:
        logger.warning("without CUDA graphs: %s", why_not)
        return f"{BY_KERNEL}: {why_not}"
    logger.info("with CUDA graphs")
    return AS_GRAPHS


def _says_out_of_memory(error: BaseException) -> bool:
    """Also of one that came of it: a capture may fail to end, where memory ran out in it."""
    return memory.is_out(error) or (error.__context__ is not None and _says_out_of_memory(error.__context__))


def as_it_is(run: Run) -> Run:
    """A capture that is none."""
    return run


class CudaCapture:
    """Captures runs of one model, which share their memory: no two of them run at once."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        graph, result = captured(run, self._pool)

        def again() -> Tensor:
            graph.replay()
            return result

        return again


def captured(run: Run, pool: Any = None) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """A graph of a run, and the tensor that its replays write. It has run WARM_UPS times before, on a stream of its
    own: whatever is compiled or allocated at a first call is there then."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            run()
    before = torch.cuda.current_stream()
    before.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool):
            result = run()
    finally:  # where the capture fails torch leaves its stream the current one
        torch.cuda.set_stream(before)
    return graph, result
