"""The table of objections that a suggestion is judged by: what it says, and the lines that it would make."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from lacuna.engine.text.languages import LANGUAGES
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.infill.fitting import Fitted, lines_above
from lacuna.lsp_server.infill.following_lines import Following, Role, contradicted, repeated
from lacuna.lsp_server.infill.line_form import closes, comment_marks, form, has_word
from lacuna.lsp_server.infill.question import Question
from lacuna.lsp_server.infill.repetition import repeats_above
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.infill.syntax_check import SyntaxCheck
from lacuna.lsp_server.infill.tags import closes_nothing
from lacuna.lsp_server.lexing.indentation import leading, width
from lacuna.lsp_server.lexing.lexis import lexis_of

_QUOTES = "\"'`"
_EMPTY_ARGUMENT = re.compile(r"\(\s*,")
_QUOTED = re.compile(r"([\"'`])(?:\\.|(?!\1)[^\\\n])*\1")
_ARGUMENTS_MAY_BE_EMPTY = {"", "markdown", "c", "cpp", "haskell", "csharp", "html"}  # macros, sections, `<,>`, prose
_PREPROCESSED = re.compile(r"#|(?:[A-Z][A-Z0-9_]+(?:\(.*\))?[;\s]*)+$")  # a directive; macros alone
_COMMON_SQL = re.compile(r"(?:\s|--.*\n)*(?:select|insert|update|delete|with|create\s+table)\b", re.IGNORECASE)
_ENDS_HEAD = re.compile(r"[\w)\]>\"']$")
_BREAKS_OFF = re.compile(r"[\s,.+\-*/%=&|<>!?:^~(\[{\\]$")
_BEGUN_TAG = re.compile(r"</?[\w.:-]*$")
_ENOUGH = 400  # characters of what follows, in which the next code stands
_TAG_CHARS = 20_000  # before the cursor, in which tags were opened


@dataclass(frozen=True)
class Candidate:
    """One way to show a fill, or a beginning of one, at its place."""

    question: Question
    snapshot: Snapshot
    check: SyntaxCheck
    following: tuple[Following, ...]
    fitted: Fitted
    whole: str  # the fill that it is a beginning of, or all of

    @cached_property
    def rest(self) -> str:
        """What would stand behind it on its line."""
        return self.question.line_suffix[self.fitted.replaced :]

    @cached_property
    def lines(self) -> list[str]:
        """The lines that it would make."""
        return (self.question.line_prefix + self.fitted.text + self.rest).split("\n")

    @cached_property
    def after(self) -> str:
        """The text that would follow it."""
        return self.question.gap.suffix[self.fitted.replaced :]

    @property
    def language(self) -> str:
        """Of the document."""
        return self.question.gap.language

    def repeats(self, line: str) -> Following | None:
        """The line below that `line` says again."""
        return repeated(line, self.following, self.language)


def objection(candidate: Candidate) -> Reason | None:
    """Why not to show it: the first objection that holds."""
    return next((reason for reason, holds in OBJECTIONS if holds(candidate)), None)


def _changes_nothing(candidate: Candidate) -> bool:
    text, suffix = candidate.fitted.text, candidate.question.line_suffix
    if not text.strip() or text == suffix[: candidate.fitted.replaced]:
        return True
    return text.strip() == suffix.strip() and not candidate.question.brackets.is_better_with(text)


def _says_rest_of_line(candidate: Candidate) -> bool:
    """`f(a,| b)` and ` b,`: separators at the ends tell nothing."""
    text = candidate.fitted.text.strip(",; \t")
    rest = candidate.rest.lstrip(",; \t")
    if not has_word(text) or not rest.startswith(text) or "\n" in text:
        return False
    return not _is_word(rest[len(text) : len(text) + 1])


def _says_following_line(candidate: Candidate) -> bool:
    last = max((index for index, line in enumerate(candidate.lines) if line.strip()), default=0)
    for index, line in enumerate(candidate.lines):
        below = candidate.repeats(line)
        if below is None or (index < last and (not has_word(below.form) or below.role is Role.MARK)):
            continue  # signs behind which it goes on: brackets tell whether they are needed
        if (index == 0 or below.number == 0) and not _closes_what_is_open(candidate, below):
            return True
    return False


def _contradicts_following_line(candidate: Candidate) -> bool:
    innermost = candidate.question.brackets.innermost
    if candidate.question.brackets.delimiter:
        return False
    mark = innermost.mark if innermost is not None else ""
    last = next((line for line in reversed(candidate.lines) if line.strip()), "")
    return contradicted(last, candidate.following, candidate.language, mark) is not None


def _opens_what_next_line_opens(candidate: Candidate) -> bool:
    """`{` alone before `{`, and a list's `-` before `- a`: unless the line above shows that items are listed."""
    line, below = candidate.lines[-1], next(iter(candidate.following), None)
    mark, above = line.strip(), "".join(lines_above(candidate.question)[-1:]).rstrip()
    if below is None or not below.is_next or width(leading(line)) < below.columns:
        return False
    if mark in ("-", "*", "+") and candidate.language in ("yaml", "markdown"):
        return width(leading(line)) == below.columns and below.text.lstrip().startswith(f"{mark} ")
    return mark in ("{", "(", "[") and below.text.strip() == mark and _ENDS_HEAD.search(above) is not None


def _is_piece_of_following_line(candidate: Candidate) -> bool:
    """A beginning of a line that was refused because it says one below, or that broke off before it had said it."""
    if candidate.rest.strip():
        return False
    made, meant = candidate.lines, (candidate.question.line_prefix + candidate.whole).split("\n")
    last = made[-1].strip()
    line = meant[len(made) - 1] if len(made) <= len(meant) else ""
    if not last or not line.strip().startswith(last):
        return False
    return (line.strip() != last and _is_line_below(candidate, line)) or _breaks_off_in(candidate, line)


def _is_line_below(candidate: Candidate, line: str) -> bool:
    """Whether a line, however deep, is one that must not be said again, or is the first code below."""
    said, first = form(line, candidate.language), _first_code(candidate)
    return candidate.repeats(line) is not None or (first is not None and has_word(said) and said == first.form)


def _breaks_off_in(candidate: Candidate, line: str) -> bool:
    """Whether a line ends in the middle of the first code below: behind an operator, or in brackets."""
    said, first = form(line, candidate.language), _first_code(candidate)
    if first is None or not has_word(said) or not first.form.startswith(said) or first.form == said:
        return False
    return bool(_BREAKS_OFF.search(line)) or any(line.count(pair[0]) > line.count(pair[1]) for pair in ("()", "[]"))


def _first_code(candidate: Candidate) -> Following | None:
    return next((below for below in candidate.following if below.role is Role.CODE), None)


def _says_line_above(candidate: Candidate) -> bool:
    return bool(candidate.fitted.text.partition("\n")[0]) and repeats_above(
        lines_above(candidate.question), candidate.lines[0], candidate.language
    )


def _runs_together(candidate: Candidate) -> bool:
    return _is_word(candidate.fitted.text[-1:]) and _is_word(candidate.after[:1])


def _leaves_brackets_unmatched(candidate: Candidate) -> bool:
    return candidate.question.brackets.is_worse_with(candidate.fitted.text, candidate.fitted.replaced)


def _leaves_quotes_unmatched(candidate: Candidate) -> bool:
    """Where the language's strings are not known: a pair of quotes that the cursor stands in must stay a pair."""
    question = candidate.question
    quote = question.line_suffix[:1]
    if not quote or quote not in _QUOTES or quote in lexis_of(candidate.language).delimiters:
        return False
    if question.line_prefix.endswith(quote):  # whatever else stands on the line, and quotes of three
        text = candidate.fitted.text
        return _count(text, quote) % 2 == 1 or not text.strip(quote)
    whole = question.line_prefix + question.line_suffix
    made = candidate.lines[-1] if len(candidate.lines) == 1 else "".join(candidate.lines)
    return _count(whole, quote) % 2 == 0 and _count(made, quote) % 2 == 1


def _leaves_tags_unmatched(candidate: Candidate) -> bool:
    text = candidate.fitted.text
    begun = _BEGUN_TAG.search(candidate.question.line_prefix)
    if not any(sign in (begun[0] if begun else "") + text for sign in ("</", "/>")):
        return False
    before = candidate.snapshot.prefix(_TAG_CHARS)
    is_cut = len(before) == _TAG_CHARS
    now = closes_nothing(before + candidate.question.gap.suffix, is_cut)
    return closes_nothing(before + text + candidate.after, is_cut) > now


def _leaves_argument_empty(candidate: Candidate) -> bool:
    if candidate.language in _ARGUMENTS_MAY_BE_EMPTY or candidate.question.brackets.delimiter:
        return False
    now = candidate.question.line_prefix + candidate.question.line_suffix
    return _empty_arguments("\n".join(candidate.lines)) > _empty_arguments(now)


def _empty_arguments(text: str) -> int:
    return len(_EMPTY_ARGUMENT.findall(_QUOTED.sub('""', text)))


def _separates_nothing(candidate: Candidate) -> bool:
    """A comma before what ends the list, in languages that forbid it there."""
    row = LANGUAGES.get(candidate.language)
    if row is None or not candidate.fitted.text.rstrip().endswith(",") or candidate.question.brackets.delimiter:
        return False
    after = _code_after(candidate)
    if row.no_comma_before and re.match(row.no_comma_before, after, re.IGNORECASE):
        return True
    made = (candidate.question.line_prefix + candidate.fitted.text).rstrip()
    whole = made + ("\n" if not candidate.rest.strip() else " ") + after
    return bool(row.no_last_comma) and re.search(row.no_last_comma, whole, re.MULTILINE) is not None


def _parses_worse(candidate: Candidate) -> bool:
    return not _is_beyond_grammar(candidate) and candidate.check.is_worse_with(
        candidate.fitted.text, candidate.fitted.replaced
    )


def _is_beyond_grammar(candidate: Candidate) -> bool:
    """What a tree tells nothing about: C's preprocessor, SQL's dialects, what stands behind the end of a comment."""
    text = candidate.fitted.text.strip()
    if candidate.question.brackets.delimiter and closes(text):
        return True
    if candidate.language in ("c", "cpp"):
        return _PREPROCESSED.match((candidate.question.line_prefix + text).strip()) is not None
    if candidate.language != "sql":
        return False
    statement = (candidate.question.gap.prefix + text.rstrip(";")).rpartition(";")[2]
    return _COMMON_SQL.match(statement) is None


OBJECTIONS: tuple[tuple[Reason, Callable[[Candidate], bool]], ...] = (  # the cheapest first
    (Reason.REPEATS_SUFFIX, _changes_nothing),
    (Reason.REPEATS_SUFFIX, _says_rest_of_line),
    (Reason.REPEATS_SUFFIX, _says_following_line),
    (Reason.REPEATS_SUFFIX, _contradicts_following_line),
    (Reason.REPEATS_SUFFIX, _opens_what_next_line_opens),
    (Reason.REPEATS_SUFFIX, _is_piece_of_following_line),
    (Reason.REPEATS_LINE_ABOVE, _says_line_above),
    (Reason.RUNS_TOGETHER, _runs_together),
    (Reason.UNBALANCED, _leaves_brackets_unmatched),
    (Reason.UNBALANCED, _leaves_quotes_unmatched),
    (Reason.UNBALANCED, _leaves_tags_unmatched),
    (Reason.PARSE_WORSE, _leaves_argument_empty),
    (Reason.PARSE_WORSE, _separates_nothing),
    (Reason.PARSE_WORSE, _parses_worse),
)


def _closes_what_is_open(candidate: Candidate, below: Following) -> bool:
    """Two closers one below the other may both be needed; and a fence, where they are odd in number."""
    if below.role is Role.CLOSER and candidate.question.brackets.is_better_with(candidate.fitted.text):
        return True
    return below.form[:3] in ("```", "~~~") and _fences(candidate, below.form[:3]) % 2 == 1


def _fences(candidate: Candidate, mark: str) -> int:
    return sum(line.lstrip().startswith(mark) for line in str(candidate.snapshot.text).split("\n"))


def _code_after(candidate: Candidate) -> str:
    """What follows the candidate, from the first code on: behind white space, line ends and comments."""
    text = candidate.after[:_ENOUGH].lstrip()
    marks = comment_marks(candidate.language)
    while mark := _begins_with(text, list(marks)):
        _, _, text = text[len(mark) :].partition(marks[mark])
        text = text.lstrip()
    return text


def _begins_with(text: str, marks: Sequence[str]) -> str:
    return next((mark for mark in marks if text.startswith(mark)), "")


def _count(line: str, quote: str) -> int:
    return line.count(quote) - line.count("\\" + quote)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
