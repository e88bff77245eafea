"""Edits of Python files that other edits must follow, and some that none must: pure, from the files' syntax trees."""

from __future__ import annotations

import ast
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from scripted_edit import Change, FollowUp, ScriptedEdit

KINDS = ("rename", "parameter", "order", "constant", "negation")
PARAMETERS = ("timeout", "strict", "verbose", "encoding", "limit", "prefix", "options", "context")
TWINS_APART = 40  # lines
COMMENTS = ("\n", "  ", "  # checked", "  # TODO: look at this again", "\n\n")


def scripted(kind: str, text: str) -> list[ScriptedEdit]:
    """All edits of a kind that a Python file has a place for; none where it cannot be parsed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    if not text.isascii() or "\t" in text or "\r" in text:
        return []  # the tree's columns are bytes
    return list(_MAKERS[kind](_Source(text, tree)))


def no_op(text: str, chance: random.Random) -> ScriptedEdit:
    """An edit of white space or of a comment at the end of some line, which nothing follows from."""
    at = chance.choice([at for at, sign in enumerate(text + "\n") if sign == "\n"])
    return ScriptedEdit("no_op", text, Change(at, at, chance.choice(COMMENTS)), ())


class _Source:
    """A file with its tree, and where nodes stand in it."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.expr | ast.arg | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.arg | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None, "parsed nodes have ends"
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.arg) -> str:
        return self.text[self.start(node) : self.end(node)]

    def made(self, kind: str, edit: Change, follow_ups: Sequence[Sequence[Sequence[Change]]]) -> ScriptedEdit:
        """`follow_ups` have offsets in the text before the edit."""
        by = len(edit.text) - (edit.end - edit.start)
        moved = [
            FollowUp(tuple(tuple(_moved(change, edit.end, by) for change in way) for way in ways))
            for ways in follow_ups
        ]
        return ScriptedEdit(kind, self.text, edit, tuple(moved))

    def functions(self) -> Iterator[ast.FunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))


def _renames(source: _Source) -> Iterator[ScriptedEdit]:
    """A parameter or local variable gets another name where it is first written."""
    for function in source.functions():
        if any(isinstance(node, _SCOPES) for inner in function.body for node in ast.walk(inner)):
            continue  # a name may mean something else in there
        own = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        parameters = [arg for arg in function.args.args if arg.arg not in ("self", "cls")]
        for name, places in _uses(own, parameters).items():
            new = f"{name}_value" if len(name) < 4 else f"new_{name}"
            keywords = {word.arg for call in _calls(function) for word in call.keywords}
            if 2 <= len(places) <= 8 and new not in source.text and name not in keywords:
                first, *others = sorted(source.start(place) for place in places)
                changes = [[[Change(at, at + len(name), new)]] for at in others]
                yield source.made("rename", Change(first, first + len(name), new), changes)


def _parameters(source: _Source) -> Iterator[ScriptedEdit]:
    """A function gets one parameter more, without a default, and is called in the same file."""
    for function, calls, skipped in _called(source):
        arguments = function.args
        name = next(name for name in PARAMETERS if name not in source.text or name == PARAMETERS[-1])
        if arguments.defaults or not arguments.args or name in source.text:
            continue
        at = source.end(arguments.args[-1])
        follow_ups = []
        for call in calls:
            if not call.args or len(call.args) != len(arguments.args) - skipped or call.keywords:
                break
            end = source.end(call.args[-1])
            follow_ups.append([[Change(end, end, f", {way}")] for way in (name, f"{name}={name}")])
        else:
            yield source.made("parameter", Change(at, at, f", {name}"), follow_ups)


def _orders(source: _Source) -> Iterator[ScriptedEdit]:
    """Two parameters of a function change places, and so must what is passed for them."""
    for function, calls, skipped in _called(source):
        parameters = function.args.args
        for left, right in zip(parameters[skipped:], parameters[skipped + 1 :], strict=False):
            if function.args.defaults:
                continue
            rank = parameters.index(left) - skipped
            if all(len(call.args) > rank + 1 and not call.keywords for call in calls):
                passed = [(call.args[rank], call.args[rank + 1]) for call in calls]
                swaps = [[_swap(source, one, other)] for one, other in passed if source.of(one) != source.of(other)]
                between = source.text[source.end(left) : source.start(right)]
                edit = Change(source.start(left), source.end(right), source.of(right) + between + source.of(left))
                if swaps:
                    yield source.made("order", edit, swaps)


def _constants(source: _Source) -> Iterator[ScriptedEdit]:
    """A literal that stands in several places has got a name, which one of them uses by now."""
    places: dict[str, list[ast.Constant]] = defaultdict(list)
    for node in (inner for function in source.functions() for inner in _expressions(function)):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str) and _is_literal(node.value):
            places[source.of(node)].append(node)
    imports = [node for node in source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for literal, nodes in places.items():
        name = "DEFAULT_VALUE" if not isinstance(nodes[0].value, str) else "DEFAULT_NAME"
        starts = sorted({source.start(node) for node in nodes})
        if not 2 <= len(starts) <= 6 or name in source.text or "\n" in literal or not imports:
            continue
        at = source.end(imports[-1])
        named = _Source(source.text[:at] + f"\n\n{name} = {literal}\n" + source.text[at:], source.tree)
        by = len(named.text) - len(source.text)
        first, *others = [start + by for start in starts if start > at] or [0]
        if others:
            changes = [[[Change(start, start + len(literal), name)]] for start in others]
            yield named.made("constant", Change(first, first + len(literal), name), changes)


def _negations(source: _Source) -> Iterator[ScriptedEdit]:
    """Two `if`s of one function ask the same; the first is negated."""
    for function in source.functions():
        tests: dict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(function):
            if isinstance(node, ast.If) and _negation(source, node.test) is not None:
                tests[source.of(node.test)].append(node.test)
        for nodes in tests.values():
            first, *others = sorted(nodes, key=source.start)
            if len(others) == 1 and others[0].lineno - first.lineno <= TWINS_APART:
                edit, other = _negation(source, first), _negation(source, others[0])
                assert edit and other, "only tests that can be negated are collected"
                yield source.made("negation", edit, [[[other]]])


def _negation(source: _Source, test: ast.expr) -> Change | None:
    """What turns a condition on one line into its contrary; None for one that is not simple."""
    if isinstance(test, ast.Name | ast.Attribute | ast.Call) and "\n" not in source.of(test):
        return Change(source.start(test), source.start(test), "not ")
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        start, end = source.end(test.left), source.start(test.comparators[0])
        contrary = _CONTRARIES.get(source.text[start:end])
        return None if contrary is None else Change(start, end, contrary)
    return None


_CONTRARIES = {
    one: other
    for pair in ((" == ", " != "), (" is ", " is not "), (" in ", " not in "), (" < ", " >= "), (" > ", " <= "))
    for one, other in (pair, pair[::-1])
}
_MAKERS: dict[str, Callable[[_Source], Iterator[ScriptedEdit]]] = {
    "rename": _renames,
    "parameter": _parameters,
    "order": _orders,
    "constant": _constants,
    "negation": _negations,
}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal, ast.JoinedStr)


def _uses(names: Sequence[ast.Name], parameters: Sequence[ast.arg]) -> dict[str, list[ast.expr | ast.arg]]:
    """Where every name stands that the function itself binds."""
    found: dict[str, list[ast.expr | ast.arg]] = {parameter.arg: [parameter] for parameter in parameters}
    found |= {name.id: [] for name in names if isinstance(name.ctx, ast.Store) and name.id not in found}
    for name in names:
        if name.id in found:
            found[name.id].append(name)
    return found


def _called(source: _Source) -> Iterator[tuple[ast.FunctionDef, list[ast.Call], int]]:
    """Functions and methods of unique names with their calls, and how many first parameters calls leave out."""
    defined = Counter(function.name for function in source.functions())
    calls: dict[str, list[ast.Call]] = defaultdict(list)
    for call in _calls(source.tree):
        if isinstance(call.func, ast.Name) or _is_on_self(call.func):
            calls[call.func.id if isinstance(call.func, ast.Name) else call.func.attr].append(call)  # type: ignore[attr-defined]
    for function in source.functions():
        arguments = function.args
        plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs)
        some = calls[function.name]
        starred = any(isinstance(argument, ast.Starred) for call in some for argument in call.args)
        if plain and defined[function.name] == 1 and 1 <= len(some) <= 6 and not starred:
            on_self = {_is_on_self(call.func) for call in some}
            method = bool(arguments.args) and arguments.args[0].arg == "self"
            if on_self == {method}:
                yield function, sorted(some, key=source.start), int(method)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_on_self(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "self"


def _expressions(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What a function does, without docstrings and text with holes."""
    waiting: list[ast.AST] = list(function.body)
    for node in waiting:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not isinstance(node, ast.JoinedStr):
            waiting += ast.iter_child_nodes(node)
            yield node


def _is_literal(value: object) -> bool:
    return not isinstance(value, bool) and (len(value) >= 3 if isinstance(value, str) else value not in (0, 1, 2, -1))


def _swap(source: _Source, left: ast.expr, right: ast.expr) -> list[Change]:
    return [
        Change(source.start(left), source.end(left), source.of(right)),
        Change(source.start(right), source.end(right), source.of(left)),
    ]


def _moved(change: Change, from_offset: int, by: int) -> Change:
    return change if change.start < from_offset else Change(change.start + by, change.end + by, change.text)
