"""The boundaries of ARCHITECTURE.md: which room may import what, and what nothing may do."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [path for folder in ("engine", "lsp_server") for path in sorted((ROOT / folder).rglob("*.py"))]
FAMILIES = ("gap", "diffusion_gemma")
MOST_BYTES = 20_000_000  # of a file in git: what is larger is fetched or released


def imports(path: Path) -> set[str]:
    """Full names of the modules that a module imports, anywhere in it; `from a import b` counts as a.b, too."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return set(names)


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def users(package: str, folder: str = ".") -> set[str]:
    """The files of a folder that import a package or anything in it."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if path.is_relative_to(ROOT / folder) and any(is_of(name, package) for name in imports(path))
    }


def ours(folder: str) -> set[str]:
    """The rooms of engine/ that a folder's files import, without itself."""
    found = set()
    for path in MODULES:
        if path.is_relative_to(ROOT / folder):
            names = [name for name in imports(path) if is_of(name, "lacuna.engine")]
            found |= {name.split(".")[2] for name in names if name.count(".") >= 2}
    return found - {Path(folder).name}


def test_imports_are_absolute() -> None:
    assert users("engine") | users("lsp_server") == set()


def test_the_engine_speaks_no_protocol() -> None:
    assert users("pygls", "engine") | users("lsprotocol", "engine") | users("lacuna.lsp_server", "engine") == set()


def test_the_gap_family_is_typed_against_a_protocol() -> None:
    """Loading alone knows which decoder computes."""
    decoder = "lacuna.engine.models.decoder"
    knowing = users(f"{decoder}.Decoder", "engine/families") | users(f"{decoder}.Layer", "engine/families")
    assert knowing == {"engine/families/gap/loading.py"}


def test_only_syntax_knows_tree_sitter() -> None:
    assert users("tree_sitter") == {"engine/text/syntax.py"}


def test_the_api_is_plain_data() -> None:
    for file in ("api.py", "diff_api.py"):
        assert not any(is_of(name, "lacuna") or is_of(name, "torch") for name in imports(ROOT / "engine" / file))


@pytest.mark.parametrize("family", FAMILIES)
def test_families_do_not_import_each_other(family: str) -> None:
    for other in (*FAMILIES, "masked", "remote"):
        if other != family:
            assert users(f"lacuna.engine.families.{other}", f"engine/families/{family}") == set()
    assert users(f"lacuna.engine.families.{family}", "engine/families/shared") == set()


def test_architectures_know_layers_alone() -> None:
    assert ours("engine/models") <= {"kernels", "layers", "untrusted"}
    assert ours("engine/layers") <= {"device", "kernels", "untrusted"}
    assert ours("engine/untrusted") == set()


def test_kernels_know_nothing_of_ours_and_alone_know_triton() -> None:
    assert ours("engine/kernels") | users("lacuna.lsp_server", "engine/kernels") == set()
    assert {name for name in users("triton") if not name.startswith("engine/kernels/")} == set()


def test_triton_is_not_needed_to_start() -> None:
    """Who imports a kernel does it where kernels are available, or is itself imported there alone."""
    tops = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if not path.is_relative_to(ROOT / "engine" / "kernels") and _imports_kernels_first(path)
    }
    family = "engine/families/diffusion_gemma"
    spans = f"{family}/triton_span.py"
    assert tops == {"engine/layers/kernel_check.py", "engine/models/decoder_kernels.py", spans}
    assert users("lacuna.engine.models.decoder_kernels") == {"engine/models/decoder.py"}
    assert users("lacuna.engine.families.diffusion_gemma.triton_span") == {
        f"{family}/captured_passes.py",
        f"{family}/model.py",
    }
    assert users("lacuna.engine.layers.kernel_check") == {"engine/layers/packed_kernels.py"}


def _imports_kernels_first(path: Path) -> bool:
    """Whether a module imports a kernel as it is itself imported, or more of that room than needs no Triton."""
    found = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in found for alias in node.names}
    plain = ("lacuna.engine.kernels.availability", "lacuna.engine.kernels.weights")
    names = {name for name in names if not any(is_of(name, module) for module in plain)}
    return any(is_of(name, "lacuna.engine.kernels") for name in names - {"lacuna.engine.kernels"})


def test_families_are_loaded_when_they_are_needed() -> None:
    tree = ast.parse((ROOT / "engine" / "load.py").read_text(encoding="utf-8"))
    first = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not any(is_of(name, "lacuna.engine.families") for name in first)


def test_the_server_computes_no_tensors() -> None:
    assert users("torch", "lsp_server") | users("safetensors", "lsp_server") == set()


def test_few_modules_know_the_protocol() -> None:
    known = users("lsprotocol", "lsp_server") | users("pygls", "lsp_server")
    rooms = ("lsp_server/handlers/", "lsp_server/protocol/")
    assert {name for name in known if not name.startswith(rooms)} == PROTOCOL


PROTOCOL = {
    "lsp_server/demo/headless_editor.py",
    "lsp_server/language_server.py",
    "lsp_server/pulls.py",
    "lsp_server/wire/json_rpc.py",
}


def test_no_module_opens_the_network_but_the_store_the_listeners_and_the_remote_engine() -> None:
    network = ("requests", "httpx", "urllib", "http", "socket", "huggingface_hub", "aiohttp")
    found = set.union(*(users(name) for name in network))
    others = {name for name in found if not name.startswith("engine/store/")}
    assert others == {
        "lsp_server/daemon/dial.py",  # Unix sockets and loopback
        "lsp_server/wire/tcp.py",
        "lsp_server/endpoint/serve.py",
        "engine/families/remote/connection.py",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_and_no_error_is_swallowed(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "shelve", "dill", "joblib", "marshal"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"bare except at line {node.lineno}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            assert (node.func.value.id, node.func.attr) != ("torch", "load"), f"torch.load at line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    assert ast.get_docstring(ast.parse(text)), "a module says what it is"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 45, f"{node.name} is too long"


def test_every_folder_is_a_package_that_is_installed() -> None:
    """setup.py finds packages by their `__init__.py`: a folder without one would be missing in the wheel."""
    inside = {folder for path in MODULES for folder in path.relative_to(ROOT).parents} - {Path()}
    folders = {ROOT / folder for folder in inside}
    assert {str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_git_stays_small() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    assert [path.name for path in files if path.exists() and path.stat().st_size > MOST_BYTES] == []
    adapters = [path for path in files if path.name == "adapter_model.safetensors"]
    shipped = [path for path in adapters if path.is_relative_to(ROOT / "engine")]
    assert len({path.parent for path in shipped}) == len(shipped) <= 3, "one for each model of the table in auto.py"
    assert len(adapters) - len(shipped) <= 1, "one that is begun, for who goes on with it"


def test_nothing_refers_to_documents_outside_the_repository() -> None:
    for path in [*MODULES, *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        assert "DESIGN" not in text and "../shared" not in text, path


PROSE = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "editors")


def test_prose_is_wrapped() -> None:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split() if name.startswith(PROSE)]
    assert len(files) >= 9
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert len(line) <= 120 or line.startswith("|") or " " not in line.strip(), f"{path.name}:{number}"
