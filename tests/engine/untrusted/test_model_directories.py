"""Model and adapter directories that somebody made to hang, to fill the memory, or to fail later: each ends in a
LoadError that names the file, at once, and in little memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_gemma_tokenizer
import torch
from safetensors.torch import load_file, save_file
from tiny_model import write_tiny_model

from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer
from lacuna.engine.untrusted.load_error import LoadError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits, FIFOs and devices are those of POSIX")

SPARE_MB = 200
# Loads every directory that stdin names, in limited memory, and says how each one ended.
SCRIPT = """
import json, resource, sys, time
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.untrusted.load_error import LoadError
RUNTIME = Runtime("cpu", "float32", 1, "tests")
loading.load(sys.argv[1], RUNTIME)  # what is only there once is there now
pages = int(open("/proc/self/statm").read().split()[0]) if sys.platform == "linux" else 0
limit = pages * resource.getpagesize() + int(sys.argv[2]) * 1_000_000
if pages:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in json.load(sys.stdin):
    print(name, file=sys.stderr, flush=True)  # the last one is the one that hung
    start = time.process_time()
    try:
        loading.load(name, RUNTIME)
        answer = ["loaded", ""]
    except BaseException as error:
        answer = ["LoadError" if isinstance(error, LoadError) else type(error).__name__, str(error)]
    print(json.dumps([name, *answer, time.process_time() - start]), flush=True)
"""

Change = Callable[[Path], None]
FILES = ("config.json", "adapter_config.json", "tokenizer.json", "model.safetensors", "adapter_model.safetensors")


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(4 << 30)


# What may stand in a file's place.
PLACES: dict[str, Change] = {
    "fifo": os.mkfifo if hasattr(os, "mkfifo") else sparse,
    "device": lambda file: file.symlink_to("/dev/zero"),
    "terminal": lambda file: file.symlink_to("/dev/tty"),
    "directory": lambda file: file.mkdir(),
    "nowhere": lambda file: file.symlink_to("nowhere"),
    "sparse": sparse,
    "empty": lambda file: file.touch(),
    "garbage": lambda file: file.write_bytes(bytes(range(256)) * 40),
    "deep": lambda file: file.write_text("[" * 200_000),
}
HUGE, NAN = 10**9, float("nan")
CONFIG: dict[str, list[Any]] = {
    "num_hidden_layers": [HUGE, 0, -1, 2.5, "2", True, None, [2], 10**400],
    "max_position_embeddings": [10**15, 1, 0, -5, 1e300, "2048"],
    "vocab_size": [10**12, 0, -1, 12.0],
    "hidden_size": [HUGE, 0, -64, "64"],
    "intermediate_size": [HUGE, 0, -1],
    "num_attention_heads": [HUGE, 0, -4, 3, False],
    "num_key_value_heads": [HUGE, 0, 3, -2],
    "head_dim": [HUGE, 7, -16],
    "rms_norm_eps": [NAN, float("inf"), -1.0, "0", 1e300],
    "rope_theta": [NAN, -1.0, 1e300, "1", 10**400],
    "rope_parameters": [7, "x", {"rope_theta": -1}, {"rope_type": ["x"]}],
    "tie_word_embeddings": [1, "yes"],
    "model_type": [["llama"], 7, None, "x" * 100_000],
}
ADAPTER: dict[str, list[Any]] = {
    "r": [0, -1, HUGE, 4.0, "4", True],
    "lora_alpha": [1e30, NAN, float("inf"), -1, "8", 10**400],
    "target_modules": [[], "q_proj", ["x"], [7], ["input_layernorm"], ["q_proj"] * 1000, {"q_proj": 1}],
    "gap": [None, 7, [], {}],
    "gap.canvas_lengths": [[], [-1], ["8"], [0], [HUGE], [8.0], [True], "8", 8, None, [8] * 100_000],
    "gap.suffix_distance": [10**12, -1, 0, "64", NAN, 64.5],
    "gap.sink_token_id": [HUGE, -1, "0", 257],
    "gap.end_of_hole_token_id": [HUGE, -1, None, 257],
    "gap.adapted_suffix": [7, "true"],
    "gap.gate": [
        7,
        {},
        {"bias": NAN, "weights": {}},
        {"bias": 0, "weights": {"mean": "x"}},
        {"bias": 0, "weights": []},
    ],
}
LETTER = {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 1_000_000}
SLOW = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
TOKENIZER: dict[str, list[Any]] = {
    "normalizer": [
        LETTER,
        {"type": "Sequence", "normalizers": [LETTER]},
        {"type": "Prepend", "prepend": "x" * 10**6},
        7,
    ],
    "pre_tokenizer": [None, SLOW, {"type": "Sequence", "pretokenizers": [SLOW]}, {"type": "Whitespace"}, {"type": []}],
    "decoder": [{"type": "WordPiece"}, {"type": "Replace", "pattern": {"Regex": "a{9999}{9999}"}, "content": ""}],
    "post_processor": [{"type": "RobertaProcessing"}, {"type": "TemplateProcessing", "single": ["$A"] * 9999}],
    "added_tokens": [7, [7], [{"id": HUGE, "content": "x"}], [{"id": 0, "content": ""}], [{"id": -1, "content": "x"}]],
    "model": [None, {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, {"type": "Unigram", "vocab": []}],
    "model.vocab": [{}, {"a": HUGE}, {"a": -1}, {"a": "0"}, {"a": 0, "b": 0}, {"a" * 9999: 0}, {"\u4e2d": 0}, []],
    "model.merges": [7, ["a"], ["a b c"], [["a"]], ["\u4e2d \u4e2d"], ["a b"] * 100_000],
    "model.dropout": [0.5],
    "model.byte_fallback": [True],
}


def set_field(content: dict[str, Any], field: str, value: object) -> None:
    *parts, last = field.split(".")
    for part in parts:
        content = content[part]
    content[last] = value


def in_file(name: str, field: str, value: object) -> Change:
    def change(directory: Path) -> None:
        content = json.loads((directory / name).read_text(encoding="utf-8"))
        set_field(content, field, value)
        sys.set_int_max_str_digits(0)
        (directory / name).write_text(json.dumps(content), encoding="utf-8")

    return change


def in_place_of(name: str, kind: str) -> Change:
    def change(directory: Path) -> None:
        (directory / name).unlink()
        PLACES[kind](directory / name)

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], None], name: str = "model.safetensors") -> Change:
    def changed(directory: Path) -> None:
        content = load_file(directory / name)
        change(content)
        (directory / name).unlink()
        save_file(content, directory / name)

    return changed


def index(content: object) -> Change:
    def change(directory: Path) -> None:
        (directory / "model.safetensors").unlink()
        (directory / "model.safetensors.index.json").write_text(json.dumps(content), encoding="utf-8")

    return change


NORM = "model.norm.weight"
CASES: dict[str, tuple[Change, str]] = {
    **{f"{kind} {name}": (in_place_of(name, kind), name) for name in FILES for kind in PLACES},
    **{
        f"{name} {field} {number}": (in_file(name, field, value), name)
        for name, table in (("config.json", CONFIG), ("adapter_config.json", ADAPTER), ("tokenizer.json", TOKENIZER))
        for field, values in table.items()
        for number, value in enumerate(values)
    },
    "another vocabulary": (in_file("config.json", "vocab_size", 258), "model.embed_tokens.weight"),
    "another width": (in_file("config.json", "hidden_size", 32), "mask_embedding"),
    "another rank": (in_file("adapter_config.json", "r", 5), "adapter_model.safetensors"),
    "whole numbers": (tensors(lambda t: t.update({NORM: t[NORM].long()})), NORM),
    "a shape": (tensors(lambda t: t.update({NORM: t[NORM][:3].clone()})), NORM),
    "20,000 more": (tensors(lambda t: t.update({f"x{n}": torch.zeros(0) for n in range(20_000)})), "and 19,"),
    "index of lists": (index([[]] * 1000), "index.json"),
    "index to elsewhere": (index({"weight_map": {"a": "../a"}}), "index.json"),
    "header": (lambda d: (d / "model.safetensors").write_bytes((1 << 63).to_bytes(8, "little")), "model.safetensors"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, float]]:
    """How loading each directory ended: the error's class, its message, and seconds of the processor."""
    root = tmp_path_factory.mktemp("hostile")
    good = write_tiny_model(root / "good")
    names = {}
    for number, (name, (change, _)) in enumerate(CASES.items()):
        directory = root / str(number)
        shutil.copytree(good, directory)
        change(directory)
        names[str(directory)] = name
    found: dict[str, tuple[str, str, float]] = {}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(good), str(SPARE_MB)],
        input=json.dumps(list(names)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    for line in done.stdout.splitlines():
        place, kind, message, seconds = json.loads(line)
        found[names[place]] = kind, message, seconds
    assert done.returncode == 0, (done.stderr[-500:], list(found)[-1:])
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_directory_is_refused(outcomes: dict[str, tuple[str, str, float]], name: str) -> None:
    kind, message, seconds = outcomes[name]
    assert kind == "LoadError", message
    assert CASES[name][1] in message
    assert "get it anew" in message or "not supported" in message, message
    assert len(message) < 10_000
    assert seconds < 5.0


DIFFUSION: dict[str, list[Any]] = {
    "canvas_length": [0, -1, HUGE, "256"],
    "text_config": [7, []],
    "text_config.layer_types": [7, [], ["x"], ["full_attention"] * 100_000, [[]], ["sliding_attention"]],
    "text_config.num_experts": [HUGE, -1, "8"],
    "text_config.top_k_experts": [0, 129],
    "text_config.vocab_size": [10**12, -1],
    "text_config.hidden_size": [0, 1.5],
    "text_config.head_dim": [0, 7, HUGE],
    "text_config.num_attention_heads": [0, 3],
    "text_config.sliding_window": [0, -1, None, HUGE],
    "text_config.rms_norm_eps": [NAN],
    "text_config.final_logit_softcapping": [0.0, NAN],
    "text_config.max_position_embeddings": [1, 10**15],
    "text_config.rope_parameters": [7, {"sliding_attention": 7}, {"full_attention": {"rope_type": "x"}}],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in DIFFUSION for value in DIFFUSION[field]])
def test_a_hostile_config_of_diffusion_gemma(field: str, value: object) -> None:
    config = json.loads(
        (Path(__file__).parents[2] / "data" / "diffusion_gemma_config.json").read_text(encoding="utf-8")
    )
    DiffusionGemmaConfig.from_hf(config)
    set_field(config, field, value)
    with pytest.raises(LoadError, match=r"config\.json"):
        DiffusionGemmaConfig.from_hf(config)


@pytest.mark.parametrize(
    "settings",
    [
        {"eos_token_id": "x"},
        {"eos_token_id": []},
        {"eos_token_id": [HUGE]},
        {"eos_token_id": True},
        {"max_denoising_steps": HUGE},
        {"max_denoising_steps": 0},
        {"t_min": 2.0, "t_max": 1.0},
        {"t_max": NAN},
        {"max_new_tokens": -1},
        {"pad_token_id": 10**7},
        {"sampler_config": 7},
        {"sampler_config": {"entropy_bound": "x"}},
        {"confidence_threshold": "0"},
    ],
    ids=str,
)
def test_a_hostile_generation_config(settings: dict[str, Any]) -> None:
    with pytest.raises(LoadError, match=r"generation_config\.json"):
        EntropyBoundConfig.from_hf(settings, 262_144)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("normalizer", LETTER),
        ("normalizer", {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"}),
        ("pre_tokenizer", SLOW),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}),
        ("model.byte_fallback", False),
        ("model.vocab", {"a": HUGE}),
        ("added_tokens", [{"id": HUGE, "content": "x"}]),
    ],
)
def test_a_hostile_tokenizer_of_gemmas_kind(tmp_path: Path, field: str, value: object) -> None:
    tiny_gemma_tokenizer.write(tmp_path)
    size = tiny_gemma_tokenizer.size(tmp_path / "tokenizer.json")
    assert GemmaTokenizer(tmp_path / "tokenizer.json", size).encode("a b")
    in_file("tokenizer.json", field, value)(tmp_path)
    with pytest.raises(LoadError, match=r"tokenizer\.json"):
        GemmaTokenizer(tmp_path / "tokenizer.json", size)
