"""Code that speaks of tokens, passwords and keys: it holds no secret, and what repeats it reveals none."""

from __future__ import annotations

import pytest
from code_without_secrets import CODE, LINES

from lacuna.engine.untrusted.secrets import has_secret, has_token, reveals, secrets, without_secrets


@pytest.mark.parametrize(("language", "line"), LINES)
def test_code_that_speaks_of_secrets_holds_none(language: str, line: str) -> None:
    assert [secret.value for secret in secrets(line)] == [], language
    assert not has_token(line)
    assert not has_secret(f"    {line}\n    return 1\n")


def test_there_is_enough_code_of_enough_languages() -> None:
    assert len(LINES) >= 80 and len(CODE) >= 15


@pytest.mark.parametrize("language", CODE)
def test_lines_of_such_code_stay_in_snippets(language: str) -> None:
    lines = [line + "\n" for line in CODE[language].strip().split("\n")]
    assert without_secrets(lines) == lines


# `known` is what stands in the document.
FILLS = [
    ("this.token = ", "token;", "", ""),
    ("const token = this.stack.", "pop();", "", ""),
    ("Token token = lexer.", "nextToken();", "", ""),
    ("var token = ", "cancellationTokenSource.Token;", "", ""),
    ("let token = self.tokens[self.", "current", "];", ""),
    ("next(token) { ", "return this.parse(token);", " }", "this.token = token;"),
    ("return ", "this.password.equals(password);", "", "this.password = password;"),
    ("", "token = next_token(s);", "", "char *token = next_token(s);"),
    ("    return ", "this.token;", "", "class A { constructor(token) { this.token = token; } }"),
    ("password = ", "input('Password: ')", "", ""),
    ("password = ", "getpass.getpass()", "", ""),
    ('secret = os.environ["', "SECRET_1", '"]', ""),
    ("token: ", "process.env.TOKEN2,", "", ""),
]


@pytest.mark.parametrize(("before", "new", "after", "known"), FILLS)
def test_a_fill_of_code_reveals_nothing(before: str, new: str, after: str, known: str) -> None:
    assert not reveals(f"{known}\n{before}", new, after, known=f"{known}\n{before}{after}")
