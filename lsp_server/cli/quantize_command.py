"""`lacuna quantize`: from a model's weights to a checkpoint of a third of their size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lacuna.engine.store import model_store
from lacuna.engine.store.progress import Bars, Stage
from lacuna.lsp_server.cli.failure import fail

SHOWN = 5  # parts of layers that lose most


def quantize(
    model: Annotated[
        str,
        typer.Argument(
            help="A model that was pulled, or its directory: DiffusionGemma, Qwen 2, Llama; Dream and LLaDA, for other "
            "engines: Lacuna does not load these yet."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The directory to make.")],
    to: Annotated[
        str,
        typer.Option(
            help="int4, nvfp4, fp8; of DiffusionGemma with int4 and nvfp4 the experts, all else in FP8, with "
            "int4-experts experts alone."
        ),
    ] = "int4",
    fast: Annotated[bool, typer.Option("--fast", help="No search for the scales that lose least.")] = False,
    text_only: Annotated[bool, typer.Option("--text-only", help="Without the vision tower.")] = False,
) -> None:
    """Quantize a model's weights, matrix by matrix. Goes on where it was stopped; until it is done there is no OUT."""
    from lacuna.engine import load
    from lacuna.engine.quantize import recipe, run
    from lacuna.engine.quantize.sources import QuantizeError
    from lacuna.engine.untrusted.load_error import LoadError

    if to not in recipe.NAMES:
        raise typer.BadParameter(f"--to is one of {', '.join(recipe.NAMES)}")
    options = run.Options(to, search=not fast, text_only=text_only)
    try:
        with Bars() as bars:
            source = model_store.find(model)
            errors = run.quantize(
                source,
                target,
                options,
                lambda done, total: bars(Stage.QUANTIZING, done, total),
                load.own_adapter(model),
            )
    except (QuantizeError, LoadError, model_store.ModelMissing) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error}: what is done stays in {target}.unfinished, and the same command goes on there")
    print(_summary(target, errors, load.is_known(target)))


def _summary(target: Path, errors: dict[str, float], is_for_us: bool) -> str:
    worst = sorted(errors, key=lambda part: -errors[part])[:SHOWN]
    lines = [f"{part}: relative error {errors[part]:.4f}" for part in worst]
    lines.append(f"{target} is ready; quantization_report.json in it has the error of every layer")
    if not is_for_us:
        lines.append("it is for other engines: Lacuna does not load such a model yet")
    return "\n".join(lines)
