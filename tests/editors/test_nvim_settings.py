"""The Neovim plugin's annotated defaults hold every setting of the server, and its help file says what they say."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

from lacuna.lsp_server.config import ALIASES, Config

PLUGIN = Path(__file__).parents[2] / "editors" / "nvim"


def _help_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nvim_help", PLUGIN / "scripts" / "help.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HELP = _help_script()
OPTIONS = HELP.options(HELP.CONFIG.read_text(encoding="utf-8"))


def _value(literal: str) -> object:
    """A Lua literal of those that options have."""
    if literal.startswith("{"):
        return tuple(ast.literal_eval("[" + literal[1:-1] + "]"))
    return {"true": True, "false": False}[literal] if literal in ("true", "false") else ast.literal_eval(literal)


def test_the_plugin_has_every_setting_with_the_servers_default() -> None:
    settings = {
        option.name.removeprefix("settings."): _value(option.default)
        for option in OPTIONS
        if option.name.startswith("settings.")
    }
    assert settings == {field.name: field.default for field in fields(Config)}


def test_the_plugin_knows_the_servers_old_names() -> None:
    source = HELP.CONFIG.read_text(encoding="utf-8")
    assert all(f'["settings.{old}"] = "{new}"' in source for old, new in ALIASES.items())


def test_every_option_is_described() -> None:
    assert [option.name for option in OPTIONS if not option.comment] == []


def test_the_help_file_is_up_to_date() -> None:
    text = HELP.HELP.read_text(encoding="utf-8")
    assert HELP.page(HELP.CONFIG.read_text(encoding="utf-8"), text) == text, "run editors/nvim/scripts/help.py"
    assert HELP.TAGS.read_text(encoding="utf-8") == HELP.tags(text), "run editors/nvim/scripts/help.py"


def test_every_command_and_function_is_in_the_help() -> None:
    text = HELP.HELP.read_text(encoding="utf-8")
    lua = PLUGIN / "lua" / "lacuna"
    subcommands = re.findall(r"^  (\w+) = (?:switch\(|\{)", (lua / "command.lua").read_text(encoding="utf-8"), re.M)
    functions = re.findall(r"^function M\.([a-z]\w*)", (lua / "init.lua").read_text(encoding="utf-8"), re.M)
    assert len(subcommands) == 13
    assert len(functions) == 19
    assert [name for name in subcommands if f"*:Lacuna-{name}*" not in text] == []
    assert [name for name in functions if f"*lacuna.{name}()*" not in text] == []


def test_every_link_of_the_help_leads_somewhere() -> None:
    text = HELP.HELP.read_text(encoding="utf-8")
    tags = set(re.findall(r"\*([^*\s]+)\*", text))
    links = re.findall(r"\|([^|\s]+)\|", text)
    assert [link for link in links if "acuna" in link and link not in tags] == []
