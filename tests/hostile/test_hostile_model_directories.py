"""Directories of models and adapters that are not what they say: the status tells what is wrong.

A directory that can be loaded must be able to fill a gap.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import ask
from planting import GB, Entry, Fifo, Files, Folder, Gone, Link, Repeated, Socket, Sparse, cases, plant
from watched_server import START_PATIENCE, WatchedServer

Json = dict[str, Any]
Change = Callable[[Json], None]
CONFIG, TOKENIZER, WEIGHTS, INDEX = "config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json"
GGUF, GEMMA = "model.gguf", Path(__file__).parents[1] / "data" / "diffusion_gemma_config.json"
ADAPTER, FACTORS = "adapter_config.json", "adapter_model.safetensors"
PICKLE = b"cos\nsystem\n(S'touch [[canary]]'\ntR."
NO_NUMBERS: tuple[Any, ...] = (None, "8", [], {}, True, 1.5)


def config(**values: Any) -> dict[str, Change]:
    return {CONFIG: lambda content: content.update(values)}


def gap(**values: Any) -> dict[str, Change]:
    return {ADAPTER: lambda content: content["gap"].update(values)}


def adapter(**values: Any) -> dict[str, Change]:
    return {ADAPTER: lambda content: content.update(values)}


def tokenizer(**values: Any) -> dict[str, Change]:
    return {TOKENIZER: lambda content: content.update(values)}


def added_token(id: int, content: str = "<x>") -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id, "content": content, **flags, "special": True}


def header(content: object, more: int = 0) -> bytes:
    """A safetensors file by its header."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text + bytes(more)


def tensor(shape: list[int], start: int = 0, end: int = 0, dtype: str = "F32") -> Json:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def each_file(name: str) -> dict[str, Files]:
    """What any one file can be instead of what it should."""
    instead: dict[str, Entry] = {
        "missing": Gone(),
        "empty": b"",
        "a directory": Folder(),
        "a FIFO": Fifo(),
        "a socket": Socket(),
        "/dev/zero": Link("/dev/zero"),
        "/dev/stdin": Link("/dev/stdin"),
        "/proc/self/mem": Link("/proc/self/mem"),
        "itself": Link(name),
        "sparse, 2 GB": Sparse(2 * GB),
        "sparse, 2 GB, an object first": Sparse(2 * GB, b"{}"),
        "300 MB of brackets": Repeated(b"[" * 1_000_000, 300),
        "null": b"null",
        "a list": b"[]",
        "a number": b"7",
        "an empty object": b"{}",
        "200,000 brackets deep": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "invalid UTF-8": b'{"\xff\xfe": 1}',
    }
    return {f"{name}: {what}": {name: entry} for what, entry in instead.items()}


def gguf(tensors: int = 0, values: int = 0, content: bytes = b"") -> bytes:
    """A GGUF file of which the header says how many tensors and values come."""
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + content


def said(key: str, kind: int, content: bytes) -> bytes:
    """A value of a GGUF file, with its type's number."""
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + content


def of_gemma(files: dict[str, Files]) -> dict[str, Files]:
    """Beside the published DiffusionGemma's config.json."""
    return {name: {CONFIG: GEMMA.read_bytes(), WEIGHTS: Gone(), **some} for name, some in files.items()}


TEXTS, ARCHITECTURE = struct.pack("<IQ", 8, 2**60), struct.pack("<Q", 15) + b"diffusion-gemma"
GGUF_FILES: dict[str, Files] = {
    **each_file(GGUF),
    "gguf: 2^60 tensors": {GGUF: gguf(2**60)},
    "gguf: 2^60 values": {GGUF: gguf(0, 2**60)},
    "gguf: 2^60 texts": {GGUF: gguf(0, 1, said("a", 9, TEXTS)) + bytes(100_000)},
    "gguf: no tensors": {GGUF: gguf(0, 1, said("general.architecture", 8, ARCHITECTURE)) + bytes(64)},
    "gguf: sparse, 2 GB": {GGUF: Sparse(2 * GB, gguf(10**4))},
    "gguf: pickle": {GGUF: PICKLE},
    "gguf: two": {GGUF: gguf(), "other.gguf": gguf()},
    "gguf: beside an index": {GGUF: gguf(), INDEX: "{}"},
    "gguf: as a shard": {INDEX: json.dumps({"weight_map": {"a": GGUF}}), GGUF: Fifo()},
}
WHOLE_FILES: dict[str, Files] = {
    **of_gemma(GGUF_FILES),
    **each_file(CONFIG),
    **each_file(TOKENIZER),
    **each_file(ADAPTER),
    **each_file(WEIGHTS),
    **each_file(FACTORS),
    "weights: header of 2^63": {WEIGHTS: (1 << 63).to_bytes(8, "little")},
    "weights: header of 90 MB": {WEIGHTS: (90_000_000).to_bytes(8, "little") + b" " * 90_000_000},
    "weights: header of 99 MB in a sparse file": {WEIGHTS: Sparse(GB, (99_000_000).to_bytes(8, "little") + b"{")},
    "weights: a million tensors": {WEIGHTS: header({f"t{number}": tensor([0]) for number in range(300_000)})},
    "weights: huge shape": {WEIGHTS: header({"model.norm.weight": tensor([2**40, 2**40])})},
    "weights: shape overflows": {WEIGHTS: header({"model.norm.weight": tensor([2**63, 4])})},
    "weights: offsets backwards": {WEIGHTS: header({"model.norm.weight": tensor([64], 256, 0)}, 256)},
    "weights: offsets behind the end": {WEIGHTS: header({"model.norm.weight": tensor([64], 0, 256)})},
    "weights: negative shape": {WEIGHTS: header({"model.norm.weight": tensor([-64], 0, 256)}, 256)},
    "weights: of text": {WEIGHTS: header({"model.norm.weight": tensor([64], 0, 256, "TEXT")}, 256)},
    "weights: pickle": {WEIGHTS: PICKLE},
    "pickle beside them": {WEIGHTS: Gone(), "pytorch_model.bin": PICKLE},
    "code beside them": {"modeling_x.py": "open('[[canary]]', 'w')", "conftest.py": "open('[[canary]]', 'w')"},
    "index: upward": {WEIGHTS: Gone(), INDEX: '{"weight_map": {"a": "../x.safetensors"}}'},
    "index: absolute": {WEIGHTS: Gone(), INDEX: '{"weight_map": {"a": "/dev/zero"}}'},
    "index: a FIFO": {WEIGHTS: Gone(), INDEX: Fifo()},
    "index: /dev/zero": {WEIGHTS: Gone(), INDEX: Link("/dev/zero")},
    "index: of a FIFO": {WEIGHTS: Gone(), "x": Fifo(), INDEX: '{"weight_map": {"a": "x"}}'},
    "index: of numbers": {WEIGHTS: Gone(), INDEX: '{"weight_map": {"a": 7}}'},
    "index: of NUL": {WEIGHTS: Gone(), INDEX: '{"weight_map": {"a": "\\u0000"}}'},
    "index: 100,000 shards": {
        WEIGHTS: Gone(),
        INDEX: json.dumps({"weight_map": {str(number): f"{number}.safetensors" for number in range(100_000)}}),
    },
    "manifest: numbers": {"lacuna.json": '{"format": 1, "files": {"config.json": 5}}'},
    "manifest: a FIFO": {"lacuna.json": Fifo()},
    "manifest: upward": {"lacuna.json": '{"format": 1, "files": {"/dev/zero": {"bytes": 0, "sha256": ""}}}'},
}
CHANGES: dict[str, dict[str, Change]] = {
    **{f"layers {value!r}": config(num_hidden_layers=value) for value in (0, -1, 10**9, 10**30, *NO_NUMBERS)},
    **{f"hidden {value!r}": config(hidden_size=value) for value in (0, 63, 10**12, "64")},
    **{f"heads {value!r}": config(num_attention_heads=value) for value in (0, 3, 10**9, None)},
    **{f"key heads {value!r}": config(num_key_value_heads=value) for value in (0, 3, 10**9)},
    **{f"vocabulary {value!r}": config(vocab_size=value) for value in (0, 1, 10**12, "x")},
    **{f"positions {value!r}": config(max_position_embeddings=value) for value in (0, 1, -5, 10**9, 10**15, "x")},
    **{f"theta {value!r}": config(rope_theta=value) for value in (0, -1.0, 1e308, "x")},
    **{f"epsilon {value!r}": config(rms_norm_eps=value) for value in (-1.0, 1e308, None)},
    **{f"head size {value!r}": config(head_dim=value) for value in (0, 7, 10**9)},
    **{f"intermediate {value!r}": config(intermediate_size=value) for value in (0, 10**12)},
    **{f"rope {value!r}": config(rope_scaling=value) for value in ({"type": "x"}, 7, {"rope_type": "llama3"})},
    "family unknown": config(model_type="gpt17"),
    "family a list": config(model_type=["llama"]),
    "family diffusion_gemma": config(model_type="diffusion_gemma"),
    "code of its own": config(auto_map={"AutoModel": "modeling_x.X"}, trust_remote_code=True),
    "untied": config(tie_word_embeddings=False),
    **{
        f"canvases {value!r}": gap(canvas_lengths=value)
        for value in ([], [0], [-1], ["8"], [10**9], [8] * 100_000, 8, None, [[8]])
    },
    **{f"sink {value!r}": gap(sink_token_id=value) for value in (-1, 10**9, "0", None)},
    **{f"end {value!r}": gap(end_of_hole_token_id=value) for value in (-1, 257, 10**9, 1.5)},
    **{f"distance {value!r}": gap(suffix_distance=value) for value in (-1, 10**12, "64", None)},
    "no gap": {ADAPTER: lambda content: content.pop("gap")},
    "gap a list": adapter(gap=[]),
    **{f"rank {value!r}": adapter(r=value) for value in (0, -4, 5, 10**9, "4", None)},
    **{f"alpha {value!r}": adapter(lora_alpha=value) for value in (1e30, 1e308, "8", None, float("nan"))},
    **{f"targets {value!r}": adapter(target_modules=value) for value in ([], "q_proj", ["x"], None, [7], 7)},
    "tokenizer: 1 MB per letter": tokenizer(
        normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": "x" * 1_000_000}
    ),
    "tokenizer: backtracking": tokenizer(
        normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+$|([a-z ]+)+9"}, "content": ""}
    ),
    "tokenizer: backtracking split": tokenizer(
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "(.+)+9"}, "behavior": "Isolated", "invert": False}
    ),
    "tokenizer: 1 MB prepended": tokenizer(normalizer={"type": "Prepend", "prepend": "x" * 1_000_000}),
    "tokenizer: words": tokenizer(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}),
    "tokenizer: Unigram": tokenizer(model={"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}),
    "tokenizer: no vocabulary": tokenizer(model={"type": "BPE", "vocab": {}, "merges": []}),
    "tokenizer: ids of 2^31": tokenizer(added_tokens=[added_token(2**31)]),
    "tokenizer: merges of nothing": {TOKENIZER: lambda content: content["model"].update(merges=["x y", "a"])},
    "tokenizer: 200,000 added tokens": tokenizer(
        added_tokens=[added_token(257 + number, f"<{number}>") for number in range(200_000)]
    ),
    "tokenizer: huge padding": tokenizer(
        padding={"strategy": {"Fixed": 10**9}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "x"}
    ),
    "tokenizer: truncation": tokenizer(
        truncation={"max_length": 0, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    ),
    "tokenizer: no decoder": tokenizer(decoder=None),
    "tokenizer: a word's id": tokenizer(added_tokens=[added_token(7)]),
    "tokenizer: a word as a marker": tokenizer(added_tokens=[added_token(7, "a")]),
    "tokenizer: two of one id": tokenizer(added_tokens=[added_token(300), added_token(300, "<y>")]),
    "tokenizer: ids far apart": tokenizer(added_tokens=[added_token(0, "<|endoftext|>"), added_token(256 * 1024)]),
    "tokenizer: words left out": tokenizer(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            ],
        }
    ),
    "tokenizer: words put before": tokenizer(
        pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
    ),
    "tokenizer: template of a million": tokenizer(
        post_processor={"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
    ),
}
QUICK_FILES = [
    "config.json: a FIFO", "config.json: sparse, 2 GB", "tokenizer.json: a FIFO", "tokenizer.json: /dev/zero",
    "model.gguf: a FIFO", "model.gguf: /dev/zero", "gguf: 2^60 tensors",
    "model.safetensors: a FIFO", "adapter_config.json: /dev/zero", "weights: pickle", "index: of a FIFO",
]  # fmt: skip
QUICK_CHANGES = [
    "layers 1000000000", "positions 1", "canvases []", "canvases [-1]", "sink 1000000000", "distance 1000000000000",
    "rank 1000000000", "tokenizer: words", "tokenizer: 1 MB per letter",
]  # fmt: skip
ADAPTER_FILES = {name: files for name, files in WHOLE_FILES.items() if name.startswith(("adapter", "weights: pickle"))}


@pytest.fixture
def directory(tmp_path: Path, tiny_model: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "hostile"))


def check(server: WatchedServer, settings: dict[str, object], **chosen: str) -> None:
    """Choose it: the status says that it is ready, or what is wrong; a request is answered in both cases."""
    seen = len(server.told)
    server.notify("workspace/didChangeConfiguration", {"settings": {**settings, **chosen}})
    told = server.until_told(seen, "lacuna/status", "ready", "error")
    ask(server, f"untitled:{seen}")
    last = [one["params"] for one in server.told if one.get("method") == "lacuna/status"][-1]
    assert told["params"]["message"] and "Traceback" not in last["message"]


@pytest.mark.parametrize("files", cases(WHOLE_FILES, QUICK_FILES))
def test_files(server: WatchedServer, settings: dict[str, object], directory: Path, files: Files) -> None:
    canary = directory.with_name("canary")
    plant(directory, {name: _with_canary(entry, canary) for name, entry in files.items()}, canary=canary)
    check(server, settings, model=str(directory))
    assert not canary.exists(), "something ran"


@pytest.mark.parametrize("changes", cases(CHANGES, QUICK_CHANGES))
def test_values(
    server: WatchedServer, settings: dict[str, object], directory: Path, changes: dict[str, Change]
) -> None:
    for name, change in changes.items():
        content = json.loads((directory / name).read_text(encoding="utf-8"))
        change(content)
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    check(server, settings, model=str(directory))


@pytest.mark.parametrize("files", cases(ADAPTER_FILES, ["adapter_config.json: a FIFO"]))
def test_adapters(server: WatchedServer, settings: dict[str, object], directory: Path, files: Files) -> None:
    plant(directory, files)
    check(server, settings, adapter=str(directory))


@pytest.mark.parametrize("name", ["smollm2-135m", "owner/tiny"])
def test_names_are_not_looked_up_in_the_workspace(directory: Path, tmp_path: Path, name: str) -> None:
    """Where the server was started; what lies there may be anybody's."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.rename(directory, tmp_path / name)
    server = WatchedServer(cwd=tmp_path, LACUNA_CACHE=str(tmp_path / "cache"))
    try:
        server.initialize({"model": name, "device": "cpu"})
        told = server.until_told(0, "lacuna/status", "ready", "error", patience=START_PATIENCE)
        assert f"run `lacuna pull {name}`" in told["params"]["message"], told
        server.goodbye()
    finally:
        server.kill()


def _with_canary(entry: Entry, canary: Path) -> Entry:
    return entry.replace(b"[[canary]]", bytes(canary)) if isinstance(entry, bytes) else entry
