"""docs/PROTOCOL.md names all that the server understands and tells, and every setting with its default."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from lsprotocol.types import METHOD_TO_TYPES

from lacuna.lsp_server import handlers
from lacuna.lsp_server.config import ALIASES, Config, camel_case, from_client
from lacuna.lsp_server.handlers import completions
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.protocol import names
from lacuna.lsp_server.telemetry.statistics import Outcome

TEXT = (Path(__file__).parents[3] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
SETTINGS = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^|]+)` \|", TEXT, re.MULTILINE))
METHODS = {*handlers.FEATURES, *completions.METHODS} - {"initialized"}
OURS = {value for name, value in vars(names).items() if name.isupper()}
TOLD = {names.STATUS, names.FRAMES, names.COPILOT_STATUS}


@pytest.mark.parametrize("name", sorted({*METHODS, *handlers.COMMANDS, *TOLD}))
def test_every_message_is_named(name: str) -> None:
    assert f"`{name}" in TEXT


def test_every_name_of_ours_is_handled_or_told() -> None:
    assert {*handlers.COMMANDS, *TOLD} | {method for method in METHODS if method not in METHOD_TO_TYPES} == OURS


def test_no_command_is_named_that_there_is_not() -> None:
    assert set(re.findall(r"`(lacuna\.\w+)", TEXT)) == set(handlers.COMMANDS)


@pytest.mark.parametrize("end", [*Outcome, *Reason])
def test_every_way_in_which_a_request_ends_is_named(end: Outcome | Reason) -> None:
    assert f"`{end.name.lower()}`" in TEXT.partition("`lacuna.statistics` answers")[2].partition("## Status")[0]


def test_old_names_of_settings_are_told() -> None:
    for old, new in ALIASES.items():
        assert f"`{old}` is `{camel_case(new)}`" in TEXT


def test_settings_are_those_of_the_server() -> None:
    values = {name: json.loads(default) for name, default in SETTINGS.items()}
    config, problems = from_client(values)
    assert problems == []
    assert config == Config()
    assert len(values) == len(fields(Config))
