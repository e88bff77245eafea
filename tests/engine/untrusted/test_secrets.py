"""Secrets in text: what is one, what only looks so, and that no text makes the search slow."""

from __future__ import annotations

import subprocess
import sys

import pytest
from lacuna.engine.untrusted.secrets import has_secret, has_token, reveals, secrets, without_secrets

AWS = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
HEX = "0123456789abcdef" * 2
MIXED = "8dyfuiRyqVc3RRredRk" + "fK__JItpZ"

SECRET = [
    f'AWS_SECRET_ACCESS_KEY = "{AWS}"',
    f"AWS_SECRET_ACCESS_KEY={AWS}",
    f"aws_secret_access_key = {AWS}",
    f"export AWS_SECRET_ACCESS_KEY='{AWS[:20]}",
    f'"secretAccessKey": "{AWS}"',
    'password: "hunter2"',
    '"password": "hunter2"',
    "DB_PASSWORD = 's3cr3t!pw'",
    "<password>hunter2</password>",
    f'token = "{MIXED}"',
    f'const token: string = "{MIXED}"',
    f'set("api_key", "{MIXED}")',
    f'os.environ["API_KEY"] = "{HEX}"',
    f"api_key: {HEX}",
    f'client_secret := "{MIXED}"',
    f"Authorization: Bearer {MIXED}{MIXED}",
    "postgres://ann:hunter2@db.local/shop",
    "Server=db;User=sa;Password=abc123;",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "AIza" + "Sy" + "A1b2C" * 7,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 13,
    "glpat-" + "a1B2c" * 4,
    "xoxb-" + "123456789012-" * 2 + "a1B2c3",
    "sk_live_" + "a1B2" * 6,
    "sk-proj-" + "a1B2" * 12,
    "sk-ant-api03-" + "a1B2" * 12,
    "hf_" + "aB" * 17,
    "npm_" + "a1B2" * 9,
    "pypi-AgE" + "a1B2" * 15,
    "SG." + "a" * 22 + "." + "b1" * 21 + "c",
    "SK" + HEX,
    "eyJ" + "a1B2" * 8 + ".eyJ" + "a1B2" * 8 + "." + "a1B2" * 8,
    "AccountKey=" + "a1B2" * 21 + "==",
    "hvs." + "a1B2" * 8,
    "dckr_pat_" + "a1B2" * 7,
    "GOCSPX-" + "a1B2" * 7,
    "-----BEGIN OPENSSH PRIVATE" + " KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE" + " KEY-----",
    "-----BEGIN PRIVATE" + " KEY-----\\nMIIEvgIBADANBgkqhkiG9w0BAQEFAASC\\n",
]

CODE = [
    "token = next_token()",
    "password = get_password1",
    "tokens = tokenizer.encode(text)",
    'token_type = "bearer"',
    'secret = os.environ["SECRET_1"]',
    'password = "your-password-1"',
    'api_key="YOUR_API_KEY_123"',
    'passwd = ""',
    "api_key = config.api_key2",
    'if token == "endif":',
    "token: Token1,",
    "password=${DB_PASSWORD1}",
    "token = parse_http2",
    'secret = "{{ secrets.X1 }}"',
    '<input type="password" id="x1">',
    "def has_token(text): pass",
    "http://localhost:8080/@x",
    "git@github.com:a/b",
    'private_key_path = "/etc/ssl/a1.key"',
    "FlowSequenceEndToken):",
    'cookie = "session"',
    'if line.startswith("-----BEGIN PRIVATE' + ' KEY-----"):\n    return True',
    'password = "password"',
    "sk-learn",
    "skeleton-1",
    'login = "https://user@host/"',
    'raise ValueError("the password is too short")',
    "token_ids = [1, 2, 3]",
]


@pytest.mark.parametrize("text", SECRET)
def test_a_secret_is_found(text: str) -> None:
    assert has_secret(text)
    found = secrets(f"a = 1\n{text}\nb = 2\n")
    assert found and all(6 <= secret.start < secret.end for secret in found)


@pytest.mark.parametrize("text", CODE)
def test_code_is_no_secret(text: str) -> None:
    assert not has_secret(text)
    assert not has_token(text)


def test_lines_with_secrets_are_left_out_and_the_others_stay() -> None:
    lines = [f"value_{number} = {number}\n" for number in range(20)]
    key = f'AWS_SECRET_ACCESS_KEY = "{AWS}"\n'
    assert without_secrets([*lines[:10], key, *lines[10:]]) == lines
    assert without_secrets(lines) == lines
    block = ["-----BEGIN RSA PRIVATE" + " KEY-----\n", *["MIIEowIBAAKCAQEA" * 4 + "\n"] * 3, "-----END RSA\n"]
    assert without_secrets([*lines, *block]) == [*lines, block[-1]]


def test_a_text_that_is_mostly_secrets_is_left_out() -> None:
    assert without_secrets([f'token_{n} = "{MIXED}{n}"\n' for n in range(4)] + ["host = 1\n"] * 6) == []


@pytest.mark.parametrize(
    ("before", "new", "after", "known", "expected"),
    [
        ("AWS_SECRET_ACCESS_KEY = ", f'"{AWS}"', "", "", True),
        ("AWS_SECRET_ACCESS_KEY = ", f'"{AWS[:22]}', "", "", True),  # cut off
        (f'AWS_SECRET_ACCESS_KEY = "{AWS[:10]}', AWS[10:], '"', "", True),
        (f'AWS_SECRET_ACCESS_KEY = "{AWS}"\nb = ', "1", "", "", False),  # it stood there before
        ("x = ", f'"{AWS}"', "", f'secret_key = "{AWS}"', True),
        (f"x = '{AWS[:5]}", AWS[5:], "", f'secret_key = "{AWS}"', True),
        ("x = ", "secret_key", "", f'secret_key = "{AWS}"', False),
        ("-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEowIBAAKCAQEA\n", "abcd" * 8, "", "", True),
        ("password = ", "input()", "", "", False),
    ],
)
def test_what_a_fill_reveals(before: str, new: str, after: str, known: str, expected: bool) -> None:
    assert reveals(before, new, after, known) == expected


HOSTILE = [
    "token",
    "password=",
    "://a:",
    "://",
    "-----BEGIN PRIVATE" + " KEY-----",
    "-----BEGIN PRIVATE" + " KEY-----MIIEowIBAAKCAQEA",
    "eyJaaaaaaaaaaaaaaaa.",
    "a",
    "Q~",
    "AKIA",
    "secret_key_key",
    "api_key[",
    "bearer ",
    "token: a",
    "PuTTY-User-Key-File-2:",
    "password_1_1_1",
    "İsecret=",
    "sig=",
    "<password>",
    "xapp-1-",
    "key-" + HEX,
]


def test_no_text_makes_the_search_slow() -> None:
    code = (
        "import sys\nfrom lacuna.engine.untrusted.secrets import secrets\n"
        "for unit in sys.argv[1:]:\n    secrets(unit * (200_000 // len(unit)))\nprint('done')"
    )
    ended = subprocess.run([sys.executable, "-c", code, *HOSTILE], capture_output=True, text=True, timeout=120)
    assert ended.stdout == "done\n", ended.stderr
