"""Secrets in text: the published forms of tokens and private keys, and values that are assigned to telling names.

The forms are those that their issuers publish, as scanners (gitleaks, detect-secrets) list them. All repetitions are
bounded and begin behind a fixed part, so that a scan is linear: 10,000 lines of code take 60 ms.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

# By what such a text holds in any case: a search for that is fifty times faster than one for the form.
_FORMS = {
    "AKIA": r"\bAKIA[0-9A-Z]{16}\b",  # Amazon
    "ASIA": r"\bASIA[0-9A-Z]{16}\b",
    "ABIA": r"\bABIA[0-9A-Z]{16}\b",
    "ACCA": r"\bACCA[0-9A-Z]{16}\b",
    "AIza": r"\bAIza[0-9A-Za-z_-]{35}",  # Google
    "GOCSPX-": r"\bGOCSPX-[0-9A-Za-z_-]{28}",
    "ya29.": r"\bya29\.[0-9A-Za-z_-]{20,400}",
    "Q~": r"[0-9A-Za-z_~.]{3}[0-9]Q~[0-9A-Za-z_~.-]{31,34}",  # Azure
    "AccountKey=": r"\bAccountKey=[0-9A-Za-z+/]{40,100}={0,2}",
    "SharedAccessKey=": r"\bSharedAccessKey=[0-9A-Za-z+/]{40,100}={0,2}",
    "sig=": r"[?&]sig=[0-9A-Za-z%+/]{40,120}",
    "ghp_": r"\bghp_[0-9A-Za-z]{36}",  # GitHub
    "gho_": r"\bgho_[0-9A-Za-z]{36}",
    "ghu_": r"\bghu_[0-9A-Za-z]{36}",
    "ghs_": r"\bghs_[0-9A-Za-z]{36}",
    "ghr_": r"\bghr_[0-9A-Za-z]{36}",
    "github_pat_": r"\bgithub_pat_[0-9A-Za-z_]{60,100}",
    "glpat-": r"\bglpat-[0-9A-Za-z_-]{20,100}",  # GitLab
    "gldt-": r"\bgldt-[0-9A-Za-z_-]{20,100}",
    "glrt-": r"\bglrt-[0-9A-Za-z_-]{20,100}",
    "glptt-": r"\bglptt-[0-9a-f]{40}",
    "ATATT3": r"\bATATT3[0-9A-Za-z_=-]{60,300}",  # Atlassian
    "xox": r"\bxox[abeoprs]-[0-9A-Za-z-]{20,200}",  # Slack
    "xapp-": r"\bxapp-[0-9]-[0-9A-Z]+-[0-9]+-[0-9a-f]{32,80}",
    "hooks.slack.com/": r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/_-]{30,100}",
    "discord": r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[0-9A-Za-z_-]{50,80}",
    "k_live_": r"\b[rsp]k_live_[0-9A-Za-z]{20,200}",  # Stripe
    "k_test_": r"\b[rs]k_test_[0-9A-Za-z]{20,200}",
    "whsec_": r"\bwhsec_[0-9A-Za-z+/]{24,100}",
    "sk-": r"\bsk-(?:proj-|ant-|svcacct-|admin-|or-)?[0-9A-Za-z_-]{32,200}",  # OpenAI, Anthropic, OpenRouter
    "hf_": r"\bhf_[0-9A-Za-z]{34}",  # Hugging Face
    "gsk_": r"\bgsk_[0-9A-Za-z]{40,80}",  # Groq
    "r8_": r"\br8_[0-9A-Za-z]{37}",  # Replicate
    "xai-": r"\bxai-[0-9A-Za-z]{60,100}",
    "npm_": r"\bnpm_[0-9A-Za-z]{36}",
    "pypi-AgE": r"\bpypi-AgE[0-9A-Za-z_-]{40,300}",
    "rubygems_": r"\brubygems_[0-9a-f]{48}",
    "oy2": r"\boy2[a-z0-9]{43}\b",  # NuGet
    "cio": r"\bcio[0-9A-Za-z]{32}\b",  # crates.io
    "dckr_pat_": r"\bdckr_pat_[0-9A-Za-z_-]{27}",
    "dop_v1_": r"\bdo[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    "SG.": r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}",  # SendGrid
    "key-": r"\bkey-[0-9a-f]{32}\b",  # Mailgun
    "-us": r"\b[0-9a-f]{32}-us[0-9]{1,2}\b",  # Mailchimp
    "SK": r"\bSK[0-9a-f]{32}\b",  # Twilio
    "shp": r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    "sq0": r"\bsq0[a-z]{3}-[0-9A-Za-z_-]{22,60}",  # Square
    "EAAA": r"\bEAAA[0-9A-Za-z_-]{60}",
    "hvs.": r"\bhvs\.[0-9A-Za-z_-]{24,200}",  # HashiCorp
    "hvb.": r"\bhvb\.[0-9A-Za-z_-]{24,300}",
    ".atlasv1.": r"\b[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{60,80}",
    "dapi": r"\bdapi[0-9a-f]{32}\b",  # Databricks
    "PMAK-": r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}",  # Postman
    "lin_api_": r"\blin_api_[0-9A-Za-z]{40}",  # Linear
    "NRAK-": r"\bNRAK-[0-9A-Z]{27}",  # New Relic
    "glsa_": r"\bglsa_[0-9A-Za-z]{32}_[0-9a-f]{8}",  # Grafana
    "sntrys_": r"\bsntry[su]_[0-9A-Za-z_=+/-]{40,300}",  # Sentry
    "pscale_": r"\bpscale_(?:tkn|pw|oauth)_[0-9A-Za-z_.=-]{32,64}",
    "AGE-SECRET-KEY-1": r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}",
    "ops_eyJ": r"\bops_eyJ[0-9A-Za-z+/]{100,1000}",  # 1Password
    ":AA": r"\b[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",  # Telegram
    # A signed JSON web token.
    ".eyJ": r"\beyJ[0-9A-Za-z_-]{16,2000}\.eyJ[0-9A-Za-z_-]{16,4000}\.[0-9A-Za-z_-]{20,1000}",
    "PRIVATE KEY": (  # as far as it goes on
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\"'\\nr+,]{0,40}"
        r"(?:[A-Za-z0-9+/=]{16}|Proc-Type|DEK-Info|Version|Comment)"
        r"(?:[A-Za-z0-9+/\\\"'=,:.\s]|-(?!----)){0,12000}"
    ),
    "PuTTY-User-Key-File": r"PuTTY-User-Key-File-[0-9]:[^\0]{0,4000}",
}
_TOKENS = {part: re.compile(form) for part, form in _FORMS.items()}
_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/\\\"=:,.\s-]{64}")

# Names that tell of a secret by how they end, in lower case, and what may follow in the name.
_TELLING = (
    "secret", "password", "passwd", "passwort", "passphrase", "pwd", "token", "api_key", "api-key", "apikey",
    "access_key", "access-key", "accesskey", "account_key", "accountkey", "auth_key", "auth-key", "authkey",
    "private_key", "private-key", "privatekey", "signing_key", "encryption_key", "master_key", "session_key",
    "storage_key", "client_key", "service_key", "credential", "credentials", "_auth", "_pass", "_pw", "cookie",
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?i)(?:[_-]?(?:access|key|keys|value|string|base|b64|base64|hex|raw|prod|dev|live|test|main|default|[0-9]{1,3})"
    r"){0,3}[\"'`]?\]?\)?[ \t]{0,20}(?::[ \t]{0,4}[A-Za-z.\[\]]{1,20}[ \t]{0,4})?(?:=>|:=|->|==|=|:|,)[ \t]{0,20}"
    r"(?:[A-Za-z.]{1,20}\()?(?:[bru]{0,2}(?P<quote>[\"'`]))?(?P<value>[^\s\"'`]{6,300})"
)
_ENCLOSED = re.compile(r">[ \t]{0,4}(?P<value>[^<\s]{4,300})</")
_IN_CONNECTION = re.compile(r"[ \t]{0,4}=[ \t]{0,4}(?P<value>[^\s;\"'<>{}$]{4,200});")
_HEADERS = ("bearer ", "basic ", "token ")
_IN_HEADER = re.compile(r"[ \t]{0,4}(?P<value>[A-Za-z0-9+/._~=-]{20,1000})")
_LOGIN = re.compile(r"://[^\s:/@\"'<>{}$]{0,100}:(?P<value>[^\s@/\"'<>{}$]{3,200})@")

# What people write where a secret is to come. Of a long value that looks random a part may read so by chance.
_PLACEHOLDER = re.compile(
    r"(?i)example|change[_-]?me|your|placeholder|dummy|sample|replace|insert|redacted|xxx|\.\.\.|\*\*\*|<|todo|fixme"
    r"|\$\{|\{\{|%\(|%s|\{\}|process\.env|os\.environ|getenv|undefined|^null|^none|^true|^false"
)
_EASY = {"password", "passwd", "passwort", "passphrase", "pwd", "_pass", "_pw"}  # people make them up themselves
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)*[;:,)\]}]*")
_WORDS = re.compile(r"[A-Za-z]+(?:[-_./ :][A-Za-z]+)*|[A-Z][a-z]+(?:[A-Z][a-z]+)*")


@dataclass(frozen=True)
class Secret:
    """Where a secret stands in a text."""

    start: int
    end: int
    value: str


def secrets(text: str) -> list[Secret]:
    """All secrets of a text, in order. They may overlap."""
    return sorted((*_tokens(text), *_values(text)), key=lambda secret: (secret.start, secret.end))


def has_secret(text: str) -> bool:
    """Whether a text holds a secret."""
    return next(_tokens(text), None) is not None or next(_values(text), None) is not None


def has_token(text: str) -> bool:
    """Whether a text holds a secret in a published form; what its names say is not asked."""
    return any(
        part in text and (_KEY_BEGINS if part == "PRIVATE KEY" else form).search(text) is not None
        for part, form in _TOKENS.items()
    )


def without_secrets(lines: list[str]) -> list[str]:
    """The lines that hold no secret, and no part of one; none at all where one line in four does."""
    text = "".join(lines)
    found = secrets(text)
    if not found:
        return lines
    kept, start, held = [], 0, 0
    for line in lines:
        end = start + len(line)
        holds = any(secret.start < end and start < secret.end for secret in found)
        held += holds
        if not holds:
            kept.append(line)
        start = end
    return kept if 4 * held < sum(1 for line in lines if line.strip()) or held <= 1 < len(kept) else []


def reveals(before: str, new: str, after: str, known: str = "") -> bool:
    """Whether `new`, put between two texts, is part of a secret, or says one that stands in `known`."""
    start, end = len(before), len(before) + len(new)
    whole = before + new + after
    if any(secret.start < end and start < secret.end for secret in secrets(whole)):
        return True
    values = {secret.value for secret in secrets(known)}
    return any(_says(whole, value, start, end) for value in values)


def _says(text: str, value: str, start: int, end: int) -> bool:
    """Whether a value stands in a text so that some of it is between two offsets."""
    at = text.find(value, max(start - len(value) + 1, 0))
    return 0 <= at < end


def _tokens(text: str) -> Iterator[Secret]:
    for part, form in _TOKENS.items():
        if part in text:
            for match in form.finditer(text):
                yield Secret(match.start(), match.end(), match[0])


def _values(text: str) -> Iterator[Secret]:
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
        if found is not None and _looks_secret(word, found["value"], bool(found["quote"])):
            yield _secret(found)
        for form in (_ENCLOSED, _IN_CONNECTION):
            found = form.match(text, at)
            if found is not None and _is_given(found["value"]):
                yield _secret(found)
    for _, at in _places(lower, _HEADERS):
        found = _IN_HEADER.match(text, at)
        if found is not None and _is_given(found["value"]) and _is_random(found["value"]):
            yield _secret(found)
    yield from (_secret(found) for found in _LOGIN.finditer(text) if _is_given(found["value"]))


def _places(lower: str, words: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Where words end. They are looked for one by one: that is ten times faster than by one expression for all."""
    for word in words:
        at = lower.find(word)
        while at >= 0:
            at += len(word)
            yield word, at
            at = lower.find(word, at)


def _secret(found: re.Match[str]) -> Secret:
    return Secret(found.start("value"), found.end("value"), found["value"])


def _looks_secret(word: str, value: str, quoted: bool) -> bool:
    """Whether a value is more than a word, a placeholder, or a piece of code."""
    value = value if quoted else value.rstrip(";,)]}")
    if not _is_given(value) or value.startswith(("http://", "https://", "/", "./", "$", "@", "%", "--")):
        return False
    if not quoted and (re.search(r"[(\[{]", value) or _IDENTIFIER.fullmatch(value)):
        return (
            _IDENTIFIER.fullmatch(value) is not None and len(value) >= 16 and _is_random(value) and _digits(value) > 2
        )
    if quoted and word in _EASY:
        return len(value) >= 6 and _WORDS.fullmatch(value) is None
    return len(value) >= 12 and _is_random(value)


def _is_given(value: str) -> bool:
    return _PLACEHOLDER.search(value) is None or (len(value) >= 30 and _entropy(value) > 4.2 and "{" not in value)


def _is_random(value: str) -> bool:
    """Whether letters and digits are mixed as nobody writes them: 3 bits a character and more."""
    mixed = _digits(value) > 0 or (len(value) >= 20 and value.upper() != value != value.lower())
    return mixed and any(map(str.isalpha, value)) and _WORDS.fullmatch(value) is None and _entropy(value) >= 3.0


def _digits(value: str) -> int:
    return sum(map(str.isdigit, value))


def _entropy(value: str) -> float:
    """Bits per character, of how often each occurs in the value."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
