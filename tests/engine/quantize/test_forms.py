"""Which forms of a model fit a device: against what quantized checkpoints need, and against known sizes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import packed_checkpoints as packed
import pytest
import torch
from packed_gap_model import WRITERS
from sparse_checkpoint import write_sparse
from test_quantize import quiet
from tiny_diffusion_gemma import published_config

from lacuna.engine import load
from lacuna.engine.device import memory
from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import published as published_checkpoints
from lacuna.engine.families.diffusion_gemma.memory import PROMPT_TOKENS, of_plan
from lacuna.engine.models import architectures
from lacuna.engine.quantize.forms import Form, advice, forms, known_checkpoints, longest
from lacuna.engine.quantize.run import Options, quantize

BFLOAT16 = Runtime("cuda", "bfloat16", 0, "tests")
MUCH = 10**12
ROOT = Path(__file__).parents[3]


@pytest.fixture
def published(tmp_path: Path) -> str:
    """A directory with the config of the published model, and no weights."""
    (tmp_path / "config.json").write_text(json.dumps(published_config()))
    return str(tmp_path)


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int8"])
def test_forms_of_a_decoder_are_what_their_checkpoints_need(
    tmp_path: Path, layout: str, device: str, dtype: str
) -> None:
    source = WRITERS[layout](tmp_path / "source")
    runtime = Runtime(device, dtype, 0, "tests")
    found = {form.name: form for form in forms(str(source), runtime, MUCH)}
    is_int8 = dtype == "int8" and layout == "FIM"
    floats = "float32" if dtype == "int8" else dtype
    assert set(found) == ({"int8"} if is_int8 else {floats, "int4", "nvfp4", "fp8"})
    for name, form in found.items():
        directory = source
        if name in ("int4", "nvfp4", "fp8"):
            directory = tmp_path / name
            quantize(source, directory, Options(name), quiet, source)
        needed = load.needed(str(directory), runtime)
        assert abs(form.weights - needed.weights) < 1000, (name, "but for a norm, and the shapes that INT4 stores")
        [one] = (form for form in forms(str(source), runtime, needed.total + 1000) if form.name == name)
        assert one.fits and one.tokens == one.most_tokens
        assert not next(form for form in forms(str(source), runtime, needed.total - 1000) if form.name == name).fits


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_forms_of_diffusion_gemma_are_what_their_checkpoints_need(tmp_path: Path, device: str, dtype: str) -> None:
    source, runtime = packed.plain(tmp_path / "source"), Runtime(device, dtype, 0, "tests")
    for form in forms(str(source), runtime, MUCH):
        directory = source
        if form.name != dtype:
            directory = tmp_path / form.name
            quantize(source, directory, Options(form.name), quiet)
        needed = load.needed(str(directory), runtime).weights
        assert abs(form.weights - needed) < 1000, form.name


def test_a_card_of_24_gb_has_room_for_4_bits(published: str) -> None:
    found = forms(published, BFLOAT16, int(23.5e9))
    assert [(form.name, round(form.weights / 1e9, 1), form.tokens) for form in found] == [
        ("bfloat16", 50.5, 0),
        ("fp8", 26.1, 0),
        ("int4-experts", 17.7, 8192),
        ("int4", 16.0, 8192),
        ("nvfp4", 16.0, 8192),
    ]
    assert "16.03 GB of weights, fits, with prompts of 8,192 tokens" in found[3].in_words
    assert "26.05 GB of weights, does not fit" in found[1].in_words


CARDS = re.findall(r"^\| (\d+) GB \|(.*)\|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("card", "row"), CARDS)
def test_the_readme_says_which_card_runs_which_checkpoint(card: str, row: str) -> None:
    rows = known_checkpoints("not/pulled", BFLOAT16, int(card) * 10**9 - 5 * 10**8)
    found = dict(zip(published_checkpoints.CHECKPOINTS, rows, strict=True))
    said = [cell.strip().removesuffix(", ran") for cell in row.split("|")]
    assert said == [
        f"{found[form].tokens:,}" if found[form].fits else "no" for form in ("bf16", "fp8", "int4", "nvfp4")
    ]


def test_the_readme_names_six_cards() -> None:
    assert [card for card, _ in CARDS] == ["16", "24", "32", "48", "80", "141"]


@pytest.mark.parametrize("name", published_checkpoints.CHECKPOINTS)
def test_a_published_checkpoint_needs_what_is_said_of_it(name: str) -> None:
    """On all devices with as much as is needed it fits with the longest prompts, and with less it does not."""
    checkpoint, config = published_checkpoints.CHECKPOINTS[name], published_checkpoints.CONFIG
    for runtime in (BFLOAT16, Runtime("cpu", "bfloat16", 0, "tests")):
        needed = of_plan(config, checkpoint.plan(config), runtime, PROMPT_TOKENS)
        for less, fits in ((0, True), (1, False)):
            found = known_checkpoints("not/pulled", runtime, needed.total - less)
            [one] = (form for form in found if form.name == checkpoint.name)
            assert one.weights == needed.weights
            assert (one.tokens == PROMPT_TOKENS) == fits


def test_published_checkpoints_are_no_matter_of_other_models(published: str, tmp_path: Path) -> None:
    assert len(known_checkpoints(published, BFLOAT16, MUCH)) == len(published_checkpoints.CHECKPOINTS)
    assert known_checkpoints("qwen2.5-coder-0.5b", BFLOAT16, MUCH) == ()
    assert known_checkpoints(str(WRITERS["FIM"](tmp_path / "gap")), BFLOAT16, MUCH) == ()


def test_the_longest_prompt_is_the_one_that_just_fits(published: str) -> None:
    """6 prompts, whose 5 full layers take 2 x 2 heads of 512 numbers a token, in buffers that are half as long again;
    the sliding ones take no more from 1,280 tokens on."""
    rows = [forms(published, BFLOAT16, int(20.6e9) + step * 10**8)[3] for step in range(4)]
    assert all(0 < row.tokens < 8192 for row in rows)
    assert "of 8,192 tokens" in rows[0].in_words
    each = 6 * 5 * 2 * 2 * 512 * 2 * 3 / 2
    steps = [after.tokens - before.tokens for before, after in pairwise(rows)]
    assert all(abs(step - 10**8 / each) <= 2 for step in steps)


@pytest.mark.parametrize("edge", [0, 1, 2, 57, 99, 100])
def test_the_longest_that_fits(edge: int) -> None:
    assert longest(100, lambda tokens: tokens <= edge) == edge


def test_advice_names_the_largest_smaller_form_that_fits() -> None:
    found = [
        Form(name, size, tokens, 10) for name, size, tokens in (("bfloat16", 40, 0), ("fp8", 20, 10), ("int4", 10, 10))
    ]
    assert "in fp8, which fits (`lacuna quantize M OUT --to fp8`)" in advice("M", found, Memory(40, 0, 0))
    packed_so = Memory(20, 0, 0, ("float-quantized",))
    assert "in int4, which fits (`lacuna quantize ITS_ORIGINAL_WEIGHTS OUT" in advice("M", found, packed_so)
    assert advice("M", found, Memory(10, 0, 0)).startswith("no smaller form of it fits: choose a smaller model")


def test_what_torch_says_when_memory_runs_out_is_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert memory.is_out(raised.value) and "lacuna doctor" in memory.explained(raised.value)
    assert memory.is_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert memory.is_out(MemoryError())
    other = RuntimeError("no kernel for aten::topk")
    assert not memory.is_out(other) and memory.explained(other) == "RuntimeError: no kernel for aten::topk"


LOAD = """
import resource, sys
from lacuna.engine import load
from lacuna.engine.device.runtime import Runtime
import lacuna.engine.families.gap.loading, lacuna.engine.quantize.forms
from lacuna.engine.untrusted.load_error import LoadError
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, [pages * 4096 + int(sys.argv[2])] * 2)
try:
    load.load(sys.argv[1], Runtime("cpu", "float32", 1, "tests"))
except LoadError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_running_out_while_loading_says_what_to_choose(tmp_path: Path) -> None:
    """A matrix of 8.6 GB in a sparse file, whose floats are more than an address space with 12 GB beside it."""
    source = WRITERS["FIM"](tmp_path / "source")
    wide = {"intermediate_size": 1 << 18, "hidden_size": 1 << 14, "head_dim": 16, "num_hidden_layers": 1}
    config = json.loads((source / "config.json").read_text()) | wide
    shapes = architectures.read(config).shapes()
    write_sparse(source, config, {name: (shape, "BF16") for name, shape in shapes.items()})
    for file in source.glob("adapter*"):
        file.unlink()
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(source), str(2 * 2**32 + 12 * 10**9)], capture_output=True, text=True
    )
    assert "is more than cpu has memory for: " in run.stdout, run.stderr
