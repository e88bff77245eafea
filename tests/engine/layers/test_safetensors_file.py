"""Our reader of safetensors against the library's, and headers that do not account for the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from lacuna.engine.layers.safetensors_file import TYPES, SafetensorsFile

SHAPES = [(), (0,), (1,), (3, 0, 2), (5, 7), (2, 3, 4), (70_001,)]


@pytest.mark.parametrize("dtype", TYPES)
def test_same_as_the_library(tmp_path: Path, dtype: str) -> None:
    torch.manual_seed(0)
    kind, file = TYPES[dtype], tmp_path / "x.safetensors"
    bits = {str(at): torch.randint(0, 2, (*shape, kind.itemsize), dtype=torch.uint8) for at, shape in enumerate(SHAPES)}
    tensors = {name: bit.view(kind).squeeze(-1).contiguous() for name, bit in bits.items()}
    save_file(tensors, file, {"who": "tests"})
    opened = SafetensorsFile(file)
    with safe_open(file, framework="pt") as library:
        assert opened.headers.keys() == set(library.keys())
        for name in library.keys():  # noqa: SIM118
            found, expected = opened.tensor(name), library.get_tensor(name)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            assert opened.headers[name] == (tuple(expected.shape), dtype)
            assert torch.equal(found.flatten().view(torch.uint8), expected.flatten().view(torch.uint8))
    assert opened.metadata == {"who": "tests"}
    opened.close()
    assert found.shape == expected.shape  # what was read stays


def test_what_is_written_stays_in_this_process(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(4)}, tmp_path / "x.safetensors")
    opened = SafetensorsFile(tmp_path / "x.safetensors")
    opened.tensor("a").add_(1)
    assert torch.equal(opened.tensor("a"), torch.zeros(4))
    opened.close()


def entry(shape: Any, start: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


APART = "its tensors do not lie one behind the other"
BYTES = "which are not those of its shape"
NONE = "a has no shape or no place"
BAD: dict[str, tuple[Any, str]] = {
    "a hole": ({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, APART),
    "an overlap": ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, APART),
    "twice the same": ({"a": entry([3], 0, 12), "b": entry([3], 0, 12)}, APART),
    "bytes behind": ({"a": entry([2], 0, 8)}, APART),
    "too few bytes": ({"a": entry([4], 0, 16)}, APART),
    "not from the start": ({"a": entry([2], 4, 12)}, APART),
    "backwards": ({"a": entry([3], 12, 0)}, BYTES),
    "another size": ({"a": entry([2], 0, 12)}, BYTES),
    "an overflow": ({"a": entry([2**64, 2**64], 0, 12)}, BYTES),
    "a negative shape": ({"a": entry([-3, -1], 0, 12)}, NONE),
    "a shape of texts": ({"a": entry(["3"], 0, 12)}, NONE),
    "a shape of truths": ({"a": entry([True, 3], 0, 12)}, NONE),
    "an endless shape": ({"a": entry([3] + [1] * 10_000, 0, 12)}, NONE),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 12]}}, NONE),
    "three offsets": ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12, 12]}}, NONE),
    "an unknown type": ({"a": entry([3], 0, 12, "F33")}, "a has the unknown type 'F33'"),
    "a type of lists": ({"a": entry([3], 0, 12, ["F32"])}, "a has the unknown type"),
    "no object": ({"a": 7}, "a has the unknown type 'None'"),
    "a list": ([entry([3], 0, 12)], "its header is no object"),
    "metadata of numbers": ({"a": entry([3], 0, 12), "__metadata__": {"a": 7}}, "its metadata are no texts"),
    "metadata of text": ({"a": entry([3], 0, 12), "__metadata__": "x"}, "its metadata are no texts"),
}


def write(file: Path, header: Any, content: bytes = bytes(12)) -> Path:
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return file


@pytest.mark.parametrize("case", BAD)
def test_a_header_accounts_for_every_byte(tmp_path: Path, case: str) -> None:
    header, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        SafetensorsFile(write(tmp_path / "x", header))


def test_a_tensor_may_begin_at_any_byte(tmp_path: Path) -> None:
    content = b"\1" + torch.tensor([1.5, 2.5]).numpy().tobytes()
    opened = SafetensorsFile(write(tmp_path / "x", {"a": entry([1], 0, 1, "U8"), "b": entry([2], 1, 9)}, content))
    assert (opened.tensor("a").tolist(), opened.tensor("b").tolist()) == ([1], [1.5, 2.5])
    opened.close()


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=4))
def test_no_tensor_reaches_beyond_its_file(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]
) -> None:
    header = {str(at): entry([max(0, end - start)], start, end, "U8") for at, (start, end) in enumerate(places)}
    size = 12
    file = write(tmp_path_factory.mktemp("places") / "x", header, bytes(range(size)))
    try:
        opened = SafetensorsFile(file)
    except ValueError:
        return
    found = sorted((start, end) for start, end in places)
    assert torch.cat([opened.tensor(str(places.index(place))) for place in found]).tolist() == list(range(size))
    opened.close()
