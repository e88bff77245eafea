"""Post-processing: a fill is cut to its scope, fitted to the text around it, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile

from lacuna.engine.text.syntax import token_boundaries
from lacuna.engine.untrusted.secrets import reveals
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.infill.fitting import fittings
from lacuna.lsp_server.infill.following_lines import following_lines
from lacuna.lsp_server.infill.judgement import Candidate, objection
from lacuna.lsp_server.infill.question import Question
from lacuna.lsp_server.infill.repetition import loops
from lacuna.lsp_server.infill.scope import in_scope, indented
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion
from lacuna.lsp_server.infill.syntax_check import SyntaxCheck

_MAX_FITTINGS = 12  # most of them fail before they are parsed
_SECRET_CHARS = 3000  # before the cursor, in which a secret may have begun that a fill goes on with: a key has lines
_BROKEN = (Reason.UNBALANCED, Reason.PARSE_WORSE)
_TOKEN_LINES = 20  # before the cursor, that are read to find the tokens of a fill


def postprocess(question: Question, snapshot: Snapshot, fill: str, whole: str | None = None) -> Suggestion | Rejected:
    """The best of a fill that fits: the whole, or what is left of it without what the text around it says already.

    `whole` is the fill that `fill` is a beginning of, where it is one.
    """
    beginning = plain(fill)
    if "\0" in beginning:
        return Rejected(Reason.BINARY)
    if reveals_secret(question, beginning):
        return Rejected(Reason.SECRET)
    beginning = in_scope(question, indented(question, beginning))
    if not beginning.strip():
        return Rejected(Reason.EMPTY)
    if loops(beginning):
        return Rejected(Reason.LOOPS)
    meant = beginning if whole is None else in_scope(question, indented(question, plain(whole)))
    check, following = SyntaxCheck(snapshot, question.brackets), following_lines(question)
    reasons: list[Reason] = []
    for fitted in islice(fittings(question, beginning, following), _MAX_FITTINGS):
        reason = objection(Candidate(question, snapshot, check, following, fitted, meant))
        if reason is None:
            return Suggestion(fitted.text.replace("\n", question.newline), fitted.replaced)
        if reason is Reason.REPEATS_LINE_ABOVE:
            return Rejected(reason)  # and a shorter beginning of it would be no better
        reasons.append(reason)
    return Rejected(reasons[0])


def could_stand(question: Question, snapshot: Snapshot, fill: str) -> bool:
    """Whether the syntax would be no worse with a fill, or with what is left of it: the search prunes what breaks
    it."""
    result = postprocess(question, snapshot, fill)
    return not (isinstance(result, Rejected) and result.reason in _BROKEN)


def reveals_secret(question: Question, fill: str) -> bool:
    """Whether a fill holds a secret or goes on with one, or repeats one that stands around it."""
    prefix, suffix = question.gap.prefix, question.gap.suffix
    return reveals(prefix[-_SECRET_CHARS:], fill, question.line_suffix, known=prefix + suffix)


def longest_confident_prefix(pieces: Sequence[tuple[str, float]], threshold: float, question: Question) -> str:
    """The longest beginning of a fill of which every token's log probability is at least `threshold`.

    It ends where a token of the language ends, or a word in comments and strings; "" where there is no such place.
    `pieces` are those of `Infill.pieces`.
    """
    whole = "".join(text for text, _ in pieces)
    confident = "".join(text for text, _ in takewhile(lambda piece: piece[1] >= threshold, pieces))
    if confident == whole:
        return whole
    return confident[: max((end for end in _token_ends(whole, question) if end <= len(confident)), default=0)]


def unbroken(fill: str, question: Question) -> str:
    """What is whole of a fill that ran out of tokens: its lines but for the last one, which may go on; of a single line
    its tokens but for the last one. All of it where it has as many lines as were asked for."""
    gap = question.gap
    if gap.max_lines and fill.count("\n") >= gap.max_lines:
        return fill
    if gap.prefix.endswith("\n") and not gap.suffix.startswith("\n"):
        fill = fill.removesuffix("\n")  # no line has ended there: this one keeps the fill off the line below
    lines = fill.rpartition("\n")[0]
    if lines.strip():
        return lines
    return fill[: max((end for end in _token_ends(fill, question) if end < len(fill)), default=0)]


def _token_ends(fill: str, question: Question) -> list[int]:
    """Where a fill can be cut without cutting a token of the language."""
    language, before = question.gap.language, "\n".join(question.gap.prefix.split("\n")[-_TOKEN_LINES:])
    if question.brackets.delimiter:
        language, before = "", ""
    return [end - len(before) for end in token_boundaries(language, before + fill) if end > len(before)]
