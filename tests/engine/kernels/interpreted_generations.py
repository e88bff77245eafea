"""Whole generations with injected noise over packed weights, by kernels in Triton's interpreter: every token is that of
transformers over the dequantized weights, and of the same weights without kernels."""

from __future__ import annotations

from pathlib import Path

import packed_checkpoints as packed
import pytest
import tiny_diffusion_gemma as tiny
import torch
from as_on_a_gpu import as_on_a_gpu
from packed_model import load
from reference_generation import emitted, own_run, reference_run
from transformers import DiffusionGemmaForBlockDiffusion

from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig
from lacuna.engine.families.diffusion_gemma.heads import TritonHead

BLOCKS, STEPS = 2, 3
CONFIG = EntropyBoundConfig(
    max_new_tokens=BLOCKS * tiny.CANVAS, max_denoising_steps=STEPS, entropy_bound=1.0, t_min=0.2, t_max=0.4,
    eos_token_ids=(6,), confidence_threshold=1e-9,
)  # fmt: skip
SEED = 3

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # of a large negative number: 0 is right

# A form that kernels know each, of the published dialects.
FORMS = ("fp8 per channel", "int4 g32", "int4 g32, asymmetric", "nvfp4 of compressed-tensors", "nvfp4 of modelopt")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer of each kind, a window of 8 tokens, less than the text has, and so unsure that noise decides tokens.
    Layers add little, so that a rounding stays one: with all they have, it grows tenfold in a step."""
    layers = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    return packed.plain(tmp_path_factory.mktemp("plain"), strength=0.4, embedding=0.1, **layers)


@pytest.mark.parametrize("form", FORMS)
@torch.inference_mode()
def test_two_blocks_with_and_without_kernels(source: Path, tmp_path: Path, form: str) -> None:
    directory = packed.pack(source, tmp_path / "packed", packed.DIALECTS[form])
    plain, ids = load(directory), tiny.prompt(SEED, 1, 9)
    with pytest.MonkeyPatch.context() as patch:
        as_on_a_gpu(patch)
        fused = load(directory)
    assert isinstance(fused.decide, TritonHead) and not isinstance(plain.decide, TritonHead)
    assert fused.obstacle == "", "attention and experts go by kernels"
    reference = DiffusionGemmaForBlockDiffusion.from_pretrained(directory / "float32").eval()
    _, drafts, sequence = reference_run(reference, ids, CONFIG, SEED)
    assert sequence.shape == (1, BLOCKS * tiny.CANVAS) and len(drafts) == BLOCKS * STEPS, "no block ends early"
    for model in (plain, fused):
        found = own_run(model, ids, CONFIG, SEED)
        assert any(0 < int(state.accepted.sum()) < tiny.CANVAS for state in found), "some are taken, and some are not"
        assert all(state.best.equal(draft) for state, draft in zip(found, drafts, strict=True))
        assert emitted(found).equal(sequence)
