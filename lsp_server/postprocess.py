"""From a fill to what an editor can show: in the scope, fitted to the text around it, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile

from engine.secrets import reveals
from engine.syntax import token_boundaries
from lsp_server.context import Context
from lsp_server.documents import Snapshot
from lsp_server.fitting import Fitted, fittings, repeats_line_above, says_next_line
from lsp_server.repetition import loops
from lsp_server.scope import in_scope, indented
from lsp_server.suggestion import Reason, Rejected, Suggestion
from lsp_server.syntax_check import SyntaxCheck

_MAX_FITTINGS = 12  # most of them fail before they are parsed
_SECRET_CHARS = 3000  # before the cursor, in which a secret may have begun that a fill goes on with: a key has lines
_TOKEN_LINES = 20  # before the cursor, that are read to find the tokens of a fill


def postprocess(context: Context, snapshot: Snapshot, fill: str) -> Suggestion | Rejected:
    """The best of a fill that fits: the whole, or what is left of it without what the text around it says already."""
    fill = fill.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in fill:
        return Rejected(Reason.BINARY)
    if reveals_secret(context, fill):
        return Rejected(Reason.SECRET)
    fill = in_scope(context, indented(context, fill))
    if not fill.strip():
        return Rejected(Reason.EMPTY)
    if loops(fill):
        return Rejected(Reason.LOOPS)
    check = SyntaxCheck(snapshot, context.brackets)
    reasons: list[Reason] = []
    for fitted in islice(fittings(context, fill), _MAX_FITTINGS):
        reason = _objection(context, check, fitted)
        if reason is None:
            return Suggestion(fitted.text.replace("\n", context.newline), fitted.swallowed)
        if reason is Reason.REPEATS_LINE_ABOVE:
            return Rejected(reason)  # and a shorter beginning of it would be no better
        reasons.append(reason)
    return Rejected(reasons[0])


def reveals_secret(context: Context, fill: str) -> bool:
    """Whether a fill holds a secret or goes on with one, or repeats one that stands around it."""
    prefix, suffix = context.gap.prefix, context.gap.suffix
    return reveals(prefix[-_SECRET_CHARS:], fill, context.line_suffix, known=prefix + suffix)


def longest_confident_prefix(pieces: Sequence[tuple[str, float]], threshold: float, context: Context) -> str:
    """The longest beginning of a fill of which every token's log probability is at least `threshold`.

    It ends where a token of the language ends, or a word in comments and strings; "" where there is no such place.
    `pieces` are those of `Infill.pieces`.
    """
    whole = "".join(text for text, _ in pieces)
    confident = "".join(text for text, _ in takewhile(lambda piece: piece[1] >= threshold, pieces))
    if confident == whole:
        return whole
    language, before = context.gap.language, "\n".join(context.gap.prefix.split("\n")[-_TOKEN_LINES:])
    if context.brackets.delimiter:
        language, before = "", ""
    ends = (end - len(before) for end in token_boundaries(language, before + whole))
    return confident[: max((end for end in ends if 0 < end <= len(confident)), default=0)]


def _objection(context: Context, check: SyntaxCheck, fitted: Fitted) -> Reason | None:
    """Why not to show it; the cheapest questions first."""
    text, right = fitted.text, context.gap.suffix[fitted.swallowed :]
    if not text.strip() or (text.strip() == context.line_suffix.strip() and not context.brackets.is_better_with(text)):
        return Reason.REPEATS_SUFFIX
    if says_next_line(context, fitted):
        return Reason.REPEATS_SUFFIX
    if repeats_line_above(context, fitted):
        return Reason.REPEATS_LINE_ABOVE
    if _is_word(text[-1]) and _is_word(right[:1]):
        return Reason.RUNS_TOGETHER
    if context.brackets.is_worse_with(text, fitted.swallowed):
        return Reason.UNBALANCED
    return Reason.PARSE_WORSE if check.is_worse_with(text, fitted.swallowed) else None


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
