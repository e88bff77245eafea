"""The wheel, installed where a project has packages called as our folders are: each sees its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# What the code reads beside itself.
DATA = {
    "lacuna/engine/adapters/smollm2-135m/adapter_config.json",
    "lacuna/engine/adapters/smollm2-135m/adapter_model.safetensors",
    "lacuna/engine/untrusted/secret_names.txt",
    "lacuna/engine/train/corpus/sources.tsv",
    "lacuna/engine/train/corpus/benchmark_signatures.tsv",
}
THEIRS = ("engine", "lsp_server")
SHOW = "import engine, lsp_server, lacuna.engine as ours; print(engine.__file__, lsp_server.__file__, ours.__file__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git has, so that the checkout gets no `build/` of it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target), "."]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [made] = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    install = [*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return target


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's, with packages called as our folders are."""
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    return tmp_path


def python(project: Path, installed: Path, *arguments: str) -> str:
    """What a Python says that finds the project's packages first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project), str(installed)])}
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lacuna_is_its_only_name_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        tops = {name.split("/")[0] for name in files.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lacuna"}


def test_it_has_all_modules_and_all_that_they_read(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    modules = {
        f"lacuna/{path.relative_to(ROOT).as_posix()}" for folder in THEIRS for path in (ROOT / folder).rglob("*.py")
    }
    assert (DATA | modules) - names == set()
    assert any(name.startswith("lacuna/lsp_server/demo/sample/") for name in names)


def test_packages_called_as_our_folders_stay_the_projects(project: Path, installed: Path) -> None:
    engine, lsp_server, ours = python(project, installed, "-c", SHOW).split()
    assert (engine, lsp_server) == tuple(str(project / name / "__init__.py") for name in THEIRS)
    assert ours == str(installed / "lacuna" / "engine" / "__init__.py")


def test_the_command_runs_beside_them(project: Path, installed: Path) -> None:
    assert python(project, installed, "-m", "lacuna.lsp_server", "--version").startswith("lacuna ")
