"""Asks the Hugging Face hub for a repository, in a process of its own (engine/store/child.py): the library cannot be
stopped.

`describe REPOSITORY REVISION` or `download REPOSITORY COMMIT DIRECTORY NAME...`; the answer is one line of JSON.
"""

from __future__ import annotations

import errno
import json
import sys
from typing import Any

FAILED = 3  # exit status; the answer then holds the error and its errno


def _describe(repository: str, revision: str) -> dict[str, Any]:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=revision or None, files_metadata=True)
    files = [[file.rfilename, file.size, file.lfs.sha256 if file.lfs else None] for file in info.siblings or []]
    return {"commit": info.sha, "files": files}


def _download(repository: str, commit: str, directory: str, *names: str) -> dict[str, Any]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    snapshot_download(repository, revision=commit, local_dir=directory, allow_patterns=list(names))
    return {}


def main(work: str, *arguments: str) -> int:
    try:
        answer = _describe(*arguments) if work == "describe" else _download(*arguments)
    except Exception as error:  # whatever the library meets in what a server sends: its parent reports it
        failed = {"error": f"{error}" or type(error).__name__, "errno": _errno(error)}
        print(json.dumps(failed))
        return FAILED
    print(json.dumps(answer))
    return 0


def _errno(error: Exception) -> int | None:
    """EPROTO for what the library cannot take apart. Its errors of the network are OSErrors or of its HTTP client."""
    strange = isinstance(error, ValueError | TypeError | LookupError | AttributeError)
    return errno.EPROTO if strange and not isinstance(error, OSError) else getattr(error, "errno", None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
