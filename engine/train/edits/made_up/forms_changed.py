"""Made-up edits: a form changes wherever it stands, as when a function gets an argument and its callers pass one."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lacuna.engine.train.edits.hunks import is_telling

LEAST, MOST = 2, 10  # lines that change
REACH = 150  # lines: the part of a file in which they do
TRIED = 12  # forms
_NAME = re.compile(r"(?<![\w.\"'])[A-Za-z_]\w*(?![\w\"'])")
_CALLED = re.compile(r"(?<![\w@])([A-Za-z_][\w.]*)\(([^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)")
_DEFINES = re.compile(
    r"\s*(?:(?:async|export|public|private|protected|static|pub)\s+)*(?:def|function|func|fn|class)\b"
)
_READ = re.compile(r"\b([a-z]\w*)\.([A-Za-z_]\w*)\b(?!\()")
_LITERAL = re.compile(r"(?<![\w.])(?:\d+(?:\.\d+)?|\"[^\"\\\n]{2,40}\"|'[^'\\\n]{2,40}')(?![\w.])")
_ASSIGNED = re.compile(
    r"^(\s*)((?:const |let |var |this\.|self\.)?\w+(?:: ?[\w\[\]<>| ]+)?)( :?= | = |: )([^,;{(\n]+|[^,;{\n]+\))([,;]?)$"
)
_PAIRS = (
    ("const", "let"), ("let", "const"), ("var", "const"), ("public", "protected"), ("private", "protected"),
    ("print", "logger.info"), ("console.log", "logger.debug"), ("console.error", "logger.error"), ("any", "unknown"),
    ("List", "list"), ("Dict", "dict"), ("Tuple", "tuple"), ("int", "float"), ("number", "string"),
    ("string", "String"), ("Error", "TypeError"), ("ValueError", "TypeError"), ("Exception", "RuntimeError"),
    ("assertEquals", "assertEqual"), ("unittest", "pytest"), ("describe", "suite"), ("float", "Decimal"),
    ("str", "bytes"), ("warnings.warn", "logger.warning"), ("===", "=="), ("==", "is"), ("!=", "is not"), ("&&", "||"),
    ("%s", "%r"), ("async ", ""), ("await ", ""), ("static ", ""), ("export ", ""), ("readonly ", ""),
    ("pub ", "pub(crate) "),
)  # fmt: skip
_NO_CODE = re.compile(r"\s*(?:import\b|from\b|#|//|\*|/\*|<|>>>|\.\.|$)")
_WRAPPED = ("{name}({it})", "{it}.{name}()", "{it}.{name}", "await {it}", "{name}[{it}]", "{name} + {it}")
_WRAPPED_BY = {"python": ("{it} or {name}", "{it} if {name} else None"), "": ("{it} ?? {name}", "{it} || {name}")}
_Change = Callable[[str], str]
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Part:
    """Of a file."""

    lines: Sequence[str]
    names: Sequence[str]
    is_python: bool


def with_a_form_changed(lines: Sequence[str], language: str, chance: random.Random) -> list[str] | None:
    """The lines of a file with a form changed in a part of it; None where none stands on a few lines."""
    if not lines:
        return None
    first = chance.randrange(len(lines))
    part = range(max(0, first - REACH // 2), min(len(lines), first + REACH // 2))
    near = [lines[at] for at in part]
    names = sorted({name for line in near for name in _NAME.findall(line) if is_telling(name)})
    if len(names) < 3:
        return None
    part_of = _Part(near, names, language == "python")
    for _ in range(TRIED):
        change = chance.choice(_KINDS)(part_of, chance)
        if change is None:
            continue
        changed = [line if _NO_CODE.match(line) else change(line) for line in near]
        if LEAST <= sum(old != new for old, new in zip(near, changed, strict=True)) <= MOST:
            return [*lines[: part.start], *changed, *lines[part.stop :]]
    return None


def _call(part: _Part, chance: random.Random) -> _Change | None:
    """One function is called otherwise, and defined so where an argument is new."""
    called = _often([match[1] for line in part.lines for match in _CALLED.finditer(line)], chance)
    if called is None:
        return None
    kind = chance.choice(("last", "last", "first", "wrapped", "renamed", "goes"))
    name, value = chance.choice(part.names), _value(part, chance)
    wrapped = chance.choice(("await {it}", "{name}({it})", "{it}.{name}()", "self.{it}", "{name}.{it}", "{it}.{name}"))

    def changed(line: str) -> str:
        def one(match: re.Match[str]) -> str:
            if match[1] != called and match[1].rpartition(".")[2] != called:
                return match[0]
            arguments = match[2].strip()
            if kind == "last":
                return f"{match[1]}({arguments}{', ' * bool(arguments)}{name if _DEFINES.match(line) else value})"
            if kind == "first":
                return f"{match[1]}({name}{', ' * bool(arguments)}{arguments})"
            if kind == "goes":
                return f"{match[1]}({arguments.rpartition(',')[0]})"
            if kind == "renamed" or _DEFINES.match(line):
                return match[0]
            return wrapped.format(it=match[0], name=name)

        return _CALLED.sub(one, line)

    return changed


def _read(part: _Part, chance: random.Random) -> _Change | None:
    """One attribute is read otherwise."""
    read = _often([match[2] for line in part.lines for match in _READ.finditer(line)], chance)
    if read is None:
        return None
    name = chance.choice(part.names)
    forms = ("{of}.{it}()", "{of}.{it}.{name}", '{of}["{it}"]', "{of}._{it}", "{of}.{name}.{it}", "{it}")
    form = chance.choice(forms if part.is_python else (*forms, "{of}?.{it}", "{of}?.{it}"))
    return lambda line: _READ.sub(
        lambda match: form.format(of=match[1], it=read, name=name) if match[2] == read else match[0], line
    )


def _literal(part: _Part, chance: random.Random) -> _Change | None:
    """One literal becomes a name, or another one."""
    literal = _often([match[0] for line in part.lines for match in _LITERAL.finditer(line)], chance)
    if literal is None:
        return None
    name = chance.choice(part.names)
    other = chance.choice(
        (name, name.upper(), f'"{name}"', f"'{name}'", str(chance.choice((0, 1, 3, 7, 12, 60, 100, 512))))
    )
    return lambda line: _LITERAL.sub(lambda match: other if match[0] == literal else match[0], line)


def _values(part: _Part, chance: random.Random) -> _Change | None:
    """Lines that are alike give their values another form."""
    shapes = [(match[1], match[3], match[5]) for line in part.lines if (match := _ASSIGNED.match(line.rstrip("\n")))]
    shape = _often(shapes, chance)
    if shape is None:
        return None
    name, forms = chance.choice(part.names), (*_WRAPPED, *_WRAPPED_BY["python" if part.is_python else ""])
    form = chance.choice(forms)

    def changed(line: str) -> str:
        match = _ASSIGNED.match(line.rstrip("\n"))
        if match is None or (match[1], match[3], match[5]) != shape:
            return line
        return f"{match[1]}{match[2]}{match[3]}{form.format(it=match[4].strip(), name=name)}{match[5]}\n"

    return changed


def _word(part: _Part, chance: random.Random) -> _Change | None:
    """A word of the language, or of every day, becomes another one."""
    text = "".join(part.lines)
    there = [(old, new) for old, new in _PAIRS if _whole(old).search(text)]
    if not there:
        return None
    old, new = chance.choice(there)
    return lambda line: _whole(old).sub(new, line)


def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)" if word[0].isalpha() else re.escape(word))


def _value(part: _Part, chance: random.Random) -> str:
    name = chance.choice(part.names)
    plain = (name, name, "0", "1", f'"{name}"', f"options.{name}")
    python = (f"self.{name}", "None", "True", f"{name}={name}", f"{name}=True", f"{name}=None")
    return chance.choice((*plain, *(python if part.is_python else (f"this.{name}", "null", "true", f"&{name}"))))


def _often(found: Sequence[_T], chance: random.Random) -> _T | None:
    """One of those that are there more than once."""
    some = [one for one, count in Counter(found).items() if LEAST <= count <= MOST]
    return chance.choice(some) if some else None


_KINDS = (_call, _call, _read, _literal, _values, _word)
