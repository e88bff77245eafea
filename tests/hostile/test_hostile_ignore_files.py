""".gitignore files as a hostile repository has them: a request is answered, whatever they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import ask
from planting import GB, Fifo, Files, Folder, Link, Repeated, Socket, Sparse, cases, plant
from watched_server import WatchedServer

LONG = "a" * 200 + ".py"
DEEP = "/".join("d" * 60)
INFO = ".git/info/exclude"
RUNS = "[core]\n fsmonitor = touch [[canary]]\n excludesFile = /dev/zero\n"
HEAD = {".git/HEAD": "ref: refs/heads/main\n"}


def pattern(text: str | bytes, name: str = LONG) -> tuple[Files, str]:
    return {**HEAD, ".gitignore": text}, name


def file(entry: object, name: str = "app.py", where: str = ".gitignore") -> tuple[Files, str]:
    return {**HEAD, where: entry}, name  # type: ignore[dict-item]


# What the repository holds, and the document in it.
IGNORE_FILES: dict[str, tuple[Files, str]] = {
    "link to /dev/zero": file(Link("/dev/zero")),
    "link to /dev/stdin": file(Link("/dev/stdin")),
    "link to /dev/fd/0": file(Link("/dev/fd/0")),
    "link to /dev/random": file(Link("/dev/urandom")),
    "link to /dev/full": file(Link("/dev/full")),
    "link to /dev/null": file(Link("/dev/null")),
    "link to /dev/tty": file(Link("/dev/tty")),
    "link to /proc/self/mem": file(Link("/proc/self/mem")),
    "link to /proc/kmsg": file(Link("/proc/kmsg")),
    "link to /proc/self/fd/0": file(Link("/proc/self/fd/0")),
    "link to itself": file(Link(".gitignore")),
    "link to nothing": file(Link("nothing")),
    "link to a FIFO": ({**HEAD, "fifo": Fifo(), ".gitignore": Link("fifo")}, "app.py"),
    "link to a link to /dev/zero": ({**HEAD, "one": Link("/dev/zero"), ".gitignore": Link("one")}, "app.py"),
    "link to a directory": file(Link(".git")),
    "FIFO": file(Fifo()),
    "FIFO in a folder below": file(Fifo(), "sub/app.py", "sub/.gitignore"),
    "FIFO above, no repository": ({".gitignore": Fifo(), "sub/empty": ""}, "sub/app.py"),
    "/dev/zero above, no repository": ({".gitignore": Link("/dev/zero"), "sub/empty": ""}, "sub/app.py"),
    "socket": file(Socket()),
    "directory": file(Folder()),
    "sparse, 4 GB": file(Sparse(4 * GB)),
    "sparse, 4 GB, with a pattern": file(Sparse(4 * GB, b"*.secret\n")),
    "sparse, 1 TB": file(Sparse(1 << 40)),
    "300 MB of one line": file(Repeated(b"a" * 1_000_000, 300)),
    "300 MB of patterns": file(Repeated(b"*a*\n" * 250_000, 300)),
    "1.1 MB of patterns": file(Repeated(b"*.some-pattern*/x\n", 62_000)),
    "1 MB of the same star": file(Repeated(b"*\n", 500_000)),
    "1 MB of one pattern": file(Repeated(b"a", 1_000_000)),
    "1 MB of stars": file(Repeated(b"*", 1_000_000)),
    "1 MB of stars and letters": file(Repeated(b"*a", 500_000), LONG),
    "1 MB of slashes": file(Repeated(b"/", 1_000_000)),
    "1 MB of double stars": file(Repeated(b"**/", 330_000)),
    "1 MB of brackets": file(Repeated(b"[", 1_000_000)),
    "1 MB of question marks": file(Repeated(b"?", 1_000_000), LONG),
    "1 MB of backslashes": file(Repeated(b"\\", 1_000_000)),
    "1 MB of exclamation marks": file(Repeated(b"!\n", 500_000)),
    "1 MB of bad classes": file(Repeated(b"[z-a]\n", 170_000)),
    "5 stars": pattern("*a*a*a*a*b"),
    "7 stars": pattern("*a*a*a*a*a*a*b"),
    "30 stars": pattern("*a" * 30 + "b"),
    "100 stars, negated": pattern("!" + "*a" * 100 + "b"),
    "30 stars, spaced by any letter": pattern("*?" * 30 + "b"),
    "30 stars, spaced by classes": pattern("*[a-z]" * 30 + "b"),
    "stars in folders": pattern("/".join(["*a*a*a*a*a*b"] * 5), "/".join(["a" * 60] * 5) + ".py"),
    "30 double stars": pattern("**/d/" * 30 + "x", f"{DEEP}/app.py"),
    "30 double stars alone": pattern("**/" * 30 + "x", f"{DEEP}/app.py"),
    "double stars and stars": pattern("**/*d*/" * 15 + "x", f"{DEEP}/app.py"),
    "1,000 patterns of 6 stars": pattern("*a*a*a*a*a*a*b\n" * 1000),
    "1,000 patterns of 3 stars": pattern("*a*a*a*b\n" * 1000),
    "POSIX classes": pattern("[[:digit:]]*a*a*a*a*a*b"),
    "half a class": pattern("[a-" * 1000),
    "class of everything": pattern("[" + "".join(map(chr, range(33, 5000))) + "]*a*a*a*a*a*b"),
    "a name's own regular expression": pattern("(a+)+$\n(?:a|aa)+b\n^(a*)*$\n"),
    "NULs": pattern(b"\0*.py\0\n\0"),
    "UTF-16": pattern("*.py\n".encode("utf-16")),
    "Latin-1": pattern("*.pÿ\n".encode("latin-1")),
    "invalid UTF-8": pattern(bytes(range(128, 256)) * 100),
    "byte order mark": pattern("\ufeff*.py\n"),
    "lone surrogates": pattern("*\ud800*a*a*a*a*a*b"),
    "line ends of Unicode": pattern("*.x\u2028*.y\x0c*.z\x85"),
    "CRs": pattern("*.a\r*.b\r" * 1000),
    ".git is a file": ({".git": "gitdir: /dev/zero\n", ".gitignore": "*.x\n"}, "app.py"),
    ".git is a file that points to itself": ({".git": "gitdir: .git\n", ".gitignore": "*.x\n"}, "app.py"),
    ".git is a sparse file": ({".git": Sparse(4 * GB), ".gitignore": "*.x\n"}, "app.py"),
    ".git is a FIFO": ({".git": Fifo()}, "app.py"),
    ".git is a link to /dev/zero": ({".git": Link("/dev/zero")}, "app.py"),
    ".git is a link to itself": ({".git": Link(".git")}, "app.py"),
    "exclude is a FIFO": file(Fifo(), where=INFO),
    "exclude is /dev/zero": file(Link("/dev/zero"), where=INFO),
    "exclude is sparse": file(Sparse(4 * GB), where=INFO),
    "exclude has stars": file("*a*a*a*a*a*a*b", LONG, INFO),
    "exclude is a directory": file(Folder(), where=INFO),
    "info is a FIFO": file(Fifo(), where=".git/info"),
    "config is a FIFO": file(Fifo(), where=".git/config"),
    "config runs something": (
        {
            **HEAD,
            ".git/config": "[core]\n fsmonitor = touch [[canary]]\n excludesFile = /dev/zero\n",
            ".gitignore": "x",
        },
        "app.py",
    ),
    "commondir is a FIFO": (
        {".git": "gitdir: elsewhere\n", "elsewhere/commondir": Fifo(), "elsewhere/HEAD": "ref: x\n"},
        "app.py",
    ),
}
QUICK = [
    "link to /dev/zero", "link to /dev/stdin", "FIFO", "FIFO above, no repository", "socket", "sparse, 4 GB",
    "1.1 MB of patterns", "1 MB of stars and letters", "7 stars", "30 double stars", "lone surrogates",
    ".git is a FIFO", "exclude is /dev/zero", "exclude has stars",
]  # fmt: skip


@pytest.mark.parametrize(("planted"), cases(IGNORE_FILES, QUICK))
def test_a_request_is_answered(server: WatchedServer, tmp_path: Path, planted: tuple[Files, str]) -> None:
    files, name = planted
    (tmp_path / "repository").mkdir()
    plant(tmp_path / "repository", files, canary=tmp_path / "canary")
    document = tmp_path / "repository" / name
    ask(server, document.as_uri())
    ask(server, document.with_name("other.py").as_uri())
    assert not (tmp_path / "canary").exists(), "something ran"


@pytest.mark.parametrize("planted", cases({name: IGNORE_FILES[name] for name in ("FIFO", "7 stars")}, ["FIFO"]))
def test_it_ends_with_its_editor(last_server: WatchedServer, tmp_path: Path, planted: tuple[Files, str]) -> None:
    """Right after a request, answered or not."""
    files, name = planted
    plant(tmp_path, files)
    document = {"uri": (tmp_path / name).as_uri(), "languageId": "python", "version": 1, "text": "def f():\n    "}
    last_server.notify("textDocument/didOpen", {"textDocument": document})
    params = {"textDocument": {"uri": document["uri"]}, "position": {"line": 1, "character": 4}}
    last_server.request("textDocument/inlineCompletion", {**params, "context": {"triggerKind": 1}})
    last_server.goodbye()
