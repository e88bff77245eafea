"""The code actions that are offered at a place; their edits are worked out when one is resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.refill.block import Block, Unit, block_between, blocks_at

KIND = "refactor.rewrite.lacuna"
DIAGNOSTIC_KIND = "quickfix.lacuna"
_LONGEST_MESSAGE = 60  # characters of a diagnostic in a title


@dataclass(frozen=True)
class Mark:
    """What a diagnostic marks, and what it says."""

    start: Place
    end: Place
    message: str


@dataclass(frozen=True)
class Action:
    """One entry of the menu: one candidate for one block."""

    title: str
    kind: str
    block: Block
    candidate: int = 0
    mark: int | None = None  # which of the marks it is for


@dataclass(frozen=True)
class Menu:
    """What the client asks for."""

    start: Place
    end: Place
    marks: Sequence[Mark] = ()
    only: Sequence[str] = ()  # kinds; none: all
    candidates: int = 1


def actions(snapshot: Snapshot, menu: Menu, known: Callable[[Block], int]) -> list[Action]:
    """One action for each thing that can be refilled; all candidates where just that is asked for, or one was before.

    `known` says how many candidates there are for a block, 0 where none was asked for. The snapshot's cursor is where
    the selection ends.
    """
    found: list[Action] = []
    for action in _distinct(
        action for action in _first_candidates(snapshot, menu) if _is_wanted(action.kind, menu.only)
    ):
        asked_for = action.block.unit is Unit.SELECTION or any(kind.startswith(action.kind) for kind in menu.only)
        count = known(action.block) or (menu.candidates if asked_for else 1)
        found += [action, *(_other(action, number) for number in range(1, count))]
    return found


def kinds() -> list[str]:
    """All kinds that there are."""
    return [_kind(unit) for unit in Unit]


def _first_candidates(snapshot: Snapshot, menu: Menu) -> Iterator[Action]:
    for number, mark in enumerate(menu.marks):
        block = block_between(snapshot, Unit.DIAGNOSTIC, mark.start, mark.end)
        if block is not None:
            yield Action(f"Refill what is marked: {_short(mark.message)}", DIAGNOSTIC_KIND, block, mark=number)
    if menu.start != menu.end:
        block = block_between(snapshot, Unit.SELECTION, menu.start, menu.end)
        if block is not None:
            yield Action("Refill the selection", _kind(Unit.SELECTION), block)
    else:
        for block in blocks_at(snapshot):
            yield Action(f"Refill this {block.unit.value}", _kind(block.unit), block)


def _distinct(found: Iterable[Action]) -> Iterable[Action]:
    """A line that is a statement, too, is offered once."""
    by_place: dict[tuple[Place, Place, int | None], Action] = {}
    for action in found:
        by_place.setdefault((action.block.start, action.block.end, action.mark), action)
    return by_place.values()


def _other(action: Action, candidate: int) -> Action:
    return replace(action, title=f"{action.title} (candidate {candidate + 1})", candidate=candidate)


def _kind(unit: Unit) -> str:
    return DIAGNOSTIC_KIND if unit is Unit.DIAGNOSTIC else f"{KIND}.{unit.name.lower()}"


def _is_wanted(kind: str, only: Sequence[str]) -> bool:
    """LSP's kinds are a tree, written with dots."""
    return not only or any(asked in ("", kind) or kind.startswith(asked + ".") for asked in only)


def _short(message: str) -> str:
    line = message.strip().partition("\n")[0]
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
