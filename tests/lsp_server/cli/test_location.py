"""Files that are named on the command line: regular ones alone, of a readable size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX files and limits")
@pytest.mark.parametrize(
    ("kind", "message"), [("/dev/zero", "a device"), ("fifo", "a FIFO"), ("sparse", "more than"), (".", "a directory")]
)
def test_infill_refuses_what_is_no_regular_file(tmp_path: Path, kind: str, message: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(4 << 30)
    code = (
        "import resource, sys\nfrom lacuna.lsp_server.cli.location import Location, LocationError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try:\n    Location.parse(sys.argv[1] + ':1:1').text()\nexcept LocationError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / kind)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert message in ended.stdout, ended.stderr
