"""A line that the user is writing, as the diff has it: it comes in the place of what stood there.

The base writes on where the cursor is, whatever stands right of it now. What comes of it is scored against the line as
it is: with the user's hunks, and as a line that nobody has touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from lacuna.engine.diff_api import LineChange, Unfinished
from lacuna.engine.families.gap.edits.diff_prompt import DiffPrompt
from lacuna.engine.families.gap.edits.diff_reader import Compared, DiffReader
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.families.shared.diff_text import COMES, STAYS
from lacuna.engine.request_trace import RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer


def finished(
    reader: DiffReader, tokenizer: Tokenizer, unfinished: Unfinished, window: DiffPrompt, trace: RequestTrace
) -> Iterator[LineChange]:
    """The line as the base goes on with it, and the line as it is with all closed: those that gain enough."""
    now = window.text[0]
    written = reader.line(window.made, unfinished.removed[0] if unfinished.removed else now, trace, unfinished.typed)
    for line in dict.fromkeys((written, unfinished.closed)):
        if line and line != now:
            yield from _scored(reader, tokenizer, line, window, trace)


def _scored(
    reader: DiffReader, tokenizer: Tokenizer, line: str, window: DiffPrompt, trace: RequestTrace
) -> Iterator[LineChange]:
    now = window.text[0]

    def compared(context: KvContext, head: list[int], sign: str) -> Compared | None:
        return reader.compared(
            context, head, tokenizer.encode(sign + line), tokenizer.encode(sign + now), window.behind(1), trace
        )

    made = compared(reader.made, window.made, COMES)
    if made is None or made.gain < window.least_gain:
        return
    unmade = compared(reader.unmade, window.unmade, STAYS)
    if unmade is not None:
        yield LineChange(0, 1, (line,), made.gain, made.gain - unmade.gain)
