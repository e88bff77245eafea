"""Parameters and arguments in several languages: which belongs to which, whatever else stands in a list. No model."""

from __future__ import annotations

import pytest

from lacuna.lsp_server.edits.next_edit.argument_lists import lists_of
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.overloads import changes_overload
from lacuna.lsp_server.edits.next_edit.parameters import parameters, receivers, same_parameters
from lacuna.lsp_server.edits.next_edit.recent_edits import difference
from lacuna.lsp_server.edits.next_edit.related_places import RelatedPlace, Relation, related_places

# A method or function of each language by what stands in its list, and a call of it.
FORMS = {
    "python": ("def f({}):\n    pass\n", "x = f({})\n"),
    "typescript": ("function f({}): void {{\n}}\n", "f({});\n"),
    "javascript": ("function f({}) {{\n}}\n", "f({});\n"),
    "go": ("package a\n\nfunc f({}) {{\n}}\n", "func g() {{\n\tf({})\n}}\n"),
    "rust": ("fn f({}) {{\n}}\n", "fn g() {{\n    x.f({});\n}}\n"),
    "c": ("char *f({}) {{\n}}\n", "int g(int x) {{\n    f({});\n}}\n"),
    "cpp": ("std::string f({}) {{\n}}\n", "int g() {{\n    f({});\n}}\n"),
    "java": ("class A {{\n    String f({}) {{\n    }}\n", "    int g() {{\n        f({});\n    }}\n}}\n"),
    "csharp": ("class A {{\n    string f({}) {{\n    }}\n", "    int g() {{\n        x.f({});\n    }}\n}}\n"),
}


def found(before: str, old: str, new: str, language: str) -> list[tuple[RelatedPlace, list[str]]]:
    """Places that follow when a piece of a text becomes another, with their lines as each draft makes them."""
    now = before.replace(old, new, 1)
    edit = difference(before, now)
    assert edit is not None
    change = change_of(edit, now)
    assert change is not None
    places = related_places(change, now, language, change.start)
    return [(place, [_line(now, place, draft) for draft in place.drafts]) for place in places]


def _line(text: str, place: RelatedPlace, draft: tuple[str, ...]) -> str:
    line, at = "", place.start
    for (start, end), new in zip(place.holes, draft, strict=True):
        line, at = line + text[at:start] + new, end
    return (line + text[at : place.end]).strip()


def calls(language: str, old: str, new: str, call: str) -> list[list[str]]:
    """What becomes of a call when the parameters of its function change."""
    definition, use = FORMS[language]
    text = definition.format(old) + "\n\n" + use.format(call)
    lines = found(text, definition.format(old), definition.format(new), language)
    return [[_list(line) for line in drafts] for _, drafts in lines]


def _list(line: str) -> str:
    return line[line.index("f(") + 2 : line.rindex(")")]


@pytest.mark.parametrize(
    ("language", "old", "new", "call", "expected"),
    [
        ("python", "a, *, b", "a, *, c, b", "1, b=2", ["1, c=c, b=2"]),
        ("python", "a, b", "a, c, b", "1, 2", ["1, c, 2"]),
        ("python", "a, /, b", "a, /, b, c", "1, 2", ["1, 2, c", "1, 2, c=c"]),
        ("python", "a, /", "a, b, /", "1", ["1, b"]),
        ("python", "a, b", "a, b, *, c", "1, 2", ["1, 2, c=c"]),
        ("python", "a, *, b, c", "a, *, b", "1, b=2, c=3", ["1, b=2"]),
        ("python", "a, *rest", "a, b, *rest", "1, 2, 3", ["1, b, 2, 3"]),
        ("python", "a, *rest", "*rest", "1, 2", ["2"]),
        ("python", "a, *rest", "a, *rest, b", "1, 2, 3", ["1, 2, 3, b=b"]),
        ("python", "a, **more", "a, b, **more", "1, x=2", ["1, b, x=2", "1, x=2, b=b"]),
        ("python", "self, a, *, b", "self, a, c, *, b", "1, b=2", ["1, c, b=2", "1, c=c, b=2"]),
        ("python", "self, a", "self, a, b", "self, 1", ["self, 1, b", "self, 1, b=b"]),
        ("typescript", "this: Foo, a: number", "this: Foo, a: number, b: string", "1", ["1, b"]),
        ("typescript", "a: Map<string, number>", "a: Map<string, number>, b: number", "m", ["m, b"]),
        ("typescript", "a: number", "a: number, done: (x: number) => void", "1", ["1, done"]),
        ("typescript", "a: number, ...rest: number[]", "b: string, a: number, ...rest: number[]", "1, 2", ["b, 1, 2"]),
        ("javascript", "a, b", "b, a", "1, 2", ["2, 1"]),
        ("go", "a, b int", "a, b int, c string", "1, 2", ["1, 2, c"]),
        ("go", "a int", "a, b int", "1", ["1, b"]),
        ("go", "a, b int", "b int", "1, 2", ["2"]),
        ("go", "a, b int", "b, a int", "1, 2", ["2, 1"]),
        ("go", "a string, rest ...int", "a string, b int, rest ...int", '"x", 1, 2', ['"x", b, 1, 2']),
        ("rust", "&self, a: u32", "&self, a: u32, b: u32", "1", ["1, b"]),
        ("rust", "&'a mut self, a: u32", "&'a mut self, b: u32, a: u32", "1", ["b, 1"]),
        ("rust", "self: Box<Self>, a: HashMap<K, V>", "self: Box<Self>, a: HashMap<K, V>, b: u32", "m", ["m, b"]),
        ("rust", "mut self, mut a: u32", "mut self, mut a: u32, mut b: u32", "1", ["1, b"]),
        ("c", "void", "int a", "", ["a"]),
        ("c", "int a", "void", "1", [""]),
        ("c", "int a", "int a, char *names[]", "1", ["1, names"]),
        ("c", "int a", "int a, void (*done)(int)", "1", ["1, done"]),
        ("c", "const char *a, ...", "int b, const char *a, ...", '"x", 1, 2', ['b, "x", 1, 2']),
        ("cpp", "std::map<int, int> a", "std::map<int, int> a, const std::string &b", "m", ["m, b"]),
        ("java", "A this, int a", "A this, int a, final int b", "1", ["1, b"]),
        ("java", "Map<String, List<Integer>> a", "Map<String, List<Integer>> a, @Nullable String b", "m", ["m, b"]),
        ("java", "int a", "int a, int b", "new HashMap<String, Integer>()", ["new HashMap<String, Integer>(), b"]),
        ("java", "int a, int... rest", "int a, int b, int... rest", "1, 2, 3", ["1, b, 2, 3"]),
        ("csharp", "this A x, int a", "this A x, int a, int b", "1", ["1, b"]),
    ],
)
def test_arguments_follow_the_parameters_they_are_given_to(
    language: str, old: str, new: str, call: str, expected: list[str]
) -> None:
    assert calls(language, old, new, call) == [expected]


@pytest.mark.parametrize(
    ("language", "old", "new", "call"),
    [
        ("python", "a, b", "a, *, b", "1, 2"),
        ("python", "a", "a, *rest", "1"),
        ("python", "a", "a, /", "1"),
        ("python", "a, *, b", "a, *, b, c=3", "1, b=2"),
        ("typescript", "a: number", "a: number, b?: string", "1"),
        ("typescript", "a: number", "a: number, { b, c }: Options", "1"),
        ("typescript", "a: number", "a: number, ...rest: number[]", "1"),
        ("go", "int, string", "int, string, bool", "1, s"),
        ("rust", "a: u32", "&self, a: u32", "1"),
        ("rust", "a: u32", "a: u32, (b, c): (u32, u32)", "1"),
        ("c", "int a", "int a, unsigned int", "1"),
        ("c", "const char *a", "const char *a, ...", '"x"'),
        ("cpp", "int a", "int a, const std::string &", "1"),
        ("java", "int a", "int a, String... rest", "1"),
    ],
)
def test_what_takes_no_argument_or_has_no_name_is_put_into_no_call(
    language: str, old: str, new: str, call: str
) -> None:
    assert calls(language, old, new, call) == []


@pytest.mark.parametrize(
    ("definition", "old", "new", "expected"),
    [
        ("def f(x, *, y):", "f(1, y=2)", "f(1, b, y=2)", "def f(x, b, *, y):"),
        ("def f(x, /, y):", "f(1, 2)", "f(1, b, 2)", "def f(x, b, /, y):"),
        ("def f(self, x, *, y):", "f(1, y=2)", "f(1)", "def f(self, x):"),
    ],
)
def test_a_definition_follows_a_call(definition: str, old: str, new: str, expected: str) -> None:
    [(_, drafts)] = found(f"{definition}\n    pass\n\n\n{old}\n", old, new, "python")
    assert drafts == [expected]


@pytest.mark.parametrize(
    ("language", "items", "names"),
    [
        ("python", ["self", "a", "/", "b: int = 3", "*", "c"], ["a", "b", "c"]),
        ("rust", ["&self", "_: u32", "Point { x, y }: Point"], ["_", ""]),
        ("typescript", ["private readonly a: A", "@Inject() b: B", "[c, d]: E", "e = 3"], ["a", "b", "", "e"]),
        ("go", ["a", "b int", "c chan int", "d func(int) error", "e ...T"], ["a", "b", "c", "d", "e"]),
        ("go", ["int", "chan int", "...string"], ["", "", ""]),
        ("c", ["int", "struct point", "unsigned long", "char **argv", "int a[3]"], ["", "", "", "argv", "a"]),
        ("cpp", ["const T&", "std::string", "std::vector<int> a", "T&&... b", "int c = 3"], ["", "", "a", "b", "c"]),
        ("java", ["final int a", "@Size(max = 3) String b", "List<String> c"], ["a", "b", "c"]),
        ("csharp", ["this A x", "ref int a", "params int[] b"], ["a", "b"]),
        ("ruby", ["a", "b = 3"], ["a", "b"]),
    ],
)
def test_names_of_parameters(language: str, items: list[str], names: list[str]) -> None:
    found = parameters(items, language)
    assert [one.name for one in found] == names
    assert [items[one.index] for one in found] == [one.text for one in found]
    assert receivers(items, language) == (found[0].index if language != "c" else 0)


@pytest.mark.parametrize(
    ("language", "inside", "count"),
    [
        ("java", "new HashMap<String, List<Integer>>(), 1", 2),
        ("cpp", "a < b, c > d", 2),
        ("cpp", "a<b, c>d", 2),
        ("typescript", "make<A, B>(1), x => 2", 2),
        ("typescript", "a: Record<string, (x: number) => void>, b: number", 2),
        ("rust", "Vec::<A, B>::new(), 1", 2),
        ("rust", "a: &HashMap<K, V>, b: Box<dyn Fn(A, B) -> C>", 2),
        ("python", "a <b, c> d", 2),
    ],
)
def test_types_of_a_type_are_one_item(language: str, inside: str, count: int) -> None:
    [one] = lists_of("f", f"f({inside})", language, 0)
    assert len(one.items) == count


OVERLOADS = {
    "python": "@overload\ndef f(a: int) -> int: ...\n@overload\ndef f(a: str) -> str: ...\ndef f(a):\n    return a\n",
    "typescript": "function f(a: number): number;\nfunction f(a: string): string;\nfunction f(a: any): any {\n}\n",
    "tsx": "class A {\n  f(a: number): number;\n  f(a: string): string;\n  f(a: any): any {\n  }\n}\n",
    "java": "class A {\n    A f(int a) {\n    }\n\n    A f(long a) {\n    }\n\n    Map<A, B> f(A a) {\n    }\n}\n",
    "cpp": "std::string f(int a);\nstd::string f(long a);\nstd::vector<int> f(const A &a);\n",
    "csharp": "class A {\n    A f(int a) {\n    }\n\n    A f(long a) {\n    }\n}\n",
}


@pytest.mark.parametrize("language", OVERLOADS)
def test_an_overload_is_no_caller(language: str) -> None:
    assert found(OVERLOADS[language], *_one_more(OVERLOADS[language]), language) == []


@pytest.mark.parametrize("language", OVERLOADS)
def test_how_the_diff_goes_on_changes_no_overload(language: str) -> None:
    text = OVERLOADS[language]
    old, more = _one_more(text)
    now = text.replace(old, more, 1)
    edit = difference(text, now)
    change = edit and change_of(edit, now)
    assert change is not None
    second = now.index("f(", now.index(more) + len(more))
    end = now.index(")", second)
    added = more.removeprefix(old)
    assert changes_overload(change, language, now, end, end, added)
    assert not changes_overload(change, language, now, len(now), len(now), "\n")
    assert not changes_overload(change, language, now + "f(1)\n", len(now) + 3, len(now) + 3, ", 2"), "a call"


def _one_more(text: str) -> tuple[str, str]:
    """The first overload's list, and the same with one parameter more."""
    first = text[text.index("f(") :].partition(")")[0]
    return first, f"{first}, b: int" if ":" in first else f"{first}, int b"


@pytest.mark.parametrize(
    ("language", "text", "old", "new", "expected"),
    [
        ("c", "int f(int a);\nint f(int a) {\n}\n", "f(int a);", "f(int a, int b);", "int f(int a, int b) {"),
        ("cpp", "A f(int a = 3);\nA f(int a) {\n}\n", "f(int a = 3)", "f(int a = 3, int b)", "A f(int a, int b) {"),
        (
            "typescript",
            "interface I {\n  f(a: number): void;\n}\nclass A implements I {\n  f(a: number): void {\n  }\n}\n",
            "f(a: number)",
            "f(a: number, b: string)",
            "f(a: number, b: string): void {",
        ),
    ],
)
def test_a_definition_with_the_same_parameters_follows(
    language: str, text: str, old: str, new: str, expected: str
) -> None:
    [(place, drafts)] = found(text, old, new, language)
    assert drafts[0] == expected and Relation.LIST in place.relations
    edit = difference(text, now := text.replace(old, new, 1))
    change = edit and change_of(edit, now)
    assert change is not None
    assert not changes_overload(change, language, now, place.start, place.end, drafts[0])


def test_the_same_parameters() -> None:
    assert same_parameters(["self", "a:int = 3"], ["a: int"], "python")
    assert not same_parameters(["a: int"], ["a: str"], "python")
    assert not same_parameters(["a"], ["a", "*", "b"], "python")
