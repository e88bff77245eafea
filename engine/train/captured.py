"""A pass and its gradients as a CUDA graph: at some 4,200 rows its 10,000 kernels take longer to launch than to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lacuna.engine.train.batch import Batch

WARM_UPS = 3  # before a capture, as torch asks


class Captured:
    """`run` for batches of one shape. It adds to the gradients of `parameters` and gives a tensor back."""

    def __init__(self, run: Callable[[Batch], Tensor], parameters: Sequence[Tensor]) -> None:
        self._run = run
        self._parameters = parameters
        self._graph = torch.cuda.CUDAGraph()
        self._held: Batch | None = None
        self._result = torch.empty(0)

    def __call__(self, batch: Batch) -> Tensor:
        """For a batch on the CPU."""
        if self._held is None:
            self._held = batch.to("cuda")
            self._capture(self._held)
        for held, tensor in zip(self._held.tensors(), batch.tensors(), strict=True):
            assert held.shape == tensor.shape, "a captured pass has one shape"
            held.copy_(tensor)
        self._graph.replay()
        return self._result.clone()

    def _capture(self, held: Batch) -> None:
        kept = [parameter.grad.clone() for parameter in self._parameters if parameter.grad is not None]
        assert len(kept) == len(self._parameters), "gradients are there before the capture, or it would make its own"
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._run(held)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(self._graph):
            self._result = self._run(held)
        for parameter, gradient in zip(self._parameters, kept, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
