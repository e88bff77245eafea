"""The boundaries of DESIGN 5 and ARCHITECTURE.md: which module may import what, and what nothing may do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [path for folder in ("engine", "lsp_server") for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Top-level names of what a module imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


def users(package: str, folder: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in MODULES
        if package in imports(path) and path.is_relative_to(ROOT / folder)
    }


def test_the_engine_speaks_no_protocol() -> None:
    assert users("pygls", "engine") | users("lsprotocol", "engine") | users("lsp_server", "engine") == set()


def test_only_syntax_knows_tree_sitter() -> None:
    assert users("tree_sitter", ".") == {"engine/text/syntax.py"}


def test_the_server_computes_no_tensors() -> None:
    assert users("torch", "lsp_server") | users("safetensors", "lsp_server") == set()


def test_few_modules_know_the_protocol() -> None:
    known = users("lsprotocol", "lsp_server") | users("pygls", "lsp_server")
    assert {name for name in known if not name.startswith("lsp_server/handlers/")} == PROTOCOL


PROTOCOL = {
    "lsp_server/demo/headless_editor.py",
    "lsp_server/language_server.py",
    "lsp_server/protocol/convert.py",
}


def test_no_module_opens_the_network_but_the_store() -> None:
    network = {"requests", "httpx", "urllib", "http", "socket", "huggingface_hub", "aiohttp"}
    assert {str(path.relative_to(ROOT)) for path in MODULES if imports(path) & network} <= NETWORK


NETWORK = {"engine/store/fetch.py", "engine/store/model_store.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_and_no_error_is_swallowed(path: Path) -> None:
    assert not imports(path) & {"pickle", "shelve", "dill", "joblib", "marshal"}
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
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 45, f"{node.name} is too long"
