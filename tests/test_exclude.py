"""What is left alone: secrets, the user's globs, and what .gitignore hides (with git itself as the reference)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.exclude import Exclusion, path_of


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".ENV", ".env.local", "prod.env", ".envrc",
        "server.pem", "tls.key", "store.p12", "keys.kdbx", "app.jks",
        "id_rsa", "id_rsa.pub", "id_ed25519", "deploy_rsa",
        "credentials", "credentials.json", "credentials.py", "credentials_prod.yaml", "aws-credentials.csv",
        ".credentials.json",
        "secrets.yaml", "secrets.py", "app-secrets.toml", "client_secret.json",
        ".netrc", "_netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc", "prod.tfvars", "service-account-7.json",
        ".ssh/config", ".kube/config", ".docker/config.json",
    ],
)  # fmt: skip
def test_secrets_are_left_alone(name: str) -> None:
    exclusion = Exclusion()
    assert exclusion.reason(f"/home/ann/code/{name}") is not None
    assert exclusion.reason(f"file:///home/ann/code/{name}") is not None
    assert exclusion.reason(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "main.py", "environment.py", "env.py", "key.rs", "keys.ts", "pem.go", "rsa.c", "netrc.py", "id.py",
        "CredentialsProvider.java", "credentials_test.go", "secret_santa.py", "config.json", "README.md", "Untitled-1",
    ],
)  # fmt: skip
def test_code_is_not_taken_for_a_secret(name: str) -> None:
    assert Exclusion().reason(f"/home/ann/code/{name}") is None


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/home/ann/a b.py", "/home/ann/a b.py"),
        ("file:///home/ann/a%20b.py", "/home/ann/a b.py"),
        ("file://localhost/home/ann/a.py", "/home/ann/a.py"),
        ("file:///home/ann/%23x.py", "/home/ann/#x.py"),
        ("file:///home/ann/%C3%A9.py", "/home/ann/é.py"),
        ("file:///c%3A/Users/ann/.env", "c:/Users/ann/.env"),
        ("file:///C:/Users/ann/.env", "C:/Users/ann/.env"),
        ("file://server/share/x.py", "//server/share/x.py"),
        ("C:\\Users\\ann\\x.py", "C:/Users/ann/x.py"),
        ("\\\\server\\share\\x.py", "//server/share/x.py"),
        ("untitled:Untitled-1", "Untitled-1"),
        ("untitled:/home/ann/.env", "/home/ann/.env"),
        ("vscode-notebook-cell:/home/ann/n%20b.ipynb#W2sZmlsZQ%3D%3D", "/home/ann/n b.ipynb"),
        ("vscode-notebook-cell://ssh-remote%2Bbox/home/ann/n.ipynb#W0", "/home/ann/n.ipynb"),
        ("vscode-remote://ssh-remote+box/home/ann/.env", "/home/ann/.env"),
        ("file://[", "//["),
        ("", ""),
    ],
)
def test_path_of(uri: str, path: str) -> None:
    assert path_of(uri) == path


def test_secrets_are_seen_through_uris_of_every_kind() -> None:
    exclusion = Exclusion()
    for uri in ("file:///c%3A/x/.env", "untitled:.env", "vscode-notebook-cell:/x/secrets.ipynb#W0", "C:\\x\\id_rsa"):
        assert exclusion.reason(uri) is not None, uri


def test_a_link_to_a_secret_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "notes.txt").symlink_to(tmp_path / ".env")
    assert Exclusion().reason(str(tmp_path / "notes.txt")) == "may hold secrets: .env"


@pytest.mark.parametrize(
    ("globs", "path", "left_alone"),
    [
        (["*.sql"], "/w/a/b.sql", True),
        (["*.sql"], "/w/a/b.py", False),
        (["private/"], "/w/private/deep/a.py", True),
        (["clients/acme/*.py"], "/w/clients/acme/a.py", True),
        (["clients/acme/*.py"], "/w/clients/acme/sub/a.py", False),
        (["/w/x/"], "/w/x/a.py", True),
        (["/w/x/"], "/v/w/x/a.py", False),
        (["~/diary/"], os.path.expanduser("~/diary/monday.md"), True),
        (["!secrets.py"], "/w/secrets.py", False),
        (["*.py", "!a.py"], "/w/a.py", False),
        (["!a.py", "*.py"], "/w/a.py", True),
        (["C:/code/**"], "file:///C%3A/code/a.py", True),
    ],
)
def test_user_globs_have_the_last_word(globs: list[str], path: str, left_alone: bool) -> None:
    assert (Exclusion(globs).reason(path) is not None) == left_alone


@pytest.mark.parametrize("glob", ["!", "[z-a]"])
def test_a_glob_that_is_none_is_named(glob: str) -> None:
    with pytest.raises(ValueError, match=r"exclude: '.*' is not a \.gitignore pattern"):
        Exclusion([glob])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("ignores", "path", "left_alone"),
    [
        ({".gitignore": "*.log\n"}, "a/b.log", True),
        ({".gitignore": "/build/\n"}, "build/x/y.py", True),
        ({".gitignore": "/build/\n"}, "a/build/y.py", False),
        ({".gitignore": "*.txt\n", "a/.gitignore": "!keep.txt\n"}, "a/keep.txt", False),
        ({".gitignore": "a/\n", "a/.gitignore": "!keep.txt\n"}, "a/keep.txt", True),
        ({".gitignore": "build/*\n!build/keep.txt\n"}, "build/keep.txt", False),
        ({".gitignore": "[z-a]\n*.log\n"}, "b.log", True),
        ({".gitignore": "\ufeff*.log\n"}, "b.log", True),
        ({".gitignore": "# only words\n\n"}, "words", False),
    ],
)
def test_gitignore(repository: Path, ignores: dict[str, str], path: str, left_alone: bool) -> None:
    write(repository, ignores)
    assert (Exclusion().reason((repository / path).as_uri()) is not None) == left_alone


def test_ignore_files_above_the_repository_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*\n", "inner/.git/HEAD": "", "inner/a.py": ""})
    assert Exclusion().reason(str(tmp_path / "inner" / "a.py")) is None


def test_without_a_repository_the_ignore_files_still_count(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "dist/\n"})
    assert Exclusion().reason(str(tmp_path / "dist" / "a.js")) == f"hidden by {tmp_path / '.gitignore'}"


def test_a_changed_ignore_file_is_read_again(repository: Path) -> None:
    exclusion = Exclusion(recheck_seconds=0.0)
    path = str(repository / "a.log")
    assert exclusion.reason(path) is None
    write(repository, {".gitignore": "*.log\n"})
    assert exclusion.reason(path) is not None
    (repository / ".gitignore").unlink()
    assert exclusion.reason(path) is None


@pytest.mark.parametrize(
    "path", ["/a\0b/c.py", "/\ud800/x.py", "/" + "x" * 5000, "file:///%00", "vscode-notebook-cell:", "::", "a:"]
)
def test_impossible_paths_are_answered(path: str) -> None:
    assert Exclusion().reason(path) is None


names = st.sampled_from(["a", "b", "build", "x.py", "y.log", "keep.txt"])
patterns = st.sampled_from(
    ["a", "a/", "/a", "b/", "build", "/build/", "*.py", "!x.py", "!keep.txt", "*.log", "a/*", "!a/b", "**/b", "a/**",
     "*", "!*/", "b/x.py", "/b/*.py", "!build/", "?", "[ab]", "\\!a", "a ", "#a"]
)  # fmt: skip
directories = ("a", "b", "build", "a/b", "a/a", "b/b", "a/build")


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(st.lists(names, min_size=1, max_size=3), min_size=4, max_size=12),
    ignores=st.dictionaries(
        st.sampled_from(["", "a/", "b/", "a/b/"]), st.lists(patterns, min_size=1, max_size=3), max_size=3
    ),
)
def test_gitignore_agrees_with_git(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[str]], ignores: dict[str, list[str]]
) -> None:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for directory in directories:
        (root / directory).mkdir(exist_ok=True)
    write(root, {f"{directory}.gitignore": "\n".join(lines) + "\n" for directory, lines in ignores.items()})
    paths = sorted({"/".join(parts) for parts in files}.difference(directories))
    command = ["git", "-C", str(root), "check-ignore", "--stdin"]
    asked = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True)
    exclusion = Exclusion()
    ours = [path for path in paths if exclusion.reason(str(root / path)) is not None]
    assert ours == asked.stdout.splitlines()
