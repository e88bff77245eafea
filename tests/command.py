"""Runs the real command `lacuna` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

COMMAND = [sys.executable, "-m", "lacuna.lsp_server"]


def lacuna(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command printed, as UTF-8 whatever the system's encoding, and its exit code."""
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment}
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, env=env, timeout=120)
    output, errors = (stream.decode("utf-8") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, output, errors)
