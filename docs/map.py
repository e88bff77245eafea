"""Prints a line for every module: its path, and the first sentence of its docstring. `make map` runs it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    for folder in ("engine", "lsp_server", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            first = " ".join(docstring.partition("\n\n")[0].split())
            print(f"{path.relative_to(ROOT).as_posix():60} {first}")


if __name__ == "__main__":
    main()
