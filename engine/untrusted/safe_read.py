"""Files that a stranger may have put there, read so that nothing but a plain file of a plausible size is read."""

from __future__ import annotations

import os
import stat

# Missing on Windows, which has no FIFOs and terminals among its files. O_BINARY is there alone.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CHUNK = 1 << 20  # bytes

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
}


class NotRegularError(OSError):
    """A directory, device, FIFO or socket, or a link where none is wanted. The message says which."""


class TooLargeError(OSError):
    """The file holds more than may be read of it. The message says how much that is."""


def read_regular(path: str | os.PathLike[str], limit: int, *, follow_links: bool = True) -> bytes:
    """The content of a regular file of at most `limit` bytes, without ever waiting for a FIFO, terminal or device.

    `follow_links=False` refuses a link as last part of `path`. Raises NotRegularError and TooLargeError, which are both
    OSError, OSError of the system's own, and ValueError for a name that no file can have.
    """
    # Looked at before it is opened: to open a device can do something in itself. And after: it may be another by then.
    _check(path, os.stat(path, follow_symlinks=follow_links), limit)
    descriptor = os.open(path, _FLAGS | (0 if follow_links else _NO_LINK))
    try:
        _check(path, os.fstat(descriptor), limit)
        return _read(path, descriptor, limit)
    finally:
        os.close(descriptor)


def _check(path: str | os.PathLike[str], status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotRegularError(f"{os.fspath(path)} is {kind}, not a file that could be read")
    if status.st_size > limit:
        raise _too_large(path, limit)


def _read(path: str | os.PathLike[str], descriptor: int, limit: int) -> bytes:
    """Up to the end, whatever size was announced: files of /proc have none, and others grow while they are read."""
    chunks: list[bytes] = []
    left = limit + 1
    while left and (chunk := os.read(descriptor, min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
    if not left:
        raise _too_large(path, limit)
    return b"".join(chunks)


def _too_large(path: str | os.PathLike[str], limit: int) -> TooLargeError:
    return TooLargeError(f"{os.fspath(path)} holds more than the {limit:,} bytes that are read of such a file")
