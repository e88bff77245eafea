"""The CPU's name, as /proc/cpuinfo tells it or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacuna.engine.device import processor


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9R45\nprocessor\t: 1\n", "AMD EPYC 9R45"),
        ("processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 5\n", "Raspberry Pi 5"),
        ("model name\t:\n", None),
        ("processor\t: 0\n", None),
    ],
)
def test_the_cpus_name(text: str, name: str | None, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    other = processor.name("cpu", file)
    file.write_text(text, encoding="utf-8")
    assert processor.name("cpu", file) == (other if name is None else name)
    assert other != ""
