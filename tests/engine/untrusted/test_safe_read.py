"""Nothing but regular files of a plausible size are read. Hostile ones are read in another process, under limits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lacuna.engine.untrusted.safe_read import NotRegularError, TooLargeError, read_regular

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"a\r\n\x1a\x00b")
    assert read_regular(file, 6) == b"a\r\n\x1a\x00b"


def test_a_file_of_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"0123456")
    with pytest.raises(TooLargeError, match="more than the 6 bytes"):
        read_regular(file, 6)


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 10)


@posix
@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a FIFO"), (os.mkdir, "a directory")])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, make: object, kind: str) -> None:
    make(tmp_path / "a")  # type: ignore[operator]
    with pytest.raises(NotRegularError, match=kind):
        read_regular(tmp_path / "a", 10)


@posix
def test_links_are_followed_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 10) == b"a"
    with pytest.raises(NotRegularError, match="a link"):
        read_regular(tmp_path / "link", 10, follow_links=False)


@posix
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/dev/tty", "fifo", "sparse", "/proc/self/environ"])
def test_hostile_files_neither_hang_nor_fill_the_memory(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(4 << 30)
    (tmp_path / "a").symlink_to(target)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "from lacuna.engine.untrusted.safe_read import read_regular\n"
        "try:\n    read_regular(sys.argv[1], 10)\n"
        "except OSError as error:\n    print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.wait(20)  # its stdin stays open: who reads it waits
            assert process.stdout.read().strip().endswith(b"Error")
        finally:
            process.kill()
