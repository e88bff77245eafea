"""A tiny model that knows a few lines by heart: tests that need to know what will be suggested use it.

It is trained on first use (some 15 s on two cores) and kept in the user's cache, under a name made of what it was
taught and how.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

LESSONS = {  # a line, and how often it is taught: of two lines that begin alike, the more frequent one is suggested
    "prices = [3, 5, 8]": 2,
    "total = sum(prices)": 6,
    "total = max(prices)": 1,
    "for price in prices:": 2,
    "    print(price)": 2,
    "def mean(values):": 2,
    "    return sum(values) / len(values)": 3,
    "print(total)": 3,
    "cake = '🎂' + str(total)": 3,
    "party = '🎉🎉'.join(names)": 3,
    "indices = list(range(len(prices)))": 2,
    "const total = prices.length;": 2,
}
CACHE = Path(platformdirs.user_cache_dir("lacuna-e2e", appauthor=False))
_SOURCES = [Path(__file__), Path(__file__).with_name("teach.py")]


def taught_model() -> Path:
    """The model's directory, for the setting `model`."""
    content = b"".join(source.read_bytes() for source in _SOURCES)
    directory = CACHE / f"taught-{hashlib.sha256(content).hexdigest()[:12]}"
    if not directory.is_dir():
        unfinished = directory.with_name(f"{directory.name}.{os.getpid()}")
        subprocess.run([sys.executable, str(_SOURCES[1]), str(unfinished)], check=True, timeout=300)
        if directory.is_dir():  # another run was faster
            shutil.rmtree(unfinished)
        else:
            unfinished.rename(directory)
    return directory


if __name__ == "__main__":
    print(taught_model())
