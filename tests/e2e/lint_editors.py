"""Checks the editors' sources: `python tests/e2e/lint_editors.py`.

TypeScript's types, style and unit tests, with the Node that the tests in VS Code have; Lua's format, by StyLua, and
what luacheck says where it is installed (Debian's package lua-check).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from setup_vscode import EXTENSION, CannotInstall, environment, packages

PLUGIN = EXTENSION.with_name("nvim")
PATIENCE = 300.0  # seconds for one check


def check() -> bool:
    """Whether all is well; what is not is printed. Raises CannotInstall."""
    for folder in (EXTENSION, PLUGIN):
        packages(folder)
    checks = [_passes(EXTENSION, "npm", "run", "--silent", script) for script in ("lint", "test")]
    checks.append(_passes(PLUGIN, "npm", "run", "--silent", "lint"))
    if shutil.which("luacheck"):
        checks.append(_passes(PLUGIN, "luacheck", "--quiet", "lua", "lsp", "plugin"))
    else:
        print("editors/nvim: luacheck was left out, it is not there (Debian: apt-get install lua-check)")
    return all(checks)


def _passes(folder: Path, *command: str) -> bool:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    print(f"editors/{folder.name}: {' '.join(command)}: {'passed' if done.returncode == 0 else 'failed'}")
    if done.returncode != 0:
        print(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(0 if check() else 1)
    except CannotInstall as reason:
        sys.exit(f"the editors' sources cannot be checked: {reason}")
