"""Both versions of a document share what they read up to the edit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.edits.two_versions import TwoVersions

SHARED, PRESENT, OLD = list(range(100, 140)), [7, 8, 9], [9, 8]


@torch.inference_mode()
@pytest.mark.parametrize("write", [write_tiny_model, write_tiny_fim_model], ids=["two reads", "FIM"])
@pytest.mark.parametrize("is_present_first", [True, False])
def test_what_one_version_has_read_the_other_does_not_read_again(
    tmp_path: Path, write: Callable[[Path], Path], is_present_first: bool
) -> None:
    gap = loading.load(str(write(tmp_path)), Runtime("cpu", "float32", 1, "tests"))
    versions = TwoVersions(gap.denoiser, gap.tokenizer)
    first, second = (versions.present, versions.old) if is_present_first else (versions.old, versions.present)
    assert versions.prefill(first, [*SHARED, *PRESENT], lambda: None) >= len(SHARED) + len(PRESENT)
    assert versions.prefill(second, [*SHARED, *OLD], lambda: None) == len(OLD)
    assert versions.prefill(second, [*SHARED, *OLD, 5], lambda: None) == 1, "and keeps what it has"
    alone = gap.denoiser.context()
    alone.prefill_prefix([*SHARED, *OLD, 5], lambda: None)
    assert second.ids == alone.ids
    assert torch.allclose(second.next_log_probabilities, alone.next_log_probabilities, atol=1e-5)
