"""The command `lacuna`, from its first line on: what an editor starts is a shim to the user's daemon, if that is to be
had, and waits for nothing that a shim needs not."""

from __future__ import annotations

from lacuna.lsp_server import start  # before anything can be imported from a workspace

# isort: split
import os
import sys
from collections.abc import Sequence

SWITCH = "LACUNA_DAEMON"  # environment variable: "off", and each editor has a model of its own
_VALUES = ("--model", "--adapter")


def main() -> None:
    """Ends the process."""
    options = shim_options(sys.argv[1:])
    if options is not None and os.environ.get(SWITCH, "").lower() not in ("off", "0", "no", "false"):
        start.find_home()
        model, adapter = start.absolute_model(options["--model"]), start.absolute(options["--adapter"])
        start.leave_workspace()
        from lacuna.lsp_server.daemon import shim

        shim.run(model, adapter)  # returns where there is no daemon
        given = {"--model": model, "--adapter": adapter}
        sys.argv[1:] = ["serve", *(f"{name}={value}" for name, value in given.items() if value)]
    from lacuna.lsp_server.cli.main import main as command

    command()


def shim_options(arguments: Sequence[str]) -> dict[str, str] | None:
    """The values of --model and --adapter where the arguments are those of a server on stdio and nothing else; else
    None, and the command itself says what it thinks of them."""
    options, left = dict.fromkeys(_VALUES, ""), list(arguments[1:])
    if list(arguments[:1]) != ["serve"]:
        return None
    while left:
        name, equals, value = left.pop(0).partition("=")
        if name not in options or not (equals or left):
            return None
        options[name] = value if equals else left.pop(0)
    return options


if __name__ == "__main__":
    main()
