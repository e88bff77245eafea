"""A line that the user is writing, as the diff has it: it comes in the place of what stood there.

The base writes on where the cursor is, whatever stands right of it now. What comes of it is scored against the line as
it is: with the user's hunks, and as a line that nobody has touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from lacuna.engine.diff_api import LineChange, Unfinished
from lacuna.engine.families.gap.edits.diff_prompt import DiffPrompt
from lacuna.engine.families.gap.edits.diff_reader import DiffReader
from lacuna.engine.families.gap.edits.diff_text import COMES, STAYS
from lacuna.engine.request_trace import RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer


def finished(
    reader: DiffReader, tokenizer: Tokenizer, unfinished: Unfinished, window: DiffPrompt, trace: RequestTrace
) -> Iterator[LineChange]:
    """The line as the base goes on with it, if that is another one and gains enough."""
    now = window.text[0]
    line = reader.line(window.made, unfinished.removed[0] if unfinished.removed else now, trace, unfinished.typed)
    if line is None or line == now:
        return

    def stands(sign: str, text: str) -> list[int]:
        return [*tokenizer.encode(sign + text), *window.behind(1)]

    gain = reader.gain(reader.made, window.made, stands(COMES, line), stands(COMES, now), trace)
    if gain is None or gain < window.least_gain:
        return
    unmade = reader.gain(reader.unmade, window.unmade, stands(STAYS, line), stands(STAYS, now), trace)
    if unmade is not None:
        yield LineChange(0, 1, (line,), gain, gain - unmade)
