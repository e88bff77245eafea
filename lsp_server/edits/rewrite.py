"""Rewrites a block by an instruction: the model is given it without its indentation, which its answer then gets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import dedent

from lacuna.engine.api import RewriteRequest
from lacuna.engine.untrusted.secrets import secrets
from lacuna.lsp_server.documents.plain_text import offset_in, plain
from lacuna.lsp_server.documents.store import Document
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.lexing.indentation import leading, moved, unit_of, width, with_unit
from lacuna.lsp_server.model.worker import Worker


@dataclass(frozen=True)
class Rewrite:
    """What is rewritten: `code` between `start` and `end`, where a first line that begins its line is whole."""

    start: Place
    end: Place
    code: str
    prefix: str
    suffix: str
    language: str
    newline: str

    @classmethod
    def of(cls, document: Document, start: Place, end: Place) -> Rewrite | None:
        """A selection, from the start of its first line if only white space stands before it; None if it is blank."""
        text = document.text
        start, end = min(start, end), max(start, end)
        if not text.line(start.line)[: start.column].strip():
            start = Place(start.line, 0)
        code = plain(text.between(start, end)).rstrip()
        if not code.strip():
            return None
        end = text.place_at(text.offset(start) + len(text.between(start, end).rstrip()))
        whole, first, last = plain(text), start, end
        return cls(
            start,
            end,
            code,
            prefix=whole[: offset_in(whole, first)],
            suffix=whole[offset_in(whole, last) :],
            language=document.language,
            newline=text.newline,
        )


async def rewritten(rewrite: Rewrite, instruction: str, worker: Worker) -> Replacement | Reason:
    """The code as the model wants it, or why that is not shown. Raises ModelError."""
    request = RewriteRequest(instruction, dedent(rewrite.code), rewrite.prefix, rewrite.suffix, rewrite.language)
    return replacement_of(rewrite, await worker.rewrite(request))


def replacement_of(rewrite: Rewrite, answer: str) -> Replacement | Reason:
    """An answer in the form of the document, or why it is not shown."""
    text = _indented(answer.strip("\n").rstrip(), rewrite)
    if not text.strip():
        return Reason.EMPTY
    if text == rewrite.code:
        return Reason.AS_IT_IS
    if _brings_secret(text, rewrite.code):
        return Reason.SECRET
    return Replacement(text.replace("\n", rewrite.newline), rewrite.start, rewrite.end)


def _brings_secret(text: str, code: str) -> bool:
    """Whether there are secrets in it that are not in the code, which the user may well have rewritten around them."""
    come, gone = Counter(one.value for one in secrets(text)), Counter(one.value for one in secrets(code))
    return come > Counter() and not come <= gone


def _indented(answer: str, rewrite: Rewrite) -> str:
    """The answer as deep as the code was, in the file's own kind of white space."""
    unit = unit_of(rewrite.code.split("\n") + rewrite.prefix.split("\n")[-100:], rewrite.language)
    lines = with_unit(dedent(plain(answer)).split("\n"), unit)
    margin = min((width(leading(line)) for line in rewrite.code.split("\n") if line.strip()), default=0)
    return "\n".join(moved(lines, margin, unit))
