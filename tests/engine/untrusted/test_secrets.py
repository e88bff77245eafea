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
    # Strings, in the words of several languages.
    f'String apiKey = "{MIXED}";',
    f'private static final String SECRET = "{MIXED}";',
    f'const char *api_key = "{MIXED}";',
    f'static const char token[] = "{MIXED}";',
    f'const TOKEN: &str = "{MIXED}";',
    f'let apiKey: String = "{MIXED}"',
    f'val token = "{MIXED}"',
    f"$config['client_secret'] = '{MIXED}';",
    f"define('API_KEY', '{MIXED}');",
    f"'secret_key' => '{MIXED}',",
    f":client_secret => '{MIXED}'",
    f'local token = "{MIXED}"',
    f'api_key <- "{MIXED}"'.replace("<-", "="),
    f"secret_key = b'{MIXED}'",
    f'token = SecretStr("{MIXED}")',
    f"const token = Buffer.from('{MIXED}');",
    f'if token == "{MIXED}":',
    f'if (token === "{MIXED}") {{',
    f'"refresh_token": "{HEX}{HEX}",',
    'password = SecretStr("hunter2")',
    'props.put("password", "hunter2");',
    'var password = "S3cr3t!pw";',
    "$password = 'Tr0ub4dor&3';",
    'passphrase: "c0rrect-h0rse-battery"',
    'char password[16] = "hunter2";',
    'password = "hunter2',  # cut off
    f'token = "{"JBSWY3DP" + "EHPK3PXP" + "MFRGGZDF"}"',
    f'token = "{"bcd2f1b8-9a78-44d3" + "-8a7a-4dd07d7cf635"}"',
    # Settings, without quotes.
    f"API_KEY={MIXED}",
    f"export CLIENT_SECRET={MIXED}",
    "DB_PASSWORD=hunter2",
    "DB_PASSWORD=s3cr3t-pw",
    "password: Tr0ub4dor&3",
    f"client_secret: {MIXED}",
    f"auth_token = {MIXED}",
    f"spring.security.client-secret={MIXED}",
    f"token: {HEX}  # of the robot",
    f"secret={AWS}",
    f"  access_key: {'Zk93bXQx' + 'NWJ2cGM0aTh1'}",
    # Logins, connection strings, headers, elements.
    "mongodb+srv://ann:" + "s3cr3tPw@cluster0.abc12.mongodb.net/shop",
    "redis://:" + "p4ssw0rdX@cache:6379/0",
    "https://ann:" + "letmein99@git.local/a.git",
    'conn = "Server=db;Database=shop;User Id=sa;Password=letmein1";',
    '"Data Source=db; Password = horse9staple; Encrypt=true"',
    '"host=db.local port=5432 user=ann password=hunter2 sslmode=disable"',
    f'"Authorization": "Basic {MIXED}"',
    f"-H 'Authorization: token {HEX}'",
    f"<client_secret>{MIXED}</client_secret>",
    f"<apiKey>{HEX}</apiKey>",
    "<db.password>hunter2</db.password>",
    # More published forms.
    "ASIA" + "IOSFODNN7EXAMPLE",
    "gho_" + "a1B2" * 9,
    "ya29." + "a1B2" * 10,
    "whsec_" + "a1B2" * 8,
    "EAAA" + "a1B2" * 15,
    "sk-" + "a1b2" * 8,
    "gsk_" + "a1B2" * 13,
    "key-" + HEX,
    HEX + "-us12",
    "shpat_" + HEX,
    "dapi" + HEX,
    "dop_v1_" + HEX + HEX,
    "lin_api_" + "a1B2" * 10,
    "12345678:AA" + "a1B" * 11,
    "xapp-1-" + "A1B2C3-123456-" + HEX,
    "https://hooks.slack.com" + "/services/T00000000/B00000000/" + "a1B2" * 6,
    "AGE-SECRET-KEY-1" + "A2" * 29,
    "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: a\n",
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
    "regexp = /^PuTTY-User-Key-File-2: (ssh-(?:rsa|dss))\\r?\\nEncryption: (aes256-cbc|none)/",
    "url(data:font/ttf;base64,AAAA/" + "EAAA" + "DAAAAAAEaAR" * 12 + ")",
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
    "eyJ-.eyJ-eyJ-eyJ-",
    "sk-sk-a-",
    "password=a;",
    "user=a;password=b1c2",
    "token:a<b|c",
    'put("password", ',
    "password='",
    "password=.a",
    "Bearer a-",
    "-----BEGIN A A A A A ",
    ">a</",
    "PuTTY-User-Key-File-2: a-",
]


def test_no_text_makes_the_search_slow() -> None:
    code = (
        "import sys\nfrom lacuna.engine.untrusted.secrets import has_token, secrets\n"
        "for unit in sys.argv[1:]:\n    text = unit * (1_000_000 // len(unit))\n    secrets(text), has_token(text)\n"
        "print('done')"
    )
    ended = subprocess.run([sys.executable, "-c", code, *HOSTILE], capture_output=True, text=True, timeout=300)
    assert ended.stdout == "done\n", ended.stderr
