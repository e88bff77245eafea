"""The beginning and the end of a connection, and its settings."""

from __future__ import annotations

from collections.abc import Callable

from lsprotocol import types

from lacuna.lsp_server.completion.item_shape import ghost_text_shape
from lacuna.lsp_server.config import from_client
from lacuna.lsp_server.handlers import code_actions, completions
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert


def _initialize(ls: LacunaServer, params: types.InitializeParams) -> None:
    ls.documents.encoding = convert.encoding(ls.workspace.position_encoding)
    ls.initial_config, ls.initial_problems = from_client(params.initialization_options, ls.config)
    ls.item_shape = ghost_text_shape(params.client_info.name if params.client_info else "")
    completions.add(ls, ls.initial_config)
    code_actions.add(ls, params.capabilities)


def _initialized(ls: LacunaServer, _: types.InitializedParams) -> None:
    ls.apply(ls.initial_config, ls.initial_problems)


def _shutdown(ls: LacunaServer, _: None) -> None:
    ls.was_shut_down = True
    ls.completer.cancel()
    ls.daily_counts.close()  # some editors leave no time for it after `exit`


async def _did_change_configuration(ls: LacunaServer, params: types.DidChangeConfigurationParams) -> None:
    settings = params.settings
    if settings is None and convert.answers_configuration(ls.client_capabilities):
        (settings,) = await ls.workspace_configuration_async(convert.CONFIGURATION)
    ls.apply(*from_client(settings, ls.initial_config))
    registrations = completions.add(ls, ls.config)
    if registrations and convert.registers_completion(ls.client_capabilities):
        await ls.client_register_capability_async(types.RegistrationParams(registrations))
    elif registrations:
        ls.show("Lacuna: restart the server for the new value of 'completion'", types.MessageType.Warning)


FEATURES: dict[str, Callable[..., object]] = {
    types.INITIALIZE: _initialize,
    types.INITIALIZED: _initialized,
    types.SHUTDOWN: _shutdown,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: _did_change_configuration,
}
