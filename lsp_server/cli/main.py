"""The command `lacuna`. What a command needs is imported when it runs: `--help` and `serve` must not wait for torch."""

from __future__ import annotations

from lacuna.lsp_server import start  # before anything can be imported from a workspace

# isort: split
import importlib.metadata
import io
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lacuna.engine.api import Gap, Infill
from lacuna.engine.device import runtime
from lacuna.engine.store import model_store
from lacuna.engine.store.progress import Bars
from lacuna.engine.store.pull_error import PullError
from lacuna.engine.text.languages import language_of
from lacuna.lsp_server.cli import daemon_commands, jsonl, quantize_command, server_report, train_commands
from lacuna.lsp_server.cli.failure import fail
from lacuna.lsp_server.cli.location import Location, LocationError
from lacuna.lsp_server.cli.raw_gap import RawGap
from lacuna.lsp_server.model.auto import AUTO, to_pull

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

MAX_CANDIDATES = 6  # the engine's cache has room for seven and the empty one side by side

Model = Annotated[str, typer.Option(help="auto, a model that was pulled, or a model directory.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or int8.")]
Adapter = Annotated[str, typer.Option(help="An adapter of your own, from `lacuna train gap`.")]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0 chooses.")]

main = typer.Typer(
    name="lacuna",
    help="Fills the gap at the cursor, with a diffusion language model on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


main.add_typer(daemon_commands.daemon, name="daemon")
main.add_typer(train_commands.corpus, name="corpus")
main.add_typer(train_commands.train, name="train")
main.command("eval")(train_commands.evaluate)
main.command()(quantize_command.quantize)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"lacuna {importlib.metadata.version('lacuna')}")
        raise typer.Exit


@main.callback()
def _before_every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    runtime.prepare_environment()
    if not {"-h", "--help"}.intersection(sys.argv):
        start.find_home()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # code is UTF-8, whatever the system's code page
            stream.reconfigure(encoding="utf-8", errors="replace")


@main.command()
def serve(
    tcp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Listen there, as in 127.0.0.1:7777, and not on stdio.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Fill there for other editors' plugins, by APIs they know.")
    ] = None,
    http_all: Annotated[bool, typer.Option("--http-all", help="Also what is not sure enough to show unasked.")] = False,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen also where other machines reach it, unencrypted.")
    ] = False,
    model: Model = AUTO,
    adapter: Adapter = "",
    no_daemon: Annotated[
        bool, typer.Option("--no-daemon", help="On stdio: a model of this editor's own.")  # see entry.py
    ] = False,
) -> None:
    """Run the language server: on stdio as a part of the daemon that all editors share. A client on TCP has to show the
    token that is printed, or that of LACUNA_TOKEN.

    --model is for clients that set none, or auto."""
    model, adapter = start.absolute_model(model), start.absolute(adapter)
    start.leave_workspace()
    from lacuna.lsp_server import server
    from lacuna.lsp_server.config import Config

    config = Config(model=model, adapter=adapter)
    try:
        server.serve(tcp, config, allow_remote, http, http_all)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        fail(f"cannot listen on {http or tcp}: {error.strerror}")


@main.command()
def pull(
    model: Annotated[
        str, typer.Argument(help=f"{model_store.NAMES}, or owner/name[@revision] of the Hugging Face hub.")
    ] = model_store.DEFAULT_PULL,
) -> None:
    """Fetch a model into the user's cache, once."""
    print(_pulled(to_pull(model)))


@main.command()
def doctor(
    model: Model = AUTO,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    adapter: Adapter = "",
    engine: server_report.Engine = "",
    engine_dialect: server_report.EngineDialect = AUTO,
    engine_model: server_report.EngineModel = "",
    engine_key: server_report.EngineKey = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Say what Lacuna finds on this machine, or of a server that fills, what it has chosen and why, and time a fill."""
    from lacuna.lsp_server.cli import doctor
    from lacuna.lsp_server.config import ModelChoice

    if engine:
        return server_report.show(engine, engine_dialect, engine_model, engine_key, as_json)

    report = doctor.examine(ModelChoice(model, device, dtype, threads, adapter))
    print(doctor.as_json(report) if as_json else doctor.as_text(report))
    if report.problems:
        raise typer.Exit(1)


@main.command()
def stats(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: the counts by date.")] = False,
) -> None:
    """Print what was counted over time: requests, and what became of suggestions. It never leaves this machine."""
    from lacuna.lsp_server.cli import stats_command
    from lacuna.lsp_server.telemetry import daily_counts

    path = daily_counts.default_path()
    try:
        days = daily_counts.read(path)
    except (OSError, ValueError) as error:
        fail(f"{path} cannot be read: {error}")
    if as_json:
        print(stats_command.as_json(days))
    elif days:
        print(stats_command.as_text(days, date.today()))
        print(f"\nThe counts are in {path}; the setting `statistics` switches them off.")
    else:
        print(
            "Nothing was counted yet: counts are written a minute after the first suggestion, and when an editor ends."
        )


@main.command()
def demo(
    model: Model = AUTO,
    plain: Annotated[bool, typer.Option(help="One line per pause, as for logs.")] = False,
) -> None:
    """Type into a small project as an editor would, and show what the real server suggests."""
    from lacuna.lsp_server.demo import play

    _provide(model)
    raise typer.Exit(play.run(model, plain=plain))


def _renamed_drafts(drafts: int) -> int:
    """The name that --num-candidates had in 0.1: accepted until 0.3."""
    if drafts > 1:
        print("lacuna: --drafts is called --num-candidates now", file=sys.stderr)
    return drafts


@main.command()
def infill(
    location: Annotated[str, typer.Argument(metavar="FILE:LINE:COL", help="Both count from 1.")] = "",
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read gaps from stdin and write fills to stdout, as lines of JSON.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Draw every denoising step.")] = False,
    num_candidates: Annotated[int, typer.Option(min=1, max=MAX_CANDIDATES, help="How many fills to try.")] = 1,
    drafts: Annotated[int, typer.Option(min=1, max=MAX_CANDIDATES, hidden=True, callback=_renamed_drafts)] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, max=jsonl.MAX_TOKENS, help="The longest fill worth having.")] = 15,
    model: Model = AUTO,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
) -> None:
    """Fill the gap at a place in a file, or many gaps. The raw engine: nothing is rejected, nothing trimmed."""
    if as_jsonl == bool(location) or (as_jsonl and watch):
        raise typer.BadParameter("give either FILE:LINE:COL, with --watch if you like, or --jsonl")
    if as_jsonl:
        _infill_jsonl(_load(model, device, dtype, threads), max(num_candidates, drafts), max_tokens)
    else:
        raw_gap = _gap_at(location, max_tokens)
        _infill_location(_load(model, device, dtype, threads), raw_gap, max(num_candidates, drafts), watch)


def _infill_jsonl(filler: Filler, num_candidates: int, max_tokens: int) -> None:
    def fill(gap: Gap) -> Infill:
        filler.close("")  # a fill must not depend on the lines before it
        return filler.infill(gap, num_candidates=num_candidates)[0]

    for answer in jsonl.answers(sys.stdin.buffer, max_tokens, fill):
        print(answer, flush=True)


def _infill_location(filler: Filler, raw_gap: RawGap, num_candidates: int, watch: bool) -> None:
    if watch:
        from lacuna.lsp_server.cli.watch import watching

        with watching(raw_gap.gap) as on_frame:
            infills = filler.infill(raw_gap.gap, num_candidates=num_candidates, on_frame=on_frame)
    else:
        infills = filler.infill(raw_gap.gap, num_candidates=num_candidates)
    for rank, fill in enumerate(infills, 1):
        print(_summary(rank, len(infills), fill), file=sys.stderr, flush=True)
        print(raw_gap.answer(fill.text), flush=True)


def _summary(rank: int, count: int, fill: Infill) -> str:
    which = f"fill {rank} of {count}" if count > 1 else "the fill"
    stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in fill.timings.items())
    return (
        f"{which if fill.text else which + ' is empty'}: confidence {fill.confidence:.2f}, {fill.steps} steps, "
        f"{fill.forwards} forwards, {sum(fill.timings.values()):.0f} ms ({stages})"
    )


def _gap_at(argument: str, max_tokens: int) -> RawGap:
    try:
        location = Location.parse(argument)
    except LocationError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        text = location.text()
        place = location.place(text)
    except LocationError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{location.path}: {error.strerror}")
    before, after = text.before(place, len(text)), text.after(place, len(text))
    return RawGap.between(before, after, language_of("", location.path.name), max_tokens)


def _load(model: str, device: str, dtype: str, threads: int) -> Filler:
    from lacuna.lsp_server.model import auto_loading

    try:
        chosen = runtime.choose(device, dtype, threads)
    except ValueError as error:
        fail(str(error))
    try:
        return auto_loading.load(model, chosen)[0]
    except auto_loading.CannotLoadError as error:
        fail(str(error))


def _provide(model: str) -> None:
    """Pulls a model that is not there; of "auto" the default."""
    from lacuna.lsp_server.model import auto_loading

    name = auto_loading.expected(model)
    try:
        if name != AUTO:
            model_store.find(name)
    except model_store.ModelMissing:
        _pulled(name)


def _pulled(model: str) -> Path:
    try:
        with Bars() as bars:
            return model_store.pull(model, bars)
    except PullError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
