"""Secrets in text: the published forms of tokens and private keys, and values that are assigned to telling names.

The forms are those that their issuers publish, as scanners (gitleaks, detect-secrets) list them. All repetitions are
bounded and begin behind a fixed part, so that a scan is linear: 10,000 lines of code take 60 ms. What is assigned is
looked for in assigned_values.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lacuna.engine.untrusted.assigned_values import assigned_values

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
    "xapp-": r"\bxapp-[0-9]-[0-9A-Z]{1,40}-[0-9]{1,40}-[0-9a-f]{32,80}",
    "hooks.slack.com/": r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/_-]{30,100}",
    "discord": r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[0-9A-Za-z_-]{50,80}",
    "k_live_": r"\b[rsp]k_live_[0-9A-Za-z]{20,200}",  # Stripe
    "k_test_": r"\b[rs]k_test_[0-9A-Za-z]{20,200}",
    "whsec_": r"\bwhsec_[0-9A-Za-z+/]{24,100}",
    # OpenAI, Anthropic, OpenRouter. A class of a style sheet has no digit in its name.
    "sk-": r"(?<![0-9A-Za-z_-])sk-(?=[A-Za-z_-]{0,60}[0-9])[0-9A-Za-z_-]{32,200}",
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
    "EAAA": r"(?<![0-9A-Za-z+/=_-])EAAA[0-9A-Za-z_-]{60}(?![0-9A-Za-z+/=_-])",
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
    ".eyJ": r"(?<![0-9A-Za-z_-])eyJ[0-9A-Za-z_-]{16,2000}\.eyJ[0-9A-Za-z_-]{16,4000}\.[0-9A-Za-z_-]{20,1000}",
    "PRIVATE KEY": (  # as far as it goes on
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\"'\\nr+,]{0,40}"
        r"(?:[A-Za-z0-9+/=]{16}|Proc-Type|DEK-Info|Version|Comment)"
        r"(?:[A-Za-z0-9+/\\\"'=,:.\s]|-(?!----)){0,12000}"
    ),
    "PuTTY-User-Key-File": r"PuTTY-User-Key-File-[0-9]: {0,2}[a-z0-9@.-]{3,60}[\\r\s]{0,4}(?:\\n|\n)[^\0]{0,4000}",
}
_TOKENS = {part: re.compile(form) for part, form in _FORMS.items()}
# Those that begin with that part: they are tried where it stands, ten times faster than where any word begins.
_BEGIN = {
    part
    for part, form in _FORMS.items()
    if re.sub(r"^(?:\\b|\(\?<![^)]*\))", "", form).startswith((part, re.escape(part)))
}
_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/\\\"=:,.\s-]{64}")


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
    forms = (("PRIVATE KEY", _KEY_BEGINS) if part == "PRIVATE KEY" else (part, form) for part, form in _TOKENS.items())
    return any(next(_found(part, form, text), None) is not None for part, form in forms)


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
        for match in _found(part, form, text):
            yield Secret(match.start(), match.end(), match[0])


def _found(part: str, form: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    if part not in _BEGIN:
        if part in text:
            yield from form.finditer(text)
        return
    at = text.find(part)
    while at >= 0:
        match = form.match(text, at)
        if match is not None:
            yield match
        at = text.find(part, at + len(part) if match is None else match.end())


def _values(text: str) -> Iterator[Secret]:
    for value in assigned_values(text):
        yield Secret(value.start, value.end, text[value.start : value.end])
