"""Credentials in program text: the published forms of keys and tokens."""

from __future__ import annotations

import re

# By what such a text holds in any case: a search for that is fifty times faster than one for the form.
_FORMS = {
    "PRIVATE KEY-----": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[A-Za-z0-9+/\\\"=\s]{64}",
    "AKIA": r"\bAKIA[0-9A-Z]{16}\b",  # Amazon
    "ASIA": r"\bASIA[0-9A-Z]{16}\b",
    "AIza": r"\bAIza[0-9A-Za-z_-]{35}\b",  # Google
    "ghp_": r"\bghp_[0-9A-Za-z]{36}",  # GitHub
    "gho_": r"\bgho_[0-9A-Za-z]{36}",
    "ghs_": r"\bghs_[0-9A-Za-z]{36}",
    "github_pat_": r"\bgithub_pat_[0-9A-Za-z_]{60}",
    "glpat-": r"\bglpat-[0-9A-Za-z_-]{20}",  # GitLab
    "xox": r"\bxox[abprs]-[0-9]{8,}-[0-9A-Za-z-]{10}",  # Slack
    "k_live_": r"\b[rs]k_live_[0-9A-Za-z]{20}",  # Stripe
    "sk-": r"\bsk-(?:proj-|ant-)?[0-9A-Za-z_-]{40}",
    "hf_": r"\bhf_[0-9A-Za-z]{34}\b",  # Hugging Face
    "npm_": r"\bnpm_[0-9A-Za-z]{36}\b",
    "pypi-AgE": r"\bpypi-AgE[0-9A-Za-z_-]{40}",
    "SG.": r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}",  # SendGrid
    ".eyJ": r"\beyJ[0-9A-Za-z_-]{16,}\.eyJ[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{20}",  # a signed JSON web token
}
_SEARCHES = {part: re.compile(form).search for part, form in _FORMS.items()}


def has_secret(text: str) -> bool:
    return any(part in text and search(text) is not None for part, search in _SEARCHES.items())
