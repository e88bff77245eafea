"""The table of languages: names, file names, grammars, comments, and which nodes of a tree mean what. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a node is to us. The value matches the node types of the kind where a language has no pattern of its own."""

    # Besides these, every named child of a block or of the root: in Rust, Ruby or Elixir any expression is a statement.
    STATEMENT = r"(?!.*(parameter|argument|compound))(\w+_)?(statement|declaration|definition|item|directive)"
    BLOCK = r"(?!heredoc|nowdoc)(\w+_)?(block|body|(declaration|variant|enumerator)_list)|compound_statement"
    FUNCTION = (
        r"(\w+_)?(function|method|constructor)_(definition|declaration|item|expression)"
        r"|(\w+_)?lambda(_(expression|literal))?|(anonymous|arrow|generator)_function"
    )
    ARGUMENTS = r"(\w+_)?(arguments|argument_list|parameters|parameter_list)"
    PARAMETERS = r"(\w+_)?(parameters|parameter_list)"  # those of them that define
    STRING = r"(?!concatenated)(\w+_)?(string|char|character|heredoc)(_(literal|value|expression))?"
    COMMENT = r"(\w+_)?comment"


@dataclass(frozen=True)
class Language:
    """One row of the table."""

    name: str
    module: str  # the grammar's Python module; its package is named the same, with "-" for "_"
    line_comment: str  # what begins a comment that runs to the end of the line; "" where there is none
    comment_end: str  # what closes a comment that does not; "" where there is none
    extensions: tuple[str, ...]  # ends of file names
    ids: tuple[str, ...] = ()  # LSP's languageIds and the editors' file types, besides `name`
    function: str = "language"  # of the module: returns the grammar
    patterns: Mapping[Kind, str] = field(default_factory=dict)  # own patterns of node types, for whole names
    placeholders: tuple[str, ...] = ("x",)  # what could stand in a hole: a value, and what is not written as one
    no_comma_before: str = ""  # what may not follow a list's last comma, where there is such a rule
    no_last_comma: str = ""  # lines, with the code that follows them, in which the last comma is an error


def language_of(language_id: str, file_name: str = "") -> str:
    """The table's name of an editor's language id, else of a file name or URI; "" where the table has none."""
    language_id = language_id.lower()
    for known in (language_id, language_id.partition(".")[0]):  # "yaml.docker-compose" is yaml
        if known in _BY_ID:
            return _BY_ID[known]
    base = file_name.replace("\\", "/").rpartition("/")[2].lower()
    return next((name for extension, name in _BY_EXTENSION.items() if base.endswith(extension)), "")


_STATEMENT, _BLOCK, _FUNCTION = Kind.STATEMENT, Kind.BLOCK, Kind.FUNCTION
_ARGUMENTS, _STRING = Kind.ARGUMENTS, Kind.STRING
_TYPED = ("x", "x x")  # a parameter has a type and a name
_BEFORE_BODY = r"\.\.\.\s*[\w$]+,\s(\)\s*(\{|=>|:)|[}\]]\s*=(?!=))"  # a rest parameter or element
_AFTER_SQL_LIST = (
    r"[);]|(select|insert|update|delete|from|where|group|having|order|limit|union|into|values|join|returning)\b"
)
_TYPESCRIPT_BLOCKS = {_BLOCK: r"statement_block|(class|interface|enum|switch)_body|object_type"}

# fmt: off
_ROWS = (
    Language("python", "tree_sitter_python", "#", "", (".py", ".pyi", ".pyw"), patterns={
        _STATEMENT: r"\w+_(statement|definition)", _BLOCK: "block", _STRING: "string"},
             no_last_comma=r"^\s*(from\s.*\s)?import\s[^(]*,\n"),
    Language("javascript", "tree_sitter_javascript", "//", "*/", (".js", ".jsx", ".mjs", ".cjs"), ("javascriptreact",),
             patterns={_BLOCK: r"statement_block|(class|switch)_body"}, no_last_comma=_BEFORE_BODY),
    Language("typescript", "tree_sitter_typescript", "//", "*/", (".ts", ".mts", ".cts"),
             function="language_typescript", patterns=_TYPESCRIPT_BLOCKS, no_last_comma=_BEFORE_BODY),
    Language("tsx", "tree_sitter_typescript", "//", "*/", (".tsx",), ("typescriptreact",),
             function="language_tsx", patterns=_TYPESCRIPT_BLOCKS, no_last_comma=_BEFORE_BODY),
    Language("go", "tree_sitter_go", "//", "*/", (".go",), patterns={
        _BLOCK: r"block|statement_list|(field_declaration|import_spec|var_spec)_list",
        _FUNCTION: "func_literal|(function|method)_declaration",
        _STRING: r"(interpreted|raw)_string_literal|rune_literal"}),
    Language("rust", "tree_sitter_rust", "//", "*/", (".rs",), patterns={
        _BLOCK: r"block|match_block|((field_)?declaration|enum_variant)_list",
        _FUNCTION: "function_item|closure_expression"}),
    Language("c", "tree_sitter_c", "//", "*/", (".c", ".h"), patterns={_FUNCTION: "function_definition"},
             placeholders=_TYPED, no_comma_before=r"\)"),
    Language("cpp", "tree_sitter_cpp", "//", "*/", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp"), ("c++",),
             patterns={_STATEMENT: Kind.STATEMENT.value + "|for_range_loop",
                       _FUNCTION: "function_definition|lambda_expression"},
             placeholders=_TYPED, no_comma_before=r"\)", no_last_comma=r"\)\s*:\s*\w.*,\s\{"),
    Language("java", "tree_sitter_java", "//", "*/", (".java",), patterns={
        _BLOCK: "block|(class|interface|enum|constructor|annotation_type)_body|switch_block"},
             placeholders=_TYPED, no_comma_before=r"\)"),
    Language("csharp", "tree_sitter_c_sharp", "//", "*/", (".cs",), ("cs", "c_sharp"), patterns={
        _STATEMENT: "(?!variable)" + Kind.STATEMENT.value, _BLOCK: Kind.BLOCK.value + "|accessor_list"},
             placeholders=_TYPED, no_comma_before=r"\)"),
    Language("ruby", "tree_sitter_ruby", "#", "", (".rb", ".rake", ".gemspec", "gemfile", "rakefile"), patterns={
        _STATEMENT: r"(singleton_)?method|class|module",
        _BLOCK: "body_statement|block_body|do_block|block|begin|then|else|ensure|do",
        _FUNCTION: "method|singleton_method|lambda"}),
    Language("php", "tree_sitter_php", "//", "*/", (".php",), function="language_php",
             placeholders=("x", "$x")),
    Language("bash", "tree_sitter_bash", "#", "", (".sh", ".bash", ".zsh", ".bashrc", ".zshrc"),
             ("shellscript", "sh", "zsh"), patterns={
        _STATEMENT: r"(?!compound)\w+_statement|\w*command|pipeline|list|variable_assignments?|function_definition",
        _BLOCK: "do_group|compound_statement|subshell", _STRING: r"\w*string|heredoc_body"}),
    Language("html", "tree_sitter_html", "", "-->", (".html", ".htm", ".xhtml"), patterns={
        _STATEMENT: r"(\w+_)?element|doctype", _BLOCK: "element", _ARGUMENTS: "start_tag|self_closing_tag",
        _STRING: "quoted_attribute_value"},
             placeholders=("x", ">", '"x"')),
    Language("css", "tree_sitter_css", "", "*/", (".css",), patterns={
        _STATEMENT: r"\w+_statement|declaration|rule_set|at_rule", _BLOCK: "block|keyframe_block_list"},
             no_comma_before=r"[){};]"),
    Language("json", "tree_sitter_json", "//", "*/", (".json", ".jsonc", ".ipynb"), ("jsonc",), patterns={
        _STATEMENT: "pair", _BLOCK: "object|array"},
             placeholders=("0", '"x": 0', ": 0"), no_comma_before=r"[\]}]"),
    Language("lua", "tree_sitter_lua", "--", "]]", (".lua",), patterns={
        _STATEMENT: r"(?!assignment)\w+_(statement|declaration)"},
             no_comma_before=r"\)|(end|else|elseif|until)\b"),
    Language("kotlin", "tree_sitter_kotlin", "//", "*/", (".kt", ".kts"), patterns={
        _STATEMENT: "(?!variable)" + Kind.STATEMENT.value, _BLOCK: Kind.BLOCK.value + "|lambda_literal"}),
    Language("swift", "tree_sitter_swift", "//", "*/", (".swift",), patterns={
        _BLOCK: r"statements|\w+_body|computed_\w+"},
             no_last_comma=r", \)"),
    Language("scala", "tree_sitter_scala", "//", "*/", (".scala", ".sc", ".sbt"), no_last_comma=r", [)\]]"),
    Language("zig", "tree_sitter_zig", "//", "", (".zig",)),
    Language("yaml", "tree_sitter_yaml", "#", "", (".yaml", ".yml"), patterns={
        _STATEMENT: "block_mapping_pair|block_sequence_item|flow_pair", _BLOCK: r"(block|flow)_(mapping|sequence)",
        _STRING: r"\w+_quote_scalar|block_scalar"}),
    Language("toml", "tree_sitter_toml", "#", "", (".toml",), patterns={
        _STATEMENT: "pair", _BLOCK: "table|table_array_element|inline_table|array"},
             placeholders=("0", "x = 0", "x"), no_comma_before="}"),
    Language("markdown", "tree_sitter_markdown", "", "-->", (".md", ".markdown"), patterns={
        _STATEMENT: r"paragraph|list_item|\w+_heading|fenced_code_block|pipe_table",
        _BLOCK: "section|list|block_quote"}),
    Language("sql", "tree_sitter_sql", "--", "*/", (".sql",), patterns={
        _STATEMENT: "statement", _FUNCTION: "create_function|create_procedure",
        _ARGUMENTS: "list|column_definitions|function_arguments", _STRING: "literal"},
             placeholders=("x", "0", "x int"), no_comma_before=_AFTER_SQL_LIST),  # numbers are literals, too
    Language("haskell", "tree_sitter_haskell", "--", "-}", (".hs",), patterns={
        _BLOCK: r"(\w+_)?declarations|local_binds|do", _FUNCTION: "function|lambda|lambda_case"},
             no_comma_before=r"[\]}]"),
    Language("ocaml", "tree_sitter_ocaml", "", "*)", (".ml",), function="language_ocaml", patterns={
        _BLOCK: "structure|object_expression", _FUNCTION: "fun_expression|function_expression|method_definition"},
             no_comma_before=r"\)"),
    Language("ocaml_interface", "tree_sitter_ocaml", "", "*)", (".mli",), ("ocaml.interface", "ocamlinterface"),
             function="language_ocaml_interface", patterns={_BLOCK: "signature"}),
    Language("julia", "tree_sitter_julia", "#", "=#", (".jl",), patterns={
        _BLOCK: r"(compound|for|while|if|let|try|quote)_statement|(else|elseif|catch|finally|do)_clause"
                r"|(function|macro|module|struct)_definition"}),
    Language("elixir", "tree_sitter_elixir", "#", "", (".ex", ".exs"), patterns={
        _BLOCK: r"(\w+_)?block", _FUNCTION: "anonymous_function"},
             no_comma_before=r"\)"),
)
# fmt: on

LANGUAGES: Mapping[str, Language] = {row.name: row for row in _ROWS}

_BY_ID = {name: row.name for row in _ROWS for name in (row.name, *row.ids)}
_BY_EXTENSION = {extension: row.name for row in _ROWS for extension in row.extensions}
