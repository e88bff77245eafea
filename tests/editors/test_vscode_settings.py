"""The settings of the VS Code extension are the server's: names, types, defaults, choices and ranges."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lacuna.lsp_server.config import ALIASES, Config, camel_case, from_client

MANIFEST = json.loads((Path(__file__).parents[2] / "editors" / "vscode" / "package.json").read_text(encoding="utf-8"))
SETTINGS: dict[str, dict[str, Any]] = MANIFEST["contributes"]["configuration"]["properties"]
OF_THE_CLIENT = {"lacuna.path"}
OLD = {name for name, setting in SETTINGS.items() if "markdownDeprecationMessage" in setting}
OF_THE_SERVER = sorted(SETTINGS.keys() - OF_THE_CLIENT - OLD)
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", tuple: "array"}


def problems(name: str, value: object) -> list[str]:
    """What the server says of a value of a setting, by its full name."""
    return from_client({name.removeprefix("lacuna."): value})[1]


def test_both_know_the_same_settings() -> None:
    assert sorted(f"lacuna.{camel_case(field.name)}" for field in fields(Config)) == OF_THE_SERVER


def test_old_names_are_the_servers_and_lead_to_the_new_ones() -> None:
    assert {f"lacuna.{camel_case(old)}" for old in ALIASES} == OLD
    for old, new in ALIASES.items():
        said = f"`#lacuna.{camel_case(new)}#`"
        assert said in SETTINGS[f"lacuna.{camel_case(old)}"]["markdownDeprecationMessage"]
    source = (Path(__file__).parents[2] / "editors" / "vscode" / "src" / "oldNames.ts").read_text(encoding="utf-8")
    assert all(f'{camel_case(new)}: "{camel_case(old)}"' in source for old, new in ALIASES.items())


@pytest.mark.parametrize("field", fields(Config), ids=lambda field: field.name)
def test_types_and_defaults_are_the_servers(field: Any) -> None:
    setting = SETTINGS[f"lacuna.{camel_case(field.name)}"]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    assert (setting["default"], setting["type"]) == (default, TYPES[type(field.default)])


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_described(name: str) -> None:
    setting = SETTINGS[name]
    assert setting["markdownDescription"].endswith(".")
    assert len(setting.get("enumDescriptions", [])) == len(setting.get("enum", []))


@pytest.mark.parametrize("name", [name for name in OF_THE_SERVER if SETTINGS[name]["type"] in ("integer", "number")])
def test_ranges_are_the_servers(name: str) -> None:
    least, most = SETTINGS[name]["minimum"], SETTINGS[name]["maximum"]
    assert problems(name, least) == problems(name, most) == []
    assert problems(name, least - 1) and problems(name, most + 1)


@pytest.mark.parametrize("name", [name for name in OF_THE_SERVER if SETTINGS[name]["type"] == "string"])
def test_choices_are_the_servers(name: str) -> None:
    for choice in SETTINGS[name].get("enum", ["anything"]):
        assert problems(name, choice) == []
    refused = problems(name, "none of them")
    assert [choice for choice in SETTINGS[name].get("enum", []) if f"'{choice}'" not in "".join(refused)] == []
    assert bool(refused) == ("enum" in SETTINGS[name]), "a choice of the server's that package.json does not know"


def test_no_setting_is_taken_from_a_workspace_that_is_not_trusted() -> None:
    assert MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] == list(SETTINGS)


def test_every_command_of_the_manifest_is_registered() -> None:
    source = (Path(__file__).parents[2] / "editors" / "vscode" / "src" / "commands.ts").read_text(encoding="utf-8")
    for command in MANIFEST["contributes"]["commands"]:
        name = command["command"].removeprefix("lacuna.")
        assert f"    {name}:" in source or f"    {name}," in source
