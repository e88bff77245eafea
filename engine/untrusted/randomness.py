"""Whether a text is made as no person writes words and names: how its letters and digits are mixed."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

# What people write where a secret is to come. Of a long value that looks random a part may read so by chance.
_PLACEHOLDER = re.compile(
    r"(?i)example|change[_-]?(?:me|it|this)|your|placeholder|dummy|sample|replace|insert|redacted|xxx|\.\.\.|\*\*\*|<"
    r"|todo|fixme|fake|foobar|(?<![a-z])(?:test|foo|bar|xyz|qux)(?![a-z])|test[_-]?(?:pass|pw|user|key|secret|token)"
    r"|\$\{|\$\(|#\{|\{\{|\{\w*\}|%\(|%[sd]|%\w+%|<%|process\.env|os\.environ|getenv|env\.|undefined|^null|^none|^true"
    r"|^false|\[A-Z|\[a-z|\[0-9|\\[dwsSW]|\(\?|\.\*|\.\+"
)
_NO_VALUE = re.compile(
    r"(?i)https?://|\.{0,2}/|[A-Z]:\\|[$@%&?:;,)\]}|=]|--|\.(?=\D)|#[A-Z][\w-]*\Z|\+.{1,300}\+\Z|\+[A-Z_][\w.]{0,99}\("
)
# `new_password2`, `id_token`: a name of such a thing, or the word itself.
_TELLS = re.compile(
    r"(?i)[a-z_.-]{0,40}(?:(?:pass|password|passwd|passwort|pwd|pw)[a-z_.-]{0,40}[0-9]{0,4}"
    r"|(?:secret|token|key|user|username|login|admin|guest)[a-z_.-]{0,40}[0-9]?)"
)
_ESCAPES = re.compile(r"\\u\{?[0-9a-fA-F]{1,6}\}?|\\x[0-9a-fA-F]{2}|\\[0-7]{1,3}|\\[a-z]|&#?\w{1,8};|%[0-9A-F]{2}")
_FILE = re.compile(r"[\w./-]{1,200}\.[a-z]{2,4}")
_PARTS = re.compile(r":[0-9]{1,6}(?!\w)|[^\w\s]|_")  # `min:8`, `host:8080`


def is_given(value: str) -> bool:
    """Whether it is more than a placeholder, the word for what should stand there, or the beginning of code."""
    if _NO_VALUE.match(value) or _TELLS.fullmatch(value) or value.endswith(("...", "…")) or len(set(value)) < 3:
        return False
    return _PLACEHOLDER.search(value) is None or (len(value) >= 30 and _entropy(value) > 4.2 and "{" not in value)


def is_words(value: str) -> bool:
    """Whether it is words or the names of files, joined by anything, or says nothing but escapes."""
    rest = _ESCAPES.sub("", value)
    if len(rest) < 4 or _FILE.fullmatch(rest):
        return True
    first, *others = _PARTS.split(rest)
    return (first.isalpha() and all(one.isalpha() or not one for one in others)) or not _has_latin(rest)


def is_random(value: str) -> bool:
    """Whether letters and digits are mixed as nobody writes them: 3 bits a character and more."""
    value = _ESCAPES.sub("", value) if value.count("\\x") < 8 else value
    if len(value) < 12 or not any(map(str.isalpha, value)) or (is_words(value) and not _changes_case(value)):
        return False
    if not (_digits(value) or (len(value) >= 20 and value.upper() != value != value.lower())) or _entropy(value) < 3.0:
        return False
    least = 0.12 if _is_unpronounceable(value) else 0.2 if len(value) >= 30 else 0.22
    return _is_hexadecimal(value) or _mixing(value) >= least


def is_random_name(value: str) -> bool:
    """Whether one part of what could be a name, as `module.Name2`, is rather a random text."""
    parts = re.split(r"\.|::|->", value)
    return any(len(one) >= 16 and _digits(one) > 2 and (_is_hexadecimal(one) or _mixing(one) >= 0.25) for one in parts)


def mixes_everything(value: str) -> bool:
    """Whether it is what a rule for passwords asks for, and no expression: `Tr0ub4dor&3`."""
    kinds = (str.islower, str.isupper, str.isdigit, "!@#$%^&".__contains__)
    if len(value) < 8 or re.search(r"[\[\](){}<>=|*\\.,;]|&&", value):
        return False
    return all(any(map(kind, value)) for kind in kinds)


def _changes_case(value: str) -> bool:
    return len(value) >= 20 and _mixing(value) >= 0.25


def _is_unpronounceable(value: str) -> bool:
    """Whether letters of one case have fewer vowels than words have: 0.19 of random ones are, 0.38 of English ones."""
    letters = [one for one in value.lower() if one.isalpha()]
    return (value.isupper() or value.islower()) and sum(one in "aeiou" for one in letters) < 0.25 * len(letters)


def _is_hexadecimal(value: str) -> bool:
    digits = value.replace("-", "")
    return len(digits) >= 24 and re.fullmatch(r"[0-9a-f]*|[0-9A-F]*", digits) is not None


def _mixing(value: str) -> float:
    """How often the kind of sign changes from one to the next, other than from a capital to a small letter.

    Random base64 has 0.45, hexadecimal 0.47, base32 0.3, names in code 0.1 to 0.2.
    """
    kinds = "".join(map(_kind, value))
    changes = max(sum(pair in _CHANGES for pair in pairwise(way)) for way in (kinds, kinds[::-1]))
    return changes / max(len(kinds.replace(" ", "")), 1)


_CHANGES = {("a", "A"), ("a", "0"), ("A", "0"), ("0", "a"), ("0", "A")}


def _kind(one: str) -> str:
    if one.isdigit():
        return "0"
    return ("A" if one.isupper() else "a") if one.isalpha() else " "


def _has_latin(value: str) -> bool:
    return any(one.isascii() and one.isalnum() for one in value)


def _digits(value: str) -> int:
    return sum(map(str.isdigit, value))


def _entropy(value: str) -> float:
    """Bits per character, of how often each occurs in the value."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
