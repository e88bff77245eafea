"""`lacuna doctor --engine-url`: what a server that fills is, what is sent to whom, and how long a fill takes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import typer

from lacuna.engine.families.remote.connection import RemoteError
from lacuna.lsp_server.config import ServerChoice
from lacuna.lsp_server.model import engine_server, keystrokes
from lacuna.lsp_server.model.keystrokes import TimedFill

_FILLS = 2

Engine = Annotated[
    str, typer.Option("--engine-url", metavar="URL", help="Of a server that fills instead of a model here.")
]
EngineDialect = Annotated[str, typer.Option(metavar="NAME", help="What it is asked by; auto finds out.")]
EngineModel = Annotated[str, typer.Option(metavar="NAME", help="Which of its models fills.")]
EngineKey = Annotated[str, typer.Option(metavar="WHERE", help="Where its key is: env:NAME or keyring:SERVICE.")]


@dataclass(frozen=True)
class ServerReport:
    """None or "" stands for what could not be found out."""

    url: str
    server: str = ""
    model: str = ""
    asked_by: str = ""
    context: int | None = None  # tokens
    is_local: bool = False  # whether what is sent stays on this machine
    fills: tuple[TimedFill, ...] = ()
    problem: str = ""  # what is wrong and what to do


def show(url: str, dialect: str, model: str, key: str, is_for_machines: bool) -> None:
    """Prints a report. Raises typer.Exit where something is to be mended."""
    report = examine(ServerChoice(url, dialect, model, key))
    print(as_json(report) if is_for_machines else as_text(report))
    if report.problem:
        raise typer.Exit(1)


def examine(choice: ServerChoice) -> ServerReport:
    """Two keystrokes' fills, too."""
    try:
        server, address = engine_server.found(choice)
        fills = tuple(islice(keystrokes.timed(engine_server.asking(server, address)), _FILLS))
    except RemoteError as error:
        return ServerReport(choice.url, problem=f"{error}: {error.said}" if error.said else str(error))
    except ValueError as error:
        return ServerReport("", problem=str(error))  # what is no address may hold a key
    return ServerReport(
        url=choice.url,
        server=server.kind,
        model=server.model,
        asked_by=server.dialect.name,
        context=server.context or None,
        is_local=address.is_local,
        fills=fills,
    )


def as_json(report: ServerReport) -> str:
    """For machines."""
    return json.dumps(dataclasses.asdict(report), indent=2)


def as_text(report: ServerReport) -> str:
    """For people."""
    lines = [("engine", f"{report.server or 'not found'}{f' at {report.url}' if report.url else ''}")]
    if not report.problem:
        where = "stay on this machine" if report.is_local else f"ARE SENT to {report.url}"
        lines += [
            ("model", report.model or "the server's own"),
            ("asked by", report.asked_by),
            ("context", f"{report.context} tokens" if report.context else "not told"),
            ("your text", f"what stands around the cursor and pieces of open files {where}"),
        ]
    for name, fill in zip(("first keystroke", "second keystroke"), report.fills, strict=False):
        lines.append((name, f"{fill.ms:.0f} ms: {fill.text!r}"))
    lines += [("problem", report.problem)] if report.problem else []
    lines.append(("verdict", "1 to be mended" if report.problem else "all is well"))
    return "\n".join(f"{label:<17} {text}" for label, text in lines)
