"""What a plan's weights take once they are loaded, and how those that stay packed are multiplied with."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.dialects.layouts import FLOAT_FORMAT, GGUF_FORMATS, INT4_FORMAT
from lacuna.engine.layers.dialects.stored_fields import CODECS
from lacuna.engine.layers.dialects.translate import Plan, Planned
from lacuna.engine.layers.quantized.codec import Codec

BY_TORCH = "INT4 by torch's int4 product where its scales fit bfloat16"
DECODED = "decoded at every use, which is slow on a CPU"


def loaded(planned: Planned, runtime: Runtime) -> int:
    """Bytes of a weight: packed ones stay so, but torch's int4 product on CPU has a centre beside every scale."""
    fields = planned.fields(runtime.torch_dtype)
    centres = prod(fields["scale"][0]) * 2 if _is_by_torch(planned, runtime) else 0
    return planned.nbytes(runtime.torch_dtype) + centres


def decoded(plan: Plan, runtime: Runtime, experts_at_once: int = 1) -> int:
    """Most bytes that a packed weight takes while it is decoded, of a bank so many experts. Kernels decode none."""
    refused = _refused(plan, runtime)
    return max((_decoded(planned, refused, runtime, experts_at_once) for planned in plan.weights.values()), default=0)


def in_words(plan: Plan, runtime: Runtime) -> str:
    """How packed weights are multiplied with; "" where none is packed."""
    refused = _refused(plan, runtime)
    if runtime.device != "cpu" or not refused:
        return "; ".join(
            f"{packed_kernels.in_capitals(kind)} {packed_kernels.in_words(why)}" for kind, why in refused.items()
        )
    by_torch = [planned for planned in plan.weights.values() if _is_by_torch(planned, runtime)]
    others = {planned.layout.format for planned in plan.weights.values()} - {FLOAT_FORMAT, INT4_FORMAT}
    if not by_torch:
        return DECODED
    return f"{BY_TORCH}; {'the rest' if others else 'else'} {DECODED}"


def _refused(plan: Plan, runtime: Runtime) -> dict[type[Codec], str]:
    """Every codec of a plan, and why kernels do not multiply with it: "" where they do."""
    formats = {planned.layout.format for planned in plan.weights.values()} - {FLOAT_FORMAT}
    kinds = sorted({CODECS[name] for name in formats}, key=lambda kind: kind.__name__)
    return {kind: packed_kernels.refusal(kind, runtime.device, runtime.torch_dtype) for kind in kinds}


def _is_by_torch(planned: Planned, runtime: Runtime) -> bool:
    return planned.layout.format == INT4_FORMAT and (runtime.device, runtime.dtype) == ("cpu", "bfloat16")


def _decoded(planned: Planned, refused: Mapping[type[Codec], str], runtime: Runtime, experts_at_once: int) -> int:
    """Bytes of a packed weight while it is decoded: itself, its table's indices, and one product. GGUF's are levels
    and numbers in float32 first."""
    if planned.layout.format == FLOAT_FORMAT or not refused[CODECS[planned.layout.format]]:
        return 0
    experts = planned.shape[0] if len(planned.shape) == 3 else 1
    size = runtime.torch_dtype.itemsize
    each = 8 + size if planned.layout.format in GGUF_FORMATS.values() else 3 * size
    return each * prod(planned.shape[-2:]) * min(experts, experts_at_once)
