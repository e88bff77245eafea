"""The open documents, the notebooks that some are cells of, and frozen snapshots of a document for one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lacuna.engine.text.languages import language_of
from lacuna.engine.text.syntax import Tree
from lacuna.lsp_server.documents.surrogates import LoneSurrogates, halves, is_high, is_low, joined
from lacuna.lsp_server.documents.syntax_tree import NO_TREE, DocumentTree, ParsedTree, can_have_tree, tree_edit
from lacuna.lsp_server.documents.text import Edit, Encoding, Place, Position, Text, without_surrogates

# A request waits so long for the tree of the latest text; files up to some 2,000 lines are parsed again in less.
TREE_DEADLINE_MS = 4.0


class UnknownDocument(LookupError):
    """A message was about a document that is not open."""


@dataclass(frozen=True)
class Snapshot:
    """A document as it was when a request came in, with the cursor. Nothing in it ever changes.

    Lines and columns are 0-based; columns count Python characters. Lines end at `\\n`, `\\r\\n` and `\\r` only.
    """

    uri: str
    version: int
    language: str  # a name of the table in engine/text/languages.py; "" where none is known
    text: Text
    line: int  # of the cursor
    column: int  # of the cursor
    parsed: ParsedTree = NO_TREE
    cells_before: tuple[Text, ...] = ()  # of the same notebook and language, in order

    @property
    def tree(self) -> Tree | None:
        """None: no grammar, the document is too large, or its first parse is still under way."""
        return self.parsed.tree

    @property
    def tree_is_fresh(self) -> bool:
        """False: the tree is an older one, its nodes moved by the edits since."""
        return self.parsed.is_fresh

    @property
    def place(self) -> Place:
        """The cursor."""
        return Place(self.line, self.column)

    @property
    def newline(self) -> str:
        """The line end that most lines of the document have: `"\\n"` or `"\\r\\n"`; `"\\n"` where none has one."""
        return self.text.newline

    @property
    def offset(self) -> int:
        """The cursor as an index into `str(self.text)`."""
        return self.text.offset(self.place)

    @property
    def byte_offset(self) -> int:
        """The cursor as an offset into the UTF-8 text: what `tree` counts in."""
        return self.text.point(self.place).byte

    @property
    def current_line(self) -> str:
        """The cursor's line without its line end."""
        return self.text.line(self.line)

    def prefix(self, max_chars: int) -> str:
        """The last `max_chars` characters before the cursor (fewer at the document's start), line ends as they are."""
        return self.text.before(self.place, max_chars)

    def suffix(self, max_chars: int) -> str:
        """The first `max_chars` characters after the cursor (fewer at the document's end), line ends as they are."""
        return self.text.after(self.place, max_chars)

    def insert(self, text: str, deadline_ms: float = TREE_DEADLINE_MS) -> Snapshot:
        """The document as if `text` had been typed at the cursor, the cursor after it.

        Its tree is parsed if that is likely to be done in `deadline_ms`; else `tree_is_fresh` is False.
        """
        text = without_surrogates(text)
        changed = self.text.replace(self.place, self.place, text)
        place = changed.place_at(self.offset + len(text))
        parsed = NO_TREE
        if self.tree is not None and can_have_tree(self.language, changed):
            tree = DocumentTree(self.language, self.text, self.parsed)
            tree.edit(tree_edit(self.text, self.place, self.place, text), changed)
            parsed = tree.get(deadline_ms)
        return replace(self, text=changed, line=place.line, column=place.column, parsed=parsed)


class Document:
    """One open text document, or one cell of a notebook."""

    def __init__(self, uri: str, language_id: str, version: int, text: str) -> None:
        self.uri = uri
        self.language_id = language_id  # the editor's name of the language
        self.language = language_of(language_id, uri)
        self.version = version
        self._set_text(text)

    @property
    def text(self) -> Text:
        """The text, immutable: every change makes a new one."""
        return self._text

    def change(self, version: int, edits: Sequence[Edit], encoding: Encoding) -> None:
        """Apply the edits of one notification, each to what the one before it left."""
        for edit in edits:
            if edit.start is None or edit.end is None:
                self._set_text(edit.text)
            else:
                start, end = sorted((self._cut(edit.start, encoding), self._cut(edit.end, encoding)))
                self._change(start, end, edit.text)
        self.version = version

    def tree(self, deadline_ms: float = TREE_DEADLINE_MS) -> ParsedTree:
        """The syntax tree; if `deadline_ms` is likely to be enough, that of the present text."""
        return self._tree.get(deadline_ms) if self._tree is not None else NO_TREE

    @property
    def is_parsed(self) -> bool:
        """Whether the tree is that of the present text, or there can be none."""
        return self._tree is None or self._tree.is_fresh

    def parse_on(self, budget_ms: float) -> None:
        """Parse for about `budget_ms`, unless `is_parsed` before."""
        if self._tree is not None:
            self._tree.advance(budget_ms)

    def snapshot(self, position: Position, encoding: Encoding, deadline_ms: float = TREE_DEADLINE_MS) -> Snapshot:
        """The document as it is now, with the cursor at `position`, or at the place nearest to it in the text."""
        line, column = self._text.place(position, encoding)
        return Snapshot(self.uri, self.version, self.language, self._text, line, column, self.tree(deadline_ms))

    def _set_text(self, text: str) -> None:
        text = joined(text)
        self._surrogates = LoneSurrogates(text)
        self._text = Text(text)
        self._tree = self._new_tree(self._text)

    def _new_tree(self, text: Text) -> DocumentTree | None:
        return DocumentTree(self.language, text) if can_have_tree(self.language, text) else None

    def _cut(self, position: Position, encoding: Encoding) -> tuple[Place, bool]:
        """Where an edit begins or ends; True: between the two halves of the character there.

        Only UTF-16 knows such positions: what clients count in UTF-8 and UTF-32 has no halves.
        """
        place = self._text.place(position, encoding)
        if encoding != "utf-16" or place.line != position.line or place.column >= len(self._text.line(place.line)):
            return place, False
        return place, self._text.position(place, encoding).character < position.character

    def _change(self, start: tuple[Place, bool], end: tuple[Place, bool], new: str) -> None:
        """Replace what lies between two cuts; a half that is left, or comes, meets the half beside it."""
        (first, splits_first), (last, splits_last) = start, end
        new = joined(new)
        if splits_first:
            new = halves(self._character(first))[0] + new
        if splits_last:
            new += halves(self._character(last))[1]
            last = last._replace(column=last.column + 1)
        offset, stop = self._text.offset(first), self._text.offset(last)
        before, after = self._surrogates.at(offset - 1), self._surrogates.at(stop)
        if is_high(before) and is_low(new or after):
            first, offset, new = first._replace(column=first.column - 1), offset - 1, before + new
        if is_high(new) and is_low(after):
            last, stop, new = last._replace(column=last.column + 1), stop + 1, new + after
        new = joined(new)
        self._surrogates.replace(offset, stop, new)
        self._replace(first, last, without_surrogates(new))

    def _character(self, place: Place) -> str:
        return self._text.line(place.line)[place.column]

    def _replace(self, start: Place, end: Place, new: str) -> None:
        old, self._text = self._text, self._text.replace(start, end, new)
        if self._tree is None or not can_have_tree(self.language, self._text):
            self._tree = self._new_tree(self._text)
        else:
            self._tree.edit(tree_edit(old, start, end, new), self._text)


class DocumentStore:
    """The documents that the editor has open, by URI."""

    def __init__(self, encoding: Encoding = "utf-16") -> None:
        self.encoding = encoding  # of positions, as negotiated
        self._documents: dict[str, Document] = {}  # the one that was used last stands last
        self._notebooks: dict[str, list[str]] = {}  # notebook -> its cells' URIs, in order

    def __iter__(self) -> Iterator[Document]:
        """The open documents, the one that was used last first."""
        return iter(list(reversed(self._documents.values())))

    def get(self, uri: str) -> Document:
        """An open document. Raises UnknownDocument."""
        if uri not in self._documents:
            raise UnknownDocument(f"the document is not open: {uri}")
        return self._documents[uri]

    def has(self, text: Text) -> bool:
        """Whether an open document is as it was when it had this text."""
        return any(document.text is text for document in self._documents.values())

    def open(self, uri: str, language_id: str, version: int, text: str) -> Document:
        """A document or a cell was opened; one that was open already starts afresh."""
        self._documents.pop(uri, None)
        self._documents[uri] = Document(uri, language_id, version, text)
        return self._documents[uri]

    def change(self, uri: str, version: int, edits: Sequence[Edit]) -> Document:
        """A document or a cell was edited. Raises UnknownDocument."""
        document = self.get(uri)
        document.change(version, edits, self.encoding)
        self._documents[uri] = self._documents.pop(uri)
        return document

    def close(self, uri: str) -> None:
        """A document or a cell was closed. Raises UnknownDocument."""
        self.get(uri)
        del self._documents[uri]

    def open_notebook(self, uri: str, cells: Sequence[str]) -> None:
        """A notebook was opened: the URIs of its cells in order. The cells are opened as documents, each by itself."""
        self._notebooks[uri] = list(cells)

    def change_notebook(self, uri: str, start: int, delete_count: int, cells: Sequence[str]) -> None:
        """Cells were put in, taken out or moved; their documents open and close apart. Raises UnknownDocument."""
        if uri not in self._notebooks:
            raise UnknownDocument(f"the notebook is not open: {uri}")
        self._notebooks[uri][start : start + delete_count] = cells

    def close_notebook(self, uri: str) -> None:
        """A notebook was closed, and with it what is still open of its cells. Raises UnknownDocument."""
        if uri not in self._notebooks:
            raise UnknownDocument(f"the notebook is not open: {uri}")
        for cell in self._notebooks.pop(uri):
            self._documents.pop(cell, None)

    def snapshot(self, uri: str, position: Position, deadline_ms: float = TREE_DEADLINE_MS) -> Snapshot:
        """A document as it is now, and the notebook's cells before it if it is a cell. Raises UnknownDocument."""
        document = self.get(uri)
        snapshot = document.snapshot(position, self.encoding, deadline_ms)
        cells = (self._documents.get(cell) for cell in self._cells_before(uri))
        before = tuple(cell.text for cell in cells if cell is not None and cell.language == document.language)
        return replace(snapshot, cells_before=before) if before else snapshot

    def parse_on(self, budget_ms: float) -> bool:
        """Parse one document, the last used first, for about `budget_ms`. Returns whether all were parsed already.

        For when nothing else is to be done: between two slices others get the thread, and the GIL.
        """
        waiting = next((document for document in self if not document.is_parsed), None)
        if waiting is not None:
            waiting.parse_on(budget_ms)
        return waiting is None

    def _cells_before(self, uri: str) -> list[str]:
        for cells in self._notebooks.values():
            if uri in cells:
                return cells[: cells.index(uri)]
        return []
