"""Snippets: pieces of other open documents that speak of what stands around the cursor, ranked with BM25."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from lacuna.engine.api import Snippet
from lacuna.engine.untrusted.secrets import without_secrets
from lacuna.lsp_server.documents.exclude import Exclusion, short_path
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.store import Document, Snapshot
from lacuna.lsp_server.documents.text import Text

MAX_SNIPPETS = 3
MAX_CHARS = 600  # of one snippet
WINDOW = 1000  # characters that are typed before snippets are chosen anew
_MAX_DOCUMENTS = 8
_MAX_CHUNKS = 60  # per document; indexing 480 chunks takes 20 ms, once per window
_MAX_CHARS_READ = 2 * _MAX_CHUNKS * MAX_CHARS  # per document
MAX_LINE = 2000  # characters
_QUERY_CHARS = 1500
_REMEMBERED = 32  # windows
_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
# Words that are everywhere and tell nothing, in any language.
_COMMON = {
    "and", "args", "async", "await", "bool", "break", "case", "catch", "char", "class", "const", "continue", "def",
    "default", "double", "elif", "else", "except", "export", "extends", "false", "False", "final", "finally", "float",
    "for", "from", "func", "function", "import", "include", "int", "interface", "kwargs", "len", "let", "long", "match",
    "mut", "new", "nil", "None", "not", "null", "print", "private", "public", "raise", "range", "return", "self",
    "static", "std", "str", "string", "String", "struct", "super", "switch", "this", "throw", "true", "True", "try",
    "type", "use", "var", "void", "while", "with", "yield",
}  # fmt: skip


@dataclass(frozen=True)
class _Chunk:
    snippet: Snippet
    words: tuple[str, ...]


class Snippets:
    """Chooses snippets once per window, so that typing on leaves the head of what the engine has read as it is.

    Where there were none, the next request looks again: what is typed meanwhile may be spoken of elsewhere.
    """

    def __init__(self, exclusion: Exclusion) -> None:
        self._exclusion = exclusion
        self._chunks: dict[str, tuple[Text, list[_Chunk]]] = {}  # by URI, of a text
        self._chosen: dict[tuple[str, int, frozenset[str]], tuple[Snippet, ...]] = {}

    def choose(self, snapshot: Snapshot, documents: Iterable[Document]) -> tuple[Snippet, ...]:
        """At most MAX_SNIPPETS pieces of other documents (the one used last first), the most useful last."""
        others = list(islice((other for other in documents if other.uri != snapshot.uri), _MAX_DOCUMENTS))
        window = (snapshot.uri, snapshot.offset // WINDOW, frozenset(other.uri for other in others))
        known = self._chosen.get(window)
        if known is not None:
            return known
        chosen = _best(self._all_chunks(snapshot, others), _words_near(snapshot))
        if chosen:
            if len(self._chosen) >= _REMEMBERED:
                del self._chosen[next(iter(self._chosen))]
            self._chosen[window] = chosen
        return chosen

    def _all_chunks(self, snapshot: Snapshot, others: list[Document]) -> list[_Chunk]:
        usable = [
            other
            for other in others
            if self._exclusion.reason(other.uri) is None
            and not any(other.text is cell for cell in snapshot.cells_before)  # those are in the prefix already
        ]
        self._chunks = {other.uri: self._chunks_of(other) for other in usable}
        return [chunk for _, chunks in self._chunks.values() for chunk in chunks]

    def _chunks_of(self, other: Document) -> tuple[Text, list[_Chunk]]:
        known = self._chunks.get(other.uri)
        # Its version says less: a document that is opened again begins anew.
        if known is not None and known[0] is other.text:
            return known
        path = short_path(other.uri)
        return other.text, [_Chunk(Snippet(text, path), _words(text)) for text in _pieces(other.text)]


def _best(chunks: list[_Chunk], query: frozenset[str]) -> tuple[Snippet, ...]:
    """A chunk that shares but one word with the query is there by chance."""
    chunks = [chunk for chunk in chunks if len(query.intersection(chunk.words)) >= 2]
    if not chunks:
        return ()
    import bm25s  # with it scipy: 100 ms and 14 MB, which nobody needs who has one document open

    index = bm25s.BM25()
    index.index([list(chunk.words) for chunk in chunks], show_progress=False)
    scores = index.get_scores(sorted(query))
    ranked = sorted(range(len(chunks)), key=lambda i: float(scores[i]), reverse=True)
    best = (chunks[i].snippet for i in ranked[:MAX_SNIPPETS])
    # Of equal texts, say a file and its copy, one is enough.
    return tuple({snippet.text: snippet for snippet in best}.values())[::-1]


def _pieces(text: Text) -> Iterator[str]:
    """The text's head in pieces of whole lines, cut where a blank line or a line without indentation allows it.

    Lines that hold secrets are left out.
    """
    piece = ""
    pieces = 0
    head = [plain(line) for line in _head(text)]
    for line in without_secrets(head):
        starts_anew = len(piece) > MAX_CHARS // 2 and line[:1].strip() != ""
        if piece and (starts_anew or len(piece) + len(line) > MAX_CHARS):
            yield piece.strip("\n") + "\n"
            piece, pieces = "", pieces + 1
            if pieces == _MAX_CHUNKS:
                return
        piece += line[:MAX_CHARS]
    if piece.strip():
        yield piece.strip("\n") + "\n"


def _head(text: Text) -> Iterator[str]:
    """Lines that are likely to be enough for all pieces. Longer ones are data; a part of one is read."""
    left = _MAX_CHARS_READ
    for line in text.lines(0, _MAX_CHUNKS * 40):
        yield line if len(line) <= MAX_LINE else line[:MAX_LINE] + "\n"
        left -= min(len(line), MAX_LINE)
        if left < 0:
            return


def _words_near(snapshot: Snapshot) -> frozenset[str]:
    near = snapshot.prefix(_QUERY_CHARS) + "\n" + snapshot.suffix(_QUERY_CHARS // 3)
    return frozenset(_words(near))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in _IDENTIFIER.findall(text) if word not in _COMMON)
