"""Values that are assigned to names which tell of a secret: `password`, `api_key`, `client_secret`.

Most of what code assigns to such names is code: `token = lexer.next();` keeps no secret. A value counts in quotes, in a
URL's login, in an element, in a connection string; and without quotes, as files of settings have it, only where it
looks random. All repetitions are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lacuna.engine.untrusted.randomness import is_given, is_random, is_random_name, is_words, mixes_everything

# Names that tell of a secret by how they end, in lower case.
_TELLING = (
    "secret", "password", "passwd", "passwort", "passphrase", "pwd", "token", "api_key", "api-key", "apikey",
    "access_key", "access-key", "accesskey", "account_key", "accountkey", "auth_key", "auth-key", "authkey",
    "private_key", "private-key", "privatekey", "signing_key", "encryption_key", "master_key", "session_key",
    "secret_key", "secret-key", "secretkey", "storage_key", "client_key", "service_key", "credential", "credentials",
    "_auth", "_pass", "_pw", "cookie",
)  # fmt: skip
_EASY = {"password", "passwd", "passwort", "passphrase", "pwd", "_pass", "_pw"}  # people make them up themselves

# What may follow in the name, a type, the sign, a call around the value, and a string's prefix.
_ASSIGNED = re.compile(
    r"(?i)(?:[_-]?(?:access|key|keys|value|string|base|b64|base64|hex|raw|prod|dev|live|test|main|default|[0-9]{1,3})"
    r"){0,3}[\"'`]?\]?\)?(?:\[[0-9]{0,5}\])?[ \t]{0,20}(?::[ \t]{0,4}[\w.\[\]&'<>*?|]{1,30}[ \t]{0,4}(?==[^=]))?"
    r"(?P<sign>=>|:=|->|={1,3}|:|,)[ \t]{0,20}(?:new[ \t])?(?P<call>[A-Za-z0-9_.:]{1,30}\()?"
    r"(?:[a-z@]{0,2}(?P<quote>[\"'`]))?(?P<value>[^\s\"'`]{6,300})"
)
# Calls that make a secret of their text. What other ones are given is a name, as in `get("password_2")`.
_MAKES_SECRET = re.compile(r"(?i)(?:[\w.:]*(?:secret|password|credential|token|bytes|str|string)|[\w.:]*from)\(")
_SETTER = re.compile(r"\([ \t]{0,4}[\"'`][\w.-]{0,60}\Z")  # `put("password`
_IN_ENVIRONMENT = re.compile(r"(?:^|\n)[ \t]{0,8}(?:export[ \t])?[A-Z][A-Z0-9_]{0,60}\Z")
_ENDS = re.compile(r"[ \t]{0,8}(?:[\r\n\"'`#]|//|\Z)")
_NAME = re.compile(r"[A-Za-z_$][\w$.:>-]*")
_IS_CODE = re.compile(r"[(\[{<>|*?!\\]|&&|::|->|^[+-]?[0-9][0-9_.]*[A-Za-z]{0,3}$|^0[xX]")
_HAS_RUN = re.compile(r"[0-9A-Za-z]{10}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-")

_ENCLOSED = re.compile(r">[ \t]{0,4}(?P<value>[^<\s]{4,300})</(?P<tag>[\w.:-]{1,60})>")
_IN_CONNECTION = re.compile(r"[ \t]{0,2}=[ \t]{0,2}(?P<value>[^\s;\"'`<>{}$(),&|]{4,200})(?=[;\"'`\s]|\Z)")
_REACH = 200  # characters in which a connection's other parts are looked for
_OTHER_PART = re.compile(
    r"(?i)(?:^|[;\s])(?:server|host|hostname|addr|address|data source|database|initial catalog|dbname|db|user|user id"
    r"|uid|username|login|port|driver|dsn|endpoint|accountname|provider|encrypt|sslmode|trusted_connection)"
    r"[ \t]{0,2}=(?!=)"
)
_HEADERS = ("bearer ", "basic ", "token ")
_IN_HEADER = re.compile(r"[ \t]{0,4}(?P<value>[A-Za-z0-9+/._~=-]{20,1000})")
_LOGIN = re.compile(r"://(?P<user>[^\s:/@\"'<>{}$]{0,100}):(?P<value>[^\s@/\"'<>{}$]{4,200})@")


@dataclass(frozen=True)
class Value:
    """Where a value stands in a text."""

    start: int
    end: int


def assigned_values(text: str) -> Iterator[Value]:
    """What is assigned to telling names and may be secret, in no order."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters have no lower case of the same length
        lower = "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
    read = 0  # up to where values of the same word have been looked at: none begins inside another
    last = ""
    for word, at in _places(lower, _TELLING):
        if word == last and at < read:
            continue
        found = _ASSIGNED.match(text, at)
        last, read = word, found.end() if found is not None else 0
        if found is not None and _is_secret(word, text, at, found):
            yield _value(found)
        yield from _enclosed(word, text, at)
        yield from _in_connection(text, at)
    for _, at in _places(lower, _HEADERS):
        found = _IN_HEADER.match(text, at)
        if found is not None and is_given(found["value"]) and is_random(found["value"]):
            yield _value(found)
    logins = (found for found in _LOGIN.finditer(text) if found["value"] != found["user"])  # `postgres:postgres`
    yield from (_value(found) for found in logins if is_given(found["value"]))


def _places(lower: str, words: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Where words end. They are looked for one by one: that is ten times faster than by one expression for all."""
    for word in words:
        at = lower.find(word)
        while at >= 0:
            at += len(word)
            yield word, at
            at = lower.find(word, at)


def _value(found: re.Match[str]) -> Value:
    return Value(found.start("value"), found.end("value"))


def _is_secret(word: str, text: str, at: int, found: re.Match[str]) -> bool:
    value = found["value"]
    if not is_given(value if found["quote"] else value.rstrip(";,)]}")):
        return False
    return _is_secret_string(word, text, at, found) if found["quote"] else _is_secret_setting(word, text, at, found)


def _is_secret_string(word: str, text: str, at: int, found: re.Match[str]) -> bool:
    value, sentence = found["value"], text[found.end() : found.end() + 1] in (" ", "\t")
    if found["call"] and _MAKES_SECRET.fullmatch(found["call"]) is None:
        return is_random_name(value)
    if len(value) >= 12 and is_random(value):
        return True
    if word not in _EASY or sentence or is_words(value):
        return False
    if found["sign"] == ",":  # in a list of names, too, a word follows on another
        is_setter = _SETTER.search(text[max(at - 80, 0) : at]) is not None
        return is_setter and text[found.end() + 1 : found.end() + 2] == ")" and any(map(str.islower, value))
    return True


def _is_secret_setting(word: str, text: str, at: int, found: re.Match[str]) -> bool:
    """Of a value without quotes: whether it is none of the expressions that code has there."""
    whole = found["value"]
    value = whole.rstrip(";,)]}")
    if found["call"] or found["sign"] not in ("=", ":") or _ENDS.match(text, found.end()) is None:
        return False
    if whole == value and found["sign"] == "=" and _is_environment(text, at, found):
        return (word in _EASY and not is_words(value)) or (len(value) >= 12 and is_random(value))
    if word in _EASY and whole == value and mixes_everything(value):
        return True
    if len(value) < 12 or _IS_CODE.search(value) or not is_random(value):
        return False
    if _NAME.fullmatch(value):
        return whole == value and is_random_name(value)
    return _HAS_RUN.search(value) is not None or re.search(r"[+*/.]", value) is None


def _is_environment(text: str, at: int, found: re.Match[str]) -> bool:
    """Whether it is a line of a shell's or of .env's: `NAME=value`, where a value that is no string is none of code."""
    name = text[max(at - 70, 0) : found.start("sign")]
    return found.start("value") == found.end("sign") and _IN_ENVIRONMENT.search(name) is not None


def _enclosed(word: str, text: str, at: int) -> Iterator[Value]:
    """In an XML element that has the name."""
    found = _ENCLOSED.match(text, at)
    if found is None or word not in found["tag"].lower() or not is_given(found["value"]):
        return
    value = found["value"]
    if (word in _EASY and not is_words(value)) or is_random(value):
        yield _value(found)


def _in_connection(text: str, at: int) -> Iterator[Value]:
    """In a connection string, which has other parts: a string, or as much as can be no statements."""
    found = _IN_CONNECTION.match(text, at)
    if found is None or not is_given(found["value"]):
        return
    left = re.split(r"[\"'`\n]", text[max(at - _REACH, 0) : at])
    right = re.split(r"([\"'`\n])", text[found.end() : found.end() + _REACH], maxsplit=1)
    others = len(_OTHER_PART.findall(left[-1])) + len(_OTHER_PART.findall(right[0]))
    in_string = (
        len(left) > 1 and left[-1][:1].isalpha() and right[1:2] != ["\n"] and text[at - len(left[-1]) - 1] != "\n"
    )
    is_unspaced = found.start("value") == at + 1 and not is_words(found["value"])
    if (others >= 1 and in_string) or (others >= 2 and is_unspaced):
        yield _value(found)
