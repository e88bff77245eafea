"""Whether a fill makes the syntax around the cursor worse, by parsing the enclosing definition with and without it."""

from __future__ import annotations

import re
from functools import cached_property

from engine.syntax import MissingGrammar, error_count, grammar, parse
from lsp_server.brackets import Brackets
from lsp_server.documents import Snapshot
from lsp_server.indentation import leading, width
from lsp_server.text import Text

_NEAR = 80  # lines on either side that are parsed whole; 160 lines take 1 ms
_FAR = 400  # lines on either side that are searched for the headers and closers around those
_PLACEHOLDER = "x"

# A line without indentation at which a definition begins, or the next one does.
_TOP_LEVEL = re.compile(r"(?!(else|elif|except|finally|catch|end|fi|done|then|do|rescue|ensure)\b)[\w@$<]")
_NO_HEADER = re.compile(r"\s*([)\]}#*]|//|/\*|--|end\b|fi\b|done\b|esac\b)")
_CLOSER = re.compile(r"\s*([)\]}]|end\b|fi\b|done\b|esac\b)")


class SyntaxCheck:
    """Counts ERROR and MISSING nodes around one cursor.

    Brackets that a fill leaves open at its end are taken to be closed there: a block that has just been opened is not
    finished, and no error.
    """

    def __init__(self, snapshot: Snapshot, brackets: Brackets) -> None:
        self._language = snapshot.language
        self._brackets = brackets
        line = snapshot.current_line
        above, below = _neighbourhood(snapshot.text, snapshot.line)
        self._left = "".join(above) + line[: snapshot.column]
        self._right = line[snapshot.column :]
        self._below = "\n" + "".join(below)

    def is_worse_with(self, fill: str, swallowed: int = 0) -> bool:
        """Whether there would be more errors than now; never, where there is no grammar."""
        if isinstance(grammar(self._language), MissingGrammar):
            return False
        return self._errors(fill, swallowed) > self._errors_now

    @cached_property
    def _errors_now(self) -> int:
        """As it stands, or with a name at the cursor if that is better: `x = ` is an error that any fill would mend."""
        now = self._errors("", 0)
        return min(now, self._errors(_PLACEHOLDER, 0)) if now else 0

    def _errors(self, fill: str, swallowed: int) -> int:
        missing = self._brackets.missing_after(fill, swallowed)
        tree = parse(self._language, self._left + fill + missing + self._right[swallowed:] + self._below)
        return error_count(tree, 0, tree.root_node.end_byte)


def _neighbourhood(text: Text, line: int) -> tuple[list[str], list[str]]:
    """The lines above and below `line` that belong to its top-level definition.

    Of long ones, those near, and farther away only what holds them: the headers above, the closers below.
    """
    return _lines_above(text, line), _lines_below(text, line)


def _lines_above(text: Text, line: int) -> list[str]:
    taken: list[str] = []
    lowest = 1000
    for distance, raw in enumerate(reversed(text.lines(line - _FAR, line))):
        columns = width(leading(raw)) if raw.strip() else lowest
        header = columns < lowest and not _NO_HEADER.match(raw)
        if distance < _NEAR or header:
            taken.append(raw)
            lowest = min(lowest, columns)
        if _TOP_LEVEL.match(raw):
            break
    return taken[::-1]


def _lines_below(text: Text, line: int) -> list[str]:
    taken: list[str] = []
    lowest = 1000
    for distance, raw in enumerate(text.lines(line + 1, line + 1 + _FAR)):
        if _TOP_LEVEL.match(raw):
            break
        columns = width(leading(raw)) if raw.strip() else lowest
        if distance < _NEAR or (columns < lowest and _CLOSER.match(raw)):
            taken.append(raw)
            lowest = min(lowest, columns)
    return taken
