"""An editor for tests of edit suggestions: resolves code actions, asks users to confirm, and shows next edits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from language_client import PATIENCE, SERVE, Client
from lsprotocol import types

from lacuna.engine.store import model_store

CAN_RESOLVE = types.CodeActionClientCapabilities(
    data_support=True,
    resolve_support=types.ClientCodeActionResolveOptions(properties=["edit"]),
    tag_support=types.CodeActionTagOptions([types.CodeActionTag.LlmGenerated]),
)
CAN_CONFIRM = types.WorkspaceEditClientCapabilities(
    document_changes=True, change_annotation_support=types.ChangeAnnotationsSupportOptions()
)


class EditsClient(Client):
    """A `Client` with code actions and next edits."""

    def __init__(self) -> None:
        super().__init__()
        self.copilot: list[Any] = []  # the status in Copilot's words
        self.feature("didChangeStatus")(lambda params: self.copilot.append(params))

    def menu(
        self, uri: str, start: tuple[int, int], end: tuple[int, int] | None = None, **context: Any
    ) -> asyncio.Future[list[types.CodeAction] | None]:
        """The code actions at a cursor, or for a selection."""
        span = types.Range(types.Position(*start), types.Position(*(end or start)))
        asked = types.CodeActionContext(context.pop("diagnostics", []), **context)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), span, asked)
        return asyncio.ensure_future(self.text_document_code_action_async(params))  # type: ignore[arg-type]

    def resolve(self, action: types.CodeAction, id: str | None = None) -> asyncio.Future[types.CodeAction]:
        return self.protocol.send_request_async(types.CODE_ACTION_RESOLVE, action, id)

    def replace(self, uri: str, version: int, start: tuple[int, int], end: tuple[int, int], new: str) -> None:
        span = types.Range(types.Position(*start), types.Position(*end))
        self.change_all([types.TextDocumentContentChangePartial(span, new)], uri, version)

    def next_edits(self, uri: str, version: int, at: tuple[int, int], id: str) -> asyncio.Future[Any]:
        """Ask as sidekick.nvim does."""
        position = {"line": at[0], "character": at[1]}
        document = {"uri": uri, "version": version}
        params = {"textDocument": document, "position": position, "context": {"triggerKind": 2}}
        answer = self.send("textDocument/copilotInlineEdit", params, id)
        assert answer is not None, "a request with an id"
        return answer

    def notify_shown(self, edit: Any) -> None:
        item = {"command": {"command": edit.command.command, "arguments": list(edit.command.arguments)}}
        self.send("textDocument/didShowInlineEdit", {"item": item})

    def cancel(self, id: str) -> None:
        self.cancel_request(types.CancelParams(id))

    async def run(self, command: str, *arguments: Any) -> Any:
        """Have the server run a command."""
        call = types.ExecuteCommandParams(command, list(arguments))
        return await asyncio.wait_for(self.workspace_execute_command_async(call), PATIENCE)


@asynccontextmanager
async def editing(
    settings: dict[str, Any] | None = None,
    *,
    code_action: types.CodeActionClientCapabilities | None = CAN_RESOLVE,
    workspace_edit: types.WorkspaceEditClientCapabilities | None = CAN_CONFIRM,
    name: str = "lacuna-tests",
) -> AsyncIterator[tuple[EditsClient, types.InitializeResult]]:
    """A client with a server process of its own, initialized."""
    client = EditsClient()
    await client.start_io(*SERVE, env={**os.environ})
    capabilities = types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(code_action=code_action),
        workspace=types.WorkspaceClientCapabilities(workspace_edit=workspace_edit),
    )
    info = types.ClientInfo(name)
    options = {"model": model_store.EMBEDDED, **(settings or {})}
    params = types.InitializeParams(
        capabilities, process_id=os.getpid(), initialization_options=options, client_info=info
    )
    try:
        result = await asyncio.wait_for(client.initialize_async(params), PATIENCE)
        client.initialized(types.InitializedParams())
        yield client, result
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        await asyncio.wait_for(client.exited.wait(), PATIENCE)
    finally:
        if client._server is not None and client._server.returncode is None:
            client._server.kill()
        await client.stop()
