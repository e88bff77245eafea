"""The rules of .gitignore: against git itself on random ones, and under hostile ones, in another process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from lacuna.engine.untrusted.ignore_rules import IgnoreRules, TooCostly
from lacuna.engine.untrusted.wildmatch import machine
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.gitignore import GitIgnores

NAMES = ["a", "b", "build", "x.py", "y.log", "keep.txt", "é", "A1", "a-b", "]x", "a b", "key9.key", "#a", "!b", "a*b"]
PIECES = [
    "a", "b", "*", "**", "?", "[ab]", "[!a]", "[^b]", "[[:digit:]]", "[[:alpha:]]", "[!]]", "[]x]", "[a-c]", "[z-a]",
    "[", "\\", "\\*", "/", "/", "é", "x", ".py", ".log", "key", "1", "[[:none:]]", "[a-", "-", "]", " ", "***", "[\\]]",
    "build", "keep.txt", "!", "#", "[[:digit:]]*.key", "**/", "/**",
]  # fmt: skip
FOLDERS = ("a", "b", "build", "a/b", "a/a", "b/b", "a/build")


def rules(rng: random.Random) -> list[str]:
    lines = []
    for _ in range(rng.randint(1, 4)):
        line = "".join(rng.choices(PIECES, k=rng.randint(1, 5)))
        lines.append(("!" if rng.random() < 0.25 else "") + line + ("/" if rng.random() < 0.2 else ""))
    return lines


def random_repository(root: Path, rng: random.Random) -> list[str]:
    """Rules at up to three places. Returns paths to ask about."""
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in rng.sample(["", "a", "b", "a/b"], rng.randint(1, 3)):
        end = rng.choice(["\n", "\r\n"])
        (root / folder / ".gitignore").write_bytes("".join(line + end for line in rules(rng)).encode())
    if rng.random() < 0.3:
        (root / ".git" / "info" / "exclude").write_bytes(rng.choice([b"*.py\n", b"b/\n", b"!a\n", b"build"]))
    paths = {"/".join(rng.choices(NAMES, k=rng.randint(1, 3))) for _ in range(40)}
    return sorted(paths.difference(FOLDERS))


@pytest.mark.parametrize("seed", range(6))
def test_random_rules_mean_what_they_mean_to_git(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    hidden = 0
    for number in range(50):
        root = tmp_path / str(number)
        paths = random_repository(root, rng)
        command = ["git", "-C", str(root), "check-ignore", "--stdin", "-z"]
        asked = subprocess.run(command, input="\0".join(paths).encode(), capture_output=True)
        theirs = asked.stdout.decode().split("\0")[:-1]
        ignores = GitIgnores()
        assert [path for path in paths if ignores.hides(str(root / path)) is not None] == theirs, number
        hidden += len(theirs)
    assert hidden > 50


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.key", "a.key", True),
        ("[[:digit:]]*.key", "1a.key", True),
        ("[[:digit:]]*.key", "aa.key", False),
        ("[[:upper:]]", "A", True),
        ("?", "é", False),  # two bytes
        ("??", "é", True),
        ("[!a]", "é", False),
        ("[!a]*", "é", True),
        ("[]-]", "]", True),
        ("[z-a]", "z", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
    ],
)
def test_names(pattern: str, name: str, matches: bool) -> None:
    assert machine(pattern.encode()).matches(name.encode()) == matches
    assert (IgnoreRules.of(pattern.encode()).decisions(name.encode())[0] is not None) == matches


def test_rules_that_would_take_too_long_are_given_up() -> None:
    rules = IgnoreRules([b"**/xa*b?*"] * 5000)
    with pytest.raises(TooCostly):
        rules.decisions(b"/".join([b"xaaa"] * 500))


def long_lines(folder: Path) -> None:
    lines = [b"*a" * 8 + b"b", b"*a" * 900 + b"b", b"**/a*" * 300 + b"b", b"[a-" * 500, b"(a+)+$", b"*" * 50_000]
    (folder / ".gitignore").write_bytes(b"\n".join(lines))


def many_lines(folder: Path) -> None:
    (folder / ".gitignore").write_bytes(b"".join(b"%d-name-of-a-file.txt\n" % number for number in range(60_000)))


def many_wildcards(folder: Path) -> None:
    (folder / ".gitignore").write_bytes(b"".join(b"**/*a*%d*b*a*\n" % number for number in range(60_000)))


def sparse(folder: Path) -> None:
    with (folder / ".gitignore").open("wb") as file:
        file.truncate(4 << 30)


def fifo(folder: Path) -> None:
    os.mkfifo(folder / ".gitignore")


def linked(target: str):  # type: ignore[no-untyped-def]
    return lambda folder: (folder / ".gitignore").symlink_to(target)


def pointer_to_nothing(folder: Path) -> None:
    for name in ("HEAD", "config", "description", "info/exclude"):
        (folder / ".git" / name).unlink()
    os.mkfifo(folder / ".git" / "HEAD")
    (folder / ".git" / "commondir").symlink_to("/dev/zero")
    (folder / ".git" / "info" / "exclude").symlink_to("/dev/zero")


HOSTILE = {
    "backtracking": long_lines, "60,000 lines": many_lines, "60,000 wildcards": many_wildcards, "sparse": sparse,
    "FIFO": fifo, "/dev/zero": linked("/dev/zero"), "/dev/stdin": linked("/dev/stdin"), "itself": linked(".gitignore"),
    "git folder": pointer_to_nothing,
}  # fmt: skip
OF_GIT_S_MEANING = {"backtracking", "60,000 lines", "FIFO", "/dev/zero", "/dev/stdin", "itself", "git folder"}

ASK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from lacuna.lsp_server.documents.exclude import Exclusion
exclusion = Exclusion(recheck_seconds=0.0)
for _ in range(3):
    print(exclusion.reason(sys.argv[1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX files and limits")
@pytest.mark.parametrize("place", ["repository", "folder"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_ignore_file_makes_the_server_hang_or_eat_memory(tmp_path: Path, kind: str, place: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if place == "repository" or kind == "git folder":
        subprocess.run(["git", "init", "-q", str(root)], check=True)
    HOSTILE[kind](root)
    document = root / ("a" * 200 + ".py")
    command = [sys.executable, "-c", ASK, str(document)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            process.wait(60)  # its stdin stays open: who reads it waits
            assert process.stdout is not None
            answers = process.stdout.read().splitlines()
        finally:
            process.kill()
    assert len(answers) == 3
    assert (set(answers) == {"None"}) == (kind in OF_GIT_S_MEANING), answers


@pytest.mark.parametrize("above", [0, 1])
def test_a_pointer_that_is_no_file_is_no_repository(tmp_path: Path, above: int) -> None:
    folder = tmp_path / "inner" / "deep"
    folder.mkdir(parents=True)
    os.mkfifo([folder, folder.parent][above] / ".git")
    assert Exclusion().reason(str(folder / "a.py")) is None


def test_ignore_files_are_bounded_together(tmp_path: Path) -> None:
    """Each of these is read in no time; a hundred of them in every question are not."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    folders = [tmp_path.joinpath(*["d"] * depth) for depth in range(1, 13)]
    folders[-1].mkdir(parents=True)
    for folder in folders:
        (folder / ".gitignore").write_bytes(b"".join(b"%d-name\n" % number for number in range(20_000)))
    hidden = [Exclusion().reason(str(folder / "a.py")) is not None for folder in folders]
    assert not any(hidden[:5]) and all(hidden[9:]), "what git would say is found out while it is little"


@pytest.mark.parametrize("path", ["/" + "d/" * 200_000 + "a.py", "file:///" + "%64/" * 200_000 + "a.py"])
def test_a_path_that_no_file_can_have_is_looked_up_nowhere(path: str) -> None:
    assert Exclusion().reason(path) == "its path is too long"
