"""`lacuna daemon`: the process that has the models, for all editors of a user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lacuna.lsp_server.cli.failure import fail
from lacuna.lsp_server.daemon import ending
from lacuna.lsp_server.daemon.dial import NoDaemon, call
from lacuna.lsp_server.daemon.place import Place, places

daemon = typer.Typer(help="The process that has the models, for all editors.", no_args_is_help=True)


@daemon.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="A JSON array.")] = False) -> None:
    """Say which daemons there are: one for each installation and environment that editors were started in."""
    found = [{**said, "log": str(place.log)} for place, said in _answers("status")]
    if as_json:
        print(json.dumps(found))
    elif not found:
        print("There is no daemon: the next editor starts one.")
    for said in found if not as_json else ():
        print(
            f"process {said['process']}: {said['editors']} editors, {said['megabytes']} MB, since {said['seconds']} s; "
            f"{', '.join(said['models']) or 'no model'}; log: {said['log']}"
        )


@daemon.command()
def stop() -> None:
    """End them. Editors that are open go on with a new one."""
    stopped = [said["process"] for _, said in _answers("stop")]
    print(f"ended: {', '.join(map(str, stopped))}" if stopped else "There is no daemon.")


def _answers(question: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Of all that live. One that does not answer is ended where it was to stop."""
    try:
        found = list(places())
    except OSError as error:
        fail(str(error))
    for place in found:
        info = place.read_info()
        try:
            connection, said = call(place, {"ask": question})
        except NoDaemon as error:
            if info is None or not ending.is_alive(info):
                place.clear()
            elif question == "stop":
                ending.kill(info)
                yield place, {"process": info.process}
            else:
                fail(f"process {info.process} does not answer: {error}. `lacuna daemon stop` ends it")
        else:
            connection.close()
            yield place, said
