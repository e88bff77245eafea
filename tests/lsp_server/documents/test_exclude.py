"""What is left alone: secrets, the user's globs, and what .gitignore hides (with git itself as the reference)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lacuna.lsp_server.documents.exclude import Exclusion, bad_globs, path_of, short_path


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".ENV", ".env.local", "prod.env", ".envrc",
        "server.pem", "tls.key", "store.p12", "keys.kdbx", "app.jks",
        "id_rsa", "id_rsa.pub", "id_ed25519", "deploy_rsa",
        "credentials", "credentials.json", "credentials_prod.yaml", "aws-credentials.csv",
        ".credentials.json",
        "secrets.yaml", "secrets.ini", "app-secrets.toml", "client_secret.json",
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


@pytest.mark.parametrize(
    ("uri", "short"),
    [
        ("file:///home/ann/shop/src/billing/invoice.py", "src/billing/invoice.py"),
        ("file:///invoice.py", "invoice.py"),
        ("untitled:Untitled-1", "Untitled-1"),
        ("file:///w/a%0Ab%1B.py", "w/ab.py"),
        ("file:///" + "x" * 500, "x" * 120),
    ],
)
def test_short_path(uri: str, short: str) -> None:
    assert short_path(uri) == short


def test_secrets_are_seen_through_uris_of_every_kind() -> None:
    exclusion = Exclusion()
    for uri in ("file:///c%3A/x/.env", "untitled:.env", "vscode-notebook-cell:/x/secrets.ipynb#W0", "C:\\x\\id_rsa"):
        assert exclusion.reason(uri) is not None, uri


def test_a_link_to_a_secret_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "notes.txt").symlink_to(tmp_path / ".env")
    assert Exclusion().reason(str(tmp_path / "notes.txt")) == "may hold secrets: .env"


def test_a_secret_in_a_linked_directory_is_one(tmp_path: Path) -> None:
    write(tmp_path, {".ssh/work": "", "secrets/prod.ini": ""})
    (tmp_path / "k").symlink_to(".ssh")
    (tmp_path / "deep").symlink_to("k")
    (tmp_path / "s").symlink_to("secrets")
    for path in ("k/work", "deep/work", "s/prod.ini"):
        assert Exclusion().reason(str(tmp_path / path)) is not None, path


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
        (["*.py", "!secrets.py"], "/w/secrets.py", False),
        (["*.py", "!a.py"], "/w/a.py", False),
        (["!a.py", "*.py"], "/w/a.py", True),
        (["C:/code/**"], "file:///C%3A/code/a.py", True),
    ],
)
def test_user_globs_have_the_last_word(globs: list[str], path: str, left_alone: bool) -> None:
    assert (Exclusion(globs).reason(path) is not None) == left_alone


@pytest.mark.parametrize(
    "globs", [["!**"], ["!*"], ["!.env"], ["!/w/.env"], ["!/w/"], ["*", "!*", "!**/*"], ["!**", "!.ENV", "!w/"]]
)
@pytest.mark.parametrize("name", [".env", ".aws/config", "secrets/prod.ini", "id_rsa", "a.tfstate"])
def test_no_glob_lets_in_a_secret(globs: list[str], name: str) -> None:
    assert Exclusion(globs).reason(f"/w/{name}") is not None


def test_a_glob_lets_in_what_git_hides(repository: Path) -> None:
    write(repository, {".gitignore": "dist/\n"})
    path = str(repository / "dist" / "a.js")
    assert Exclusion().reason(path) is not None
    assert Exclusion(["!dist/"]).reason(path) is None


def test_many_globs_are_refused() -> None:
    assert bad_globs(["*.a"] * 1001) == "excluded: 1001 patterns are too many; at most 1000 are taken"
    assert bad_globs(["*.a"] * 1000) is None


@pytest.mark.parametrize("glob", ["!", "[a", "a\\", "[[:none:]]"])
def test_a_glob_that_is_none_is_named(glob: str) -> None:
    with pytest.raises(ValueError, match=r"excluded: '.*' is not a \.gitignore pattern"):
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


def test_without_a_repository_the_folder_s_own_ignore_file_counts(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*.log\n", "inner/a.log": ""})
    assert Exclusion().reason(str(tmp_path / "a.log")) == f"hidden by {tmp_path / '.gitignore'}"
    assert Exclusion().reason(str(tmp_path / "inner" / "a.log")) is None


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_the_ignore_file_of_a_shared_directory_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*\n"})
    tmp_path.chmod(0o1777)
    assert Exclusion().reason(str(tmp_path / "a.py")) is None
    assert Exclusion().reason(str(tmp_path / "mine" / "a.py")) is None


def test_a_git_folder_that_is_none_does_not_hide_the_repository_s_rules(repository: Path) -> None:
    write(repository, {".gitignore": "private/\n", "private/.git/none": "", "private/sub/.git": "no pointer\n"})
    assert Exclusion().reason(str(repository / "private" / "sub" / "a.py")) is not None


def test_the_exclude_file_of_the_repository_counts(repository: Path) -> None:
    write(repository, {".git/info/exclude": "notes/\n*.log\n", ".gitignore": "!keep.log\n"})
    assert Exclusion().reason(str(repository / "notes" / "a.py")) is not None
    assert Exclusion().reason(str(repository / "keep.log")) is None


def test_a_worktree_has_the_exclude_file_of_its_repository(repository: Path) -> None:
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(repository / "tree")], check=True)
    write(repository, {".git/info/exclude": "*.log\n"})
    assert Exclusion().reason(str(repository / "tree" / "a.log")) is not None
    assert Exclusion().reason(str(repository / "tree" / "a.py")) is None


CONFIGS = {
    ".gitconfig": "[core]\n\texcludesFile = ~/mine\n",
    ".config/git/config": '[Core] ; a section\nexcludesfile="~/mine" # quoted\n',
    ".gitconfig 2": "[user]\nname = a\n[include]\npath = more\n",
}


@pytest.mark.parametrize("config", ["none", *CONFIGS])
def test_the_user_s_own_ignore_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    write(home, {"more": "[core]\nexcludesFile = ~/mi\\\nne\n", "mine": "*.log\n"})
    if config == "none":
        write(home, {".config/git/ignore": "*.log\n"})
    else:
        write(home, {config.split()[0]: CONFIGS[config]})
    asked = subprocess.run(["git", "-C", str(repository), "check-ignore", "a.log", "a.py"], capture_output=True)
    assert asked.stdout == b"a.log\n"
    assert Exclusion().reason(str(repository / "a.log")) is not None
    assert Exclusion().reason(str(repository / "a.py")) is None


def test_the_configuration_of_a_repository_is_not_read(repository: Path) -> None:
    write(repository, {".git/config": "[core]\nexcludesFile = all\n", "all": "*\n"})
    assert Exclusion().reason(str(repository / "a.py")) is None


@pytest.mark.skipif(os.name != "posix", reason="needs user ids")
def test_without_a_home_files_are_judged_all_the_same(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)  # pwd has no entry
    write(repository, {".gitignore": "*.log\n"})
    exclusion = Exclusion(["~/diary/", "~nobody-of-this-name/x"])
    assert exclusion.reason(str(repository / "a.log")) is not None
    assert exclusion.reason(str(repository / "a.py")) is None


def test_rules_of_a_linked_directory_count_for_what_it_links_to(repository: Path) -> None:
    write(repository, {".gitignore": "private/\n", "private/a.py": ""})
    (repository / "public").symlink_to("private")
    assert Exclusion().reason(str(repository / "public" / "a.py")) is not None


def test_a_changed_ignore_file_is_read_again(repository: Path) -> None:
    exclusion = Exclusion(recheck_seconds=0.0)
    path = str(repository / "a.log")
    assert exclusion.reason(path) is None
    write(repository, {".gitignore": "*.log\n"})
    assert exclusion.reason(path) is not None
    (repository / ".gitignore").unlink()
    assert exclusion.reason(path) is None


@pytest.mark.parametrize(
    "path", ["/a\0b/c.py", "/\ud800/x.py", "/" + "x" * 4000, "file:///%00", "vscode-notebook-cell:", "::", "a:"]
)
def test_impossible_paths_are_answered(path: str) -> None:
    assert Exclusion().reason(path) is None
