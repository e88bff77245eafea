"""A small server that speaks as much of the Hugging Face hub's HTTP API as its client library needs for a download."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from safetensors.torch import save


@dataclass
class HubServer:
    """One repository. `sent` replaces what is sent of a file; None breaks the connection off."""

    repository: str
    url: str
    commit: str = "c0ffee" * 6 + "c0ff"
    files: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, bytes | None] = field(default_factory=dict)
    described: bytes | None = None  # what is said of the repository instead of the truth
    downloads: list[str] = field(default_factory=list)


@contextmanager
def serve(repository: str) -> Iterator[HubServer]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = HubServer(repository, f"http://127.0.0.1:{http.server_port}")
    state.files = {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": save({"weight": torch.tensor([1.0, 2.0])}),
        "pytorch_model.bin": b"a pickle",
        "modeling_tiny.py": b"code",
        "onnx/model.safetensors": b"elsewhere",
    }
    http.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        state: HubServer = self.server.state  # type: ignore[attr-defined]
        path = self.path.split("?")[0]
        api, resolve = f"/api/models/{state.repository}", f"/{state.repository}/resolve/{state.commit}/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{state.commit}"):
            siblings = [self._described(name, "rfilename", "size") for name in state.files]
            said = json.dumps({"id": state.repository, "sha": state.commit, "siblings": siblings}).encode()
            self._send(said if state.described is None else state.described, body)
        elif path == f"{api}/tree/{state.commit}":
            entries = [{"type": "file", "oid": "0", **self._described(name, "path", "size")} for name in state.files]
            self._send(json.dumps(entries).encode(), body)
        elif path.startswith(resolve) and path.removeprefix(resolve) in state.files:
            self._send_file(state, path.removeprefix(resolve), body)
        else:
            missing = "RevisionNotFound" if path.startswith(api) else "RepoNotFound"
            self._send(b"{}", body, status=404, headers={"X-Error-Code": missing})

    def _described(self, name: str, name_key: str, size_key: str) -> dict[str, Any]:
        content = self.server.state.files[name]  # type: ignore[attr-defined]
        described = {name_key: name, size_key: len(content), "blobId": "0"}
        if name.endswith((".safetensors", ".gguf")):
            sha256 = hashlib.sha256(content).hexdigest()
            described["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(content), "pointerSize": 100}
        return described

    def _send_file(self, state: HubServer, name: str, body: bool) -> None:
        sent = state.sent.get(name, state.files[name])
        etag = hashlib.sha256(state.files[name]).hexdigest()
        headers = {"X-Repo-Commit": state.commit, "ETag": f'"{etag}"'}
        if body:
            state.downloads.append(name)
            if sent is None:
                self.close_connection = True
                self.connection.close()
                return
        self._send(state.files[name] if sent is None else sent, body, headers=headers)

    def _send(self, content: bytes, body: bool, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)
