"""The server that fills instead of a model on this machine: found out, and with its key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lacuna.lsp_server.config import ServerChoice
from lacuna.lsp_server.model.auto import AUTO

if TYPE_CHECKING:
    from lacuna.engine.api import Filler
    from lacuna.engine.families.remote.connection import Address
    from lacuna.engine.families.remote.detection import Server

USER = "lacuna"  # in the keyring
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what else stands there may be a key


def opened(choice: ServerChoice) -> tuple[Filler, str, str]:
    """A filler, the model's name, and what to know of it. Raises ValueError for settings that are wrong, and
    Unreachable."""
    server, address = found(choice)
    return asking(server, address), server.model or server.kind, in_words(server, address)


def asking(server: Server, address: Address) -> Filler:
    """A filler that asks it."""
    from lacuna.engine.families.remote.connection import Connection
    from lacuna.engine.families.remote.fillers import filler

    return filler(Connection(address), server)


def found(choice: ServerChoice) -> tuple[Server, Address]:
    """Raises as `opened`."""
    from lacuna.engine.families.remote.connection import Address, Connection
    from lacuna.engine.families.remote.detection import detect

    environment = os.environ if choice.secret is None else {choice.key.removeprefix("env:"): choice.secret}
    address = Address(choice.url, key(choice.key, environment))
    dialect = "" if choice.dialect == AUTO else choice.dialect
    return detect(Connection(address), dialect, choice.model), address


def in_words(server: Server, address: Address) -> str:
    """What it is, and what is sent to whom."""
    sent = f"what stands around the cursor, and pieces of open files, are sent to {address.host}"
    place = "" if address.is_local else f"; {sent}{'' if address.url.startswith('https:') else ', unencrypted'}"
    return f"{server.kind} at {address.url}, asked by {server.dialect.name}{place}"


def key(named: str, environment: Mapping[str, str] = os.environ) -> str:
    """The key that a setting names; "" where it names none. Raises ValueError, which never holds one."""
    if not named:
        return ""
    value = _read(named, environment).strip()
    if not value.isascii() or not value.isprintable():
        raise ValueError("the key has signs that no key has: is it whole, and nothing else beside it?")
    return value


def _read(named: str, environment: Mapping[str, str]) -> str:
    kind, _, name = named.partition(":")
    if kind == "env" and _VARIABLE.fullmatch(name):
        if not environment.get(name):
            raise ValueError(
                f"the environment variable {name} is not set where the editor was started: it is to hold the key"
            )
        return environment[name]
    if kind == "keyring" and name:
        return _from_keyring(name)
    raise ValueError(
        '`engine_key` says where the key is, "env:NAME" or "keyring:SERVICE": a key itself stands in no setting'
    )


def _from_keyring(service: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ValueError(
            "the package keyring is not there: `pip install keyring`, or name an environment variable"
        ) from error
    try:
        value = keyring.get_password(service, USER)
    except KeyringError as error:
        raise ValueError(f"the keyring cannot be read: {error}") from error
    if not value:
        raise ValueError(f"the keyring has no key: `keyring set {service} {USER}` puts it there")
    return value
