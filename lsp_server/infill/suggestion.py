"""What comes of a request: a `Suggestion`, or `Rejected` with a `Reason`, which is counted and is no error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why there is no suggestion. The value is what logs and messages say."""

    # Before the model is asked (question.py).
    EXCLUDED = "the file is left alone"
    BINARY = "the text holds a null byte"
    LINE_TOO_LONG = "the line is too long"
    BLANK_DOCUMENT = "nothing is written yet"
    IN_WORD = "a word goes on right of the cursor"
    STATEMENT_FINISHED = "the statement is finished"

    # After it has answered (selection.py, postprocess.py).
    LOW_CONFIDENCE = "not sure enough"
    EMPTY = "nothing of the fill is in the scope"
    REPEATS_SUFFIX = "the text after the cursor says it already"
    REPEATS_LINE_ABOVE = "the line above says it already"
    RUNS_TOGETHER = "its last word would run into the next one"
    LOOPS = "the fill repeats itself"
    UNBALANCED = "brackets or quotes would not match"
    PARSE_WORSE = "the syntax would be worse"
    SECRET = "it would hold a secret, or a part of one"
    TOO_LITTLE = "it would save too little"
    AS_IT_IS = "the model would write it as it stands"


@dataclass(frozen=True)
class Rejected:
    """No suggestion, and why."""

    reason: Reason


@dataclass(frozen=True)
class Suggestion:
    """Text for the editor: `text`, with the document's line ends, replaces `replaced` characters right of the cursor.

    Characters are replaced where an auto-closed pair already typed what the text closes: in `if (|)` the text `x) {`
    replaces the `)`. They are on the cursor's line and occur in the text, in order, as editors demand.
    """

    text: str
    replaced: int = 0
