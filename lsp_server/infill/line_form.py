"""The form in which lines are compared: white space, separators and a comment behind the code make no difference."""

from __future__ import annotations

import re

from lacuna.engine.text.languages import LANGUAGES

_SPACE_BESIDE_SIGN = re.compile(r"(?<=[^\w\s])\s+|\s+(?=[^\w\s])")
_SEPARATORS_BEFORE = re.compile(r"^(?:,|\|(?![|>=]))\s*")  # SQL and Haskell begin lines with them, too
_SEPARATORS_BEHIND = re.compile(r"[,;\s\\]+$")
_VALUE = re.compile(r"(?<![\w.])(?:[-+]?\.?\d[\w.]*|true|false|null|none|nil|nan|undefined)(?![\w.])", re.IGNORECASE)
_BARE_VALUE = re.compile(r"\"\"|''|\[\]|\{\}|\(\)|_|-|\.|")
_OPENING_END = re.compile(r"[\[{(:]$")
_OPENING_WORD = re.compile(
    r"[)}\s]*(?:else|then|do|begin|try|finally|ensure|rescue|catch|default|loop|repeat|otherwise|let|in|where|of)"
)
_SECTION = re.compile(r"\[.*\]|#+ .*")
_HEAD_OF_MANY = re.compile(
    r"[^\w\"'`]*(?:(?:else|try|finally|then|do|begin|loop|unsafe|ensure|rescue|catch|default|async|static|public|private"
    r"|protected|function|func|fn|fun|lambda|proc|return|new|void|const|in)\b[^\w\"'`]*)*|[\"']?[\w.$-]+[\"']?\s*:\s*[{\[(|>]?"
)
_TAG = re.compile(r"<[\w.:-]+\s*>|<>")
_CLOSING_WORD = r"end(?:[ _]?\w+)?|fi|done|esac|od"
_CLOSERS = re.compile(
    rf"[)\]}}>]+[)\]}}>;,.]*|(?:{_CLOSING_WORD})[);,.]*|(?:</[\w.:-]*>[)}};,]*\s*)+|/>[)}};,]*|\*/|-->|\{{/\w+\}}"
    r"|\{%-?\s*end\w*\s*-?%\}|#\s*end(?:if|region)\b.*",
    re.IGNORECASE,
)
_RULER = re.compile(r"([^\w\s`~])\1{3,}")
_MARK = re.compile(
    r"@[\w.:]+(?:\(.*\))?|@(?:doc|spec|impl|moduledoc|typedoc|deprecated)\b.*|#!?\[.*\]|\[(?:\w+:\s*)?[A-Z][\w.]*(?:\(.*\))?\]"
    r"|(?:public|private|protected|signals|slots|Q_SIGNALS)(?:\s+\w+)?\s*:|\"\"\".+\"\"\"|template\s*<.*>"
)
_KEY = re.compile(
    r"(?:(?:val|var|pub|public|private|protected|readonly|override|mut|final)\s+)*"
    r"(?P<key>\.?[\w$]+[\w$-]*|\"[^\"]+\"|'[^']+'|:\w+)\??\s*(?P<sign>:(?![:=])|=>|->|=(?![=>~])|$)\s*(?P<value>.*)"
)
_ATTRIBUTE = re.compile(r"([\w:@.-]+)=[\"'{][^<]*")
_MARKUP = {"", "html", "tsx", "javascript", "markdown", "php"}
_DATA = {"yaml", "toml", "json"}  # where a key may stand once without brackets around it, too
_REPEATABLE = {"css", "markdown"}  # the last of them that a browser knows counts
_JUMP = re.compile(
    r"(?:pass|break|continue|return|yield|raise|throw|next|redo|retry|fallthrough|exit|leave|unreachable)"
    r"(?:[( ]*(?:None|null|nil|undefined|true|false|True|False|void|-?\d+)?\)*)?"
)


def form(line: str, language: str) -> str:
    """A line without indentation, separators at its ends and a comment behind it, white space folded."""
    code = _without_comment(line, language)
    folded = _SPACE_BESIDE_SIGN.sub("", " ".join(code.split()))
    bare = _SEPARATORS_BEFORE.sub("", _SEPARATORS_BEHIND.sub("", folded)) or folded
    return bare if any(map(str.isalnum, bare)) else _RULER.sub(r"\1\1\1", bare)


def without_last_closers(form: str) -> str:
    """Up to where it closes what other lines have opened: `height` of `height):`."""
    depth = 0
    for index, character in enumerate(form):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return _SEPARATORS_BEHIND.sub("", form[:index])
    return form


def has_word(form: str) -> bool:
    """Whether it says something that lists do not say over and over: rows of numbers, `null` or `""` do not."""
    return any(character.isalpha() for character in _VALUE.sub("", form))


def is_value(form: str) -> bool:
    """Whether it is nothing but values that stand in lists more than once: numbers, `true`, `""`, `[]`."""
    if any(character.isdigit() for character in form) or _VALUE.search(form):
        return not has_word(form)
    return _BARE_VALUE.fullmatch(form) is not None


def closes(line: str) -> bool:
    """Whether a line only closes what lines above have opened: brackets, `end`, an end tag, the end of a comment."""
    return _CLOSERS.fullmatch(line.strip()) is not None


def opens(line: str) -> bool:
    """Whether a line opens something that the lines below belong to."""
    bare = line.strip()
    return _OPENING_END.search(bare) is not None or _OPENING_WORD.fullmatch(bare) is not None or is_tag(bare)


def opens_like_many(line: str) -> bool:
    """Whether it opens what many blocks have inside each other: `else {`, `function () {`, a key alone."""
    return _HEAD_OF_MANY.fullmatch(line.strip()) is not None or is_tag(line)


def opens_section(line: str) -> bool:
    """Whether the lines below belong to it though they may stand no deeper: `[section]`, `case 1:`, `# Title`."""
    return opens(line) or _SECTION.fullmatch(line.strip()) is not None


def is_mark(line: str) -> bool:
    """Whether it says something of the declaration below: a decorator, an attribute, `private:`, a text about it."""
    return _MARK.fullmatch(line.strip()) is not None


def is_same_entry(line: str, below: str, language: str, bracket: str) -> bool:
    """Whether two lines give one key its value: what may stand once in an object, a list of parameters, a tag.

    `bracket` is the one that they stand in.
    """
    if language in _MARKUP:
        attributes = _ATTRIBUTE.fullmatch(line.strip()), _ATTRIBUTE.fullmatch(below.strip())
        if attributes[0] and attributes[1]:
            return attributes[0][1] == attributes[1][1]
    if language in _REPEATABLE or not (bracket or language in _DATA):
        return False
    said, there = _KEY.fullmatch(line.strip()), _KEY.fullmatch(below.strip())
    if said is None or there is None or _unquoted(said["key"]) != _unquoted(there["key"]):
        return False
    if not said["sign"] and not there["sign"]:
        return False
    return _is_entry(there, below, bracket, language) and (
        said["sign"] == "" or _is_entry(said, line, bracket, language)
    )


def _is_entry(match: re.Match[str], line: str, bracket: str, language: str) -> bool:
    """Not a statement or a label."""
    if match["key"] in ("default", "case") or line.rstrip().endswith(";"):
        return False
    if match["sign"] in (":", "=>", "->"):
        return match["sign"] == ":" or (bracket != "" and match["value"] != "")
    return bracket in ("(", "[") or language in _DATA or language == "lua" or match["key"][0] == "."


def _unquoted(key: str) -> str:
    return key.strip("\"'")


def is_tag(line: str) -> bool:
    """Whether it is a start tag alone, without attributes."""
    return _TAG.fullmatch(line.strip()) is not None


def jumps(form: str) -> bool:
    """Whether it only leaves where it is, as lines of different blocks often do one below the other."""
    return _JUMP.fullmatch(form) is not None


def comment_marks(language: str) -> dict[str, str]:
    """What begins a comment -> what ends it; of a language that the table has not, what many have."""
    row = LANGUAGES.get(language)
    if row is None:
        return {"//": "\n", "#": "\n", "/*": "*/", "<!--": "-->"}
    marks = {row.line_comment: "\n"} if row.line_comment else {}
    return marks | _LONG_COMMENTS.get(row.comment_end, {})


_LONG_COMMENTS = {
    "*/": {"/*": "*/"},
    "-->": {"<!--": "-->", "/*": "*/"},  # and scripts and styles in it
    "]]": {"--[[": "]]"},
    "-}": {"{-": "-}"},
    "*)": {"(*": "*)"},
    "=#": {"#=": "=#"},
}


def with_one_kind_of_quotes(form: str) -> str:
    """For comparing: `'a'` and `"a"` are the same but to a few languages."""
    return form.replace("'", '"')


def _without_comment(line: str, language: str) -> str:
    """Without a comment that runs to the end of the line, unless it is all that there is."""
    row = LANGUAGES.get(language)
    mark = row.line_comment if row is not None else ""
    at = line.rfind(f" {mark} ") if mark else -1
    before = line[: max(at, 0)]
    quoted = any(before.count(quote) % 2 for quote in "\"'`")
    return line if quoted or not before.strip() or before.lstrip().startswith(mark) else before
