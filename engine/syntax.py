"""Tree-sitter, and the table of languages: parsers by name, parses in slices, and questions about a tree.

Everything here counts in UTF-8 bytes, as tree-sitter does; `token_boundaries` alone counts in characters.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import accumulate

import tree_sitter
from tree_sitter import Node, Parser, Point, Tree

Reader = Callable[[int, Point], bytes]  # (byte offset, ...) -> some of the text from there on; b"" at its end


class Kind(Enum):
    """What a node is to us. The value matches the node types of the kind in languages whose row has no pattern of its own."""

    # Besides these, every named child of a block or of the root: in Rust, Ruby or Elixir a statement is any expression.
    STATEMENT = r"(?!.*(parameter|argument|compound))(\w+_)?(statement|declaration|definition|item|directive|assignment)"
    BLOCK = r"(?!heredoc|nowdoc)(\w+_)?(block|body|(declaration|variant|enumerator)_list)|compound_statement"
    FUNCTION = (
        r"(\w+_)?(function|method|constructor)_(definition|declaration|item|expression)|(\w+_)?lambda(_(expression|literal))?"
        r"|(anonymous|arrow|generator)_function"
    )
    ARGUMENTS = r"(\w+_)?(arguments|argument_list|parameters|parameter_list)"
    STRING = r"(?!concatenated)(\w+_)?(string|char|character|heredoc)(_(literal|value|expression))?"
    COMMENT = r"(\w+_)?comment"


@dataclass(frozen=True)
class Language:
    """One row of the table."""

    name: str
    module: str  # the grammar's Python module; its package is named the same, with "-" for "_"
    line_comment: str  # what begins a comment that runs to the end of the line; "" where there is none
    extensions: tuple[str, ...]  # ends of file names
    ids: tuple[str, ...] = ()  # LSP's languageIds and the editors' file types, besides `name`
    function: str = "language"  # of the module: returns the grammar
    comment_end: str = ""  # what closes a comment that does not run to the end of the line
    brackets: str = "()[]{}"
    quotes: str = "\"'"
    patterns: Mapping[Kind, str] = field(default_factory=dict)  # own patterns of node types


_S, _B, _F, _A, _T = Kind.STATEMENT, Kind.BLOCK, Kind.FUNCTION, Kind.ARGUMENTS, Kind.STRING
_TS_BLOCKS = {_B: r"statement_block|(class|interface|enum|switch)_body|object_type"}

_ROWS = (
    Language("python", "tree_sitter_python", "#", (".py", ".pyi", ".pyw"),
             patterns={_S: r"\w+_(statement|definition)", _B: "block", _T: "string"}),
    Language("javascript", "tree_sitter_javascript", "//", (".js", ".jsx", ".mjs", ".cjs"), ("javascriptreact", "jsx"),
             comment_end="*/", quotes="\"'`", patterns={_B: r"statement_block|(class|switch)_body"}),
    Language("typescript", "tree_sitter_typescript", "//", (".ts", ".mts", ".cts"), function="language_typescript",
             comment_end="*/", quotes="\"'`", patterns=_TS_BLOCKS),
    Language("tsx", "tree_sitter_typescript", "//", (".tsx",), ("typescriptreact",), function="language_tsx",
             comment_end="*/", quotes="\"'`", patterns=_TS_BLOCKS),
    Language("go", "tree_sitter_go", "//", (".go",), comment_end="*/", quotes="\"'`",
             patterns={_B: r"block|statement_list|(field_declaration|import_spec|var_spec)_list",
                       _F: "func_literal|(function|method)_declaration", _T: r"(interpreted|raw)_string_literal|rune_literal"}),
    Language("rust", "tree_sitter_rust", "//", (".rs",), comment_end="*/", quotes='"',  # ' is for lifetimes as well
             patterns={_B: r"block|match_block|((field_)?declaration|enum_variant)_list", _F: "function_item|closure_expression"}),
    Language("c", "tree_sitter_c", "//", (".c", ".h"), comment_end="*/", patterns={_F: "function_definition"}),
    Language("cpp", "tree_sitter_cpp", "//", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp"), ("c++",), comment_end="*/",
             patterns={_S: Kind.STATEMENT.value + "|for_range_loop", _F: "function_definition|lambda_expression"}),
    Language("java", "tree_sitter_java", "//", (".java",), comment_end="*/",
             patterns={_B: "block|(class|interface|enum|constructor|annotation_type)_body|switch_block"}),
    Language("csharp", "tree_sitter_c_sharp", "//", (".cs",), ("cs", "c_sharp"), comment_end="*/",
             patterns={_B: Kind.BLOCK.value + "|accessor_list"}),
    Language("ruby", "tree_sitter_ruby", "#", (".rb", ".rake", ".gemspec", "Gemfile", "Rakefile"), ("eruby",),
             patterns={_B: "body_statement|block_body|do_block|block|begin|then|else|ensure|do",
                       _F: "method|singleton_method|lambda"}),
    Language("php", "tree_sitter_php", "//", (".php",), function="language_php", comment_end="*/"),
    Language("bash", "tree_sitter_bash", "#", (".sh", ".bash", ".zsh", ".bashrc", ".zshrc"), ("shellscript", "sh", "zsh"),
             patterns={_S: r"\w+_statement|\w*command|pipeline|list|variable_assignments?|function_definition",
                       _B: "do_group|compound_statement|subshell", _T: r"\w*string|heredoc_body"}),
    Language("html", "tree_sitter_html", "", (".html", ".htm", ".xhtml"), comment_end="-->", brackets="()[]{}<>",
             patterns={_S: r"(\w+_)?element|doctype", _B: "element", _A: "start_tag|self_closing_tag", _T: "quoted_attribute_value"}),
    Language("css", "tree_sitter_css", "", (".css",), comment_end="*/",
             patterns={_S: r"\w+_statement|declaration|rule_set|at_rule", _B: "block|keyframe_block_list"}),
    Language("json", "tree_sitter_json", "//", (".json", ".jsonc", ".ipynb"), ("jsonc",), comment_end="*/", quotes='"',
             patterns={_S: "pair", _B: "object|array"}),
    Language("lua", "tree_sitter_lua", "--", (".lua",), comment_end="]]"),
    Language("kotlin", "tree_sitter_kotlin", "//", (".kt", ".kts"), comment_end="*/",
             patterns={_B: Kind.BLOCK.value + "|lambda_literal"}),
    Language("swift", "tree_sitter_swift", "//", (".swift",), comment_end="*/", quotes='"',
             patterns={_B: r"statements|\w+_body|computed_\w+"}),
    Language("scala", "tree_sitter_scala", "//", (".scala", ".sc", ".sbt"), comment_end="*/"),
    Language("zig", "tree_sitter_zig", "//", (".zig",)),
    Language("yaml", "tree_sitter_yaml", "#", (".yaml", ".yml"),
             patterns={_S: "block_mapping_pair|block_sequence_item|flow_pair", _B: r"(block|flow)_(mapping|sequence)",
                       _T: r"\w+_quote_scalar|block_scalar"}),
    Language("toml", "tree_sitter_toml", "#", (".toml",),
             patterns={_S: "pair", _B: "table|table_array_element|inline_table|array"}),
    Language("markdown", "tree_sitter_markdown", "", (".md", ".markdown"), comment_end="-->", quotes="`",
             patterns={_S: r"paragraph|list_item|\w+_heading|fenced_code_block|pipe_table", _B: "section|list|block_quote"}),
    Language("sql", "tree_sitter_sql", "--", (".sql",), comment_end="*/",
             patterns={_S: "statement", _F: "create_function|create_procedure", _A: r"list|column_definitions|function_arguments",
                       _T: "literal"}),  # numbers are literals, too
    Language("haskell", "tree_sitter_haskell", "--", (".hs",), comment_end="-}", quotes='"',
             patterns={_B: r"(\w+_)?declarations|local_binds|do", _F: "function|lambda|lambda_case"}),
    Language("ocaml", "tree_sitter_ocaml", "", (".ml",), function="language_ocaml", comment_end="*)", quotes='"',
             patterns={_B: "structure|object_expression", _F: "fun_expression|function_expression|method_definition"}),
    Language("ocaml_interface", "tree_sitter_ocaml", "", (".mli",), ("ocaml.interface", "ocamlinterface"),
             function="language_ocaml_interface", comment_end="*)", quotes='"', patterns={_B: "signature"}),
    Language("julia", "tree_sitter_julia", "#", (".jl",), comment_end="=#", quotes='"',
             patterns={_B: r"(compound|for|while|if|let|try|quote)_statement|(else|elseif|catch|finally|do)_clause"
                           r"|(function|macro|module|struct)_definition"}),
    Language("elixir", "tree_sitter_elixir", "#", (".ex", ".exs"), patterns={_B: r"(\w+_)?block", _F: "anonymous_function"}),
)  # fmt: skip

LANGUAGES: Mapping[str, Language] = {row.name: row for row in _ROWS}

_BY_ID = {name: row.name for row in _ROWS for name in (row.name, *row.ids)}
_BY_EXTENSION = {extension.lower(): row.name for row in _ROWS for extension in row.extensions}
_INTERPOLATION = re.compile(r"(\w+_)?interpolation|template_substitution|interpolated_expression|command_substitution|\w*expansion")
_OPENING = re.compile(r".*[(\[{<\"'`]|\w+_start|\w*_quote|do")
_CLOSING = re.compile(r".*[)\]}>\"'`]|\w+_end|\w*_quote|end|done|fi|esac")
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class MissingGrammar:
    """Why a language has no grammar here. Its documents are plain text to us, and everything else works."""

    reason: str


def language_of(language_id: str, file_name: str = "") -> str:
    """The table's name of an editor's language id, else of a file name or URI; "" where the table has none."""
    known = _BY_ID.get(language_id.lower()) or _BY_ID.get(language_id.lower().partition(".")[0])
    if known:
        return known
    base = file_name.replace("\\", "/").rpartition("/")[2].lower()
    return next((name for extension, name in _BY_EXTENSION.items() if base.endswith(extension)), "")


@cache
def grammar(language: str) -> tree_sitter.Language | MissingGrammar:
    """The grammar of a language; imported when first asked for."""
    row = LANGUAGES.get(language)
    if row is None:
        return MissingGrammar(f"no grammar for {language!r}: the table of languages in engine/syntax.py has no such name")
    package = row.module.replace("_", "-")
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        return MissingGrammar(f"no grammar for {language}: {error}; to have one: pip install {package}")
    try:
        return tree_sitter.Language(getattr(module, row.function)())
    except (AttributeError, ValueError) as error:
        return MissingGrammar(f"no grammar for {language}: this {package} does not fit the installed tree-sitter ({error})")


def get_parser(language: str) -> Parser:
    """A new parser (0.6 us, so they need no cache). Raises LookupError with the reason where there is no grammar."""
    found = grammar(language)
    if isinstance(found, MissingGrammar):
        raise LookupError(found.reason)
    return Parser(found)


def parse(language: str, text: str) -> Tree:
    """The tree of a whole text. Raises LookupError where there is no grammar."""
    return get_parser(language).parse(_utf8(text))


class SlicedParse:
    """One parse that is done in slices, so that it never holds its thread (and the GIL: tree-sitter does not let go of it) for long.

    `read` must give the same text throughout. With `old`, a tree that had every edit since told to it, only what changed is
    parsed: in files of 50,000 lines 9 to 140 ms, depending on language and place, where the whole takes 90 to 270.
    """

    def __init__(self, language: str, read: Reader, old: Tree | None = None) -> None:
        self._parser = get_parser(language)
        self._read = read
        self._old = {"old_tree": old} if old is not None else {}

    def run(self, budget_ms: float) -> Tree | None:
        """Parse on for about `budget_ms`; the tree if it is finished, else None (and the next call goes on)."""
        stopped = False
        deadline = time.perf_counter() + budget_ms / 1000

        def stop(_offset: int, _has_error: bool) -> bool:
            nonlocal stopped
            stopped = time.perf_counter() > deadline
            return stopped

        try:
            return self._parser.parse(self._read, encoding="utf8", progress_callback=stop, **self._old)
        except ValueError:  # tree-sitter's word for a parse that was stopped
            assert stopped, "tree-sitter gave up a parse that nobody stopped"
            return None


def enclosing(tree: Tree, byte: int, language: str, kind: Kind) -> Node | None:
    """The smallest node of a kind that a cursor at `byte` is in.

    Between the brackets or quotes of a node is inside, behind the closing one is not. What has no such ends (a statement,
    Python's blocks) holds the cursor at its first and its last byte as well.
    """
    best = None
    for path in (_path(tree, byte - 1), _path(tree, byte)):
        for depth, node in enumerate(path):
            if _holds(node, byte) and _is(path, depth, kind, language):
                best = node if best is None or _width(node) <= _width(best) else best
    return best


def in_string_or_comment(tree: Tree, byte: int, language: str, before: str) -> bool:
    """Whether a cursor at `byte` is in a string (but not in an expression in it) or in a comment.

    `before` is text that ends at `byte`, a few characters of it: it tells a closed comment from one that runs on.
    """
    strings, comments = _types(language, Kind.STRING), _types(language, Kind.COMMENT)
    comment_end = LANGUAGES[language].comment_end
    for node in (*reversed(_path(tree, byte - 1)), *reversed(_path(tree, byte))):
        if node.type in comments and node.start_byte < byte <= node.end_byte:
            return byte < node.end_byte or not (comment_end and before.endswith(comment_end))
        if _holds(node, byte) and (node.type in strings or _INTERPOLATION.fullmatch(node.type)):
            return node.type in strings
    return False


def error_count(tree: Tree, start_byte: int, end_byte: int) -> int:
    """ERROR and MISSING nodes that touch a range of bytes."""
    nodes = _nodes(tree, start_byte, end_byte, lambda node: node.has_error)
    return sum(1 for node in nodes if node.is_error or node.is_missing)


def token_boundaries(language: str, text: str) -> list[int]:
    """Character offsets where a text can be cut without cutting a token: 0, its length, and each end and start of a token.

    A string is one token; a comment can be cut between its words. Without a grammar, words and single signs are the tokens.
    """
    edges = {0, len(text)}
    if isinstance(grammar(language), MissingGrammar):
        return sorted(edges.union(*(match.span() for match in _TOKEN.finditer(text))))
    tree = parse(language, text)
    character = {byte: index for index, byte in enumerate(accumulate((len(_utf8(c)) for c in text), initial=0))}
    strings, comments = _types(language, Kind.STRING), _types(language, Kind.COMMENT)
    for node in _nodes(tree, 0, tree.root_node.end_byte, lambda node: node.type not in strings | comments):
        start, end = character[node.start_byte], character[node.end_byte]
        if node.child_count == 0 or node.type in strings:
            edges.update((start, end))
        if node.type in comments:
            edges.update(start + match.end() for match in re.finditer(r"\S+", text[start:end]))
    return sorted(edges)


@cache
def _types(language: str, kind: Kind) -> frozenset[str]:
    """The node types that are of a kind."""
    found = grammar(language)
    assert not isinstance(found, MissingGrammar), "a tree of a language without a grammar"
    pattern = re.compile(LANGUAGES[language].patterns.get(kind) or kind.value)
    named = (number for number in range(found.node_kind_count) if found.node_kind_is_named(number))
    return frozenset(name for number in named if (name := found.node_kind_for_id(number)) and pattern.fullmatch(name))


def _is(path: list[Node], depth: int, kind: Kind, language: str) -> bool:
    node = path[depth]
    if node.type in _types(language, kind):
        return True
    if kind is not Kind.STATEMENT or depth == 0 or not node.is_named or node.is_extra or node.is_error:
        return False
    return depth == 1 or path[depth - 1].type in _types(language, Kind.BLOCK)


def _holds(node: Node, byte: int) -> bool:
    """Whether a cursor at `byte` is in the node; see `enclosing`."""
    if not node.start_byte <= byte <= node.end_byte or node.child_count == 0:
        return node.start_byte < byte < node.end_byte
    first, last = node.child(0), node.child(node.child_count - 1)
    opened, closed = _OPENING.fullmatch(first.type), _CLOSING.fullmatch(last.type) and not last.is_missing
    return (node.start_byte < byte or not opened) and (byte < node.end_byte or not closed)


def _path(tree: Tree, byte: int) -> list[Node]:
    """The nodes around the character that begins at `byte`, the root first.

    Top down, since `Node.parent` searches from the root each time, which is slow inside 10,000 brackets.
    """
    cursor = tree.walk()
    path = [tree.root_node]
    while cursor.goto_first_child_for_byte(max(byte, 0)) is not None:
        node = cursor.node
        assert node is not None, "a cursor without a node"
        if node.start_byte > byte:
            break
        path.append(node)
    return path


def _nodes(tree: Tree, start_byte: int, end_byte: int, enter: Callable[[Node], bool]) -> Iterator[Node]:
    """The nodes that touch a range of bytes, parents first, without those below a node that `enter` refuses."""
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None, "a cursor without a node"
        touches = node.start_byte <= end_byte
        if touches:
            yield node
            # One byte earlier, or a MISSING node, which has no width, would be passed over.
            if enter(node) and cursor.goto_first_child_for_byte(max(start_byte - 1, 0)) is not None:
                continue
        while not touches or not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            touches = True


def _width(node: Node) -> int:
    return node.end_byte - node.start_byte


def _utf8(text: str) -> bytes:
    """As tree-sitter gets it; lone surrogates, which UTF-8 cannot hold, as one byte each."""
    return text.encode("utf-8", "replace")
