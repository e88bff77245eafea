"""A pass and its gradients as a CUDA graph: at some 4,200 rows its 10,000 kernels take longer to launch than to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lacuna.engine.layers import cuda_graphs
from lacuna.engine.train.batch import Batch


class Captured:
    """`run` for batches of one shape. It adds to the gradients of `parameters` and gives a tensor back."""

    def __init__(self, run: Callable[[Batch], Tensor], parameters: Sequence[Tensor]) -> None:
        self._run = run
        self._parameters = parameters
        self._graph: torch.cuda.CUDAGraph | None = None
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
        assert self._graph is not None, "the first batch was captured"
        self._graph.replay()
        return self._result.clone()

    def _capture(self, held: Batch) -> None:
        kept = [parameter.grad.clone() for parameter in self._parameters if parameter.grad is not None]
        assert len(kept) == len(self._parameters), "gradients are there before the capture, or it would make its own"
        self._graph, self._result = cuda_graphs.captured(lambda: self._run(held))
        for parameter, gradient in zip(self._parameters, kept, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
