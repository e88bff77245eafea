"""What `lacuna demo` shows: the file with the cursor and ghost text, and a line for every pause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.syntax import Syntax
from rich.text import Text

from lacuna.lsp_server.demo.headless_editor import Answer, Offer, OpenText

_LINES_AROUND = 6
_TAIL = 30  # characters of the cursor's line that a pause's line shows
_CURSOR = "▏"
_GHOST = "dim italic"


class Screen:
    """`is_live` draws the file as it changes; otherwise there are only lines that stay, as a log wants them."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self.is_live = live
        self._console = console
        self._file = ""
        self._live: Live | None = None

    @contextmanager
    def showing(self, file: str) -> Iterator[None]:
        """A file is being edited."""
        self._file = file
        if not self.is_live:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def draw(self, document: OpenText, offer: Offer | None = None) -> None:
        """The file as it is now, with a suggestion at the cursor."""
        if self._live is not None:
            self._live.update(Group(Text(self._file, style="bold"), _view(document, offer)), refresh=True)

    def answered(self, document: OpenText, answer: Answer, *, accepted: bool) -> None:
        """The server's answer at a pause."""
        offer = answer.offers[0] if answer.offers else None
        line, column = document.place
        row = Text(f"{self._file}:{line + 1}:{column + 1}".ljust(20), style="cyan")
        row.append(f"{answer.ms:5.0f} ms  ", style="bold")
        row.append(document.text.line(line)[:column].lstrip()[-_TAIL:] + _CURSOR)
        if offer is None:
            row.append(f"  no suggestion ({answer.outcome.value})", style="yellow")
        else:
            row.append(_ghost(document, offer).replace("\n", "⏎"), style=_GHOST)
            row.append("  accepted" if accepted else "  typed on", style="green" if accepted else "dim")
        self._print(row)
        self.draw(document, offer)

    def say(self, text: str) -> None:
        """Something about the demo itself."""
        self._print(Text(text, style="bold"))

    def summary(self, rows: Sequence[tuple[str, str]]) -> None:
        """The end."""
        self._console.print()
        for name, value in rows:
            self._print(Text.assemble((name.ljust(24), "bold"), value))

    def _print(self, row: Text) -> None:
        self._console.print(row, soft_wrap=True)


def _view(document: OpenText, offer: Offer | None) -> Text:
    """Some lines around the cursor, with the suggestion as ghost text in the place of what it would replace."""
    place = document.place
    first = max(place.line - _LINES_AROUND, 0)
    rows = document.text.lines(first, place.line + _LINES_AROUND + 1)
    code = Syntax("", "python", theme="ansi_dark", background_color="default").highlight("".join(rows))
    start = document.text.offset(document.text.place_at(0)._replace(line=first))
    cursor = document.cursor - start
    view = code[:cursor]
    view.append(_ghost(document, offer) if offer else _CURSOR, style=_GHOST if offer else "bold")
    view.append_text(code[(offer.end if offer else document.cursor) - start :])
    return view


def _ghost(document: OpenText, offer: Offer) -> str:
    """What a suggestion adds behind the cursor: its text without what stands before the cursor already."""
    return offer.text[document.cursor - offer.start :]
