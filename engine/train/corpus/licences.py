"""Licences as packages state them in their own metadata, and which of them the corpus takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.parser import HeaderParser

UNKNOWN = "unknown"

# fmt: off
# SPDX names, in lower case. All ask for no more than that a notice is kept.
_PERMISSIVE = {
    "0bsd", "apache-2.0", "apache-2.0 with llvm-exception", "blueoak-1.0.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0",
    "cc0-1.0", "curl", "hpnd", "isc", "libpng", "mit", "mit-0", "mit-cmu", "ncsa", "postgresql", "psf-2.0",
    "python-2.0", "unlicense", "wtfpl", "x11", "zlib", "zpl-2.1",
}
# fmt: on
# What people write for them in free text or in Debian's short names, as `_plain` leaves it.
_SPELLINGS = {
    "apache-2.0": "apache | apache 2 | apache 2.0 | apache2 | apache-2 | apache v2 | apache license | asl 2.0"
    " | apache license 2.0 | apache license v2.0 | apache license, version 2.0 | apache license version 2.0"
    " | the apache license, version 2.0 | apache 2.0 license | apache-2.0 license | apache software license"
    " | apache software license 2.0",
    "bsd-2-clause": "bsd 2-clause | 2-clause bsd | bsd-2 | simplified bsd | bsd 2-clause license | bsd-2-clauses",
    "bsd-3-clause": "bsd | bsd license | bsd-3 | bsd3 | bsd 3-clause | bsd 3 clause | 3-clause bsd"
    " | bsd 3-clause license | the bsd 3-clause license | 3-clause bsd license | bsd-3-clause license | bsd-3-clauses"
    " | new bsd | new bsd license | modified bsd license | revised bsd",
    "bsl-1.0": "bsl | bsl-1 | boost-1 | boost-1.0 | boost software license 1.0",
    "cc0-1.0": "cc0 | cc-0 | cc0 1.0 universal",
    "hpnd": "historical permission notice and disclaimer",
    "isc": "isc license | iscl",
    "mit": "the mit license | mit license | expat | expat license | mit/expat | expat with embedded exception",
    "mit-0": "mit no attribution license",
    "psf-2.0": "psf | psfl | python software foundation license | psf license",
    "unlicense": "the unlicense | public domain | public-domain",
    "zlib": "zlib/libpng | zlib/libpng license | zlib license",
    "zpl-2.1": "zpl | zpl 2.1 | zope public license",
}
_NAMES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split(" | ")}


def permissive(licence: str) -> bool:
    """Whether a licence, or an expression of several with AND and OR, lets the corpus take the text."""
    return all(any(_name(choice) in _PERMISSIVE for choice in _choices(term)) for term in _terms(licence))


def of_wheel(metadata: str) -> str:
    """The licence of a wheel's METADATA: its SPDX expression, else its classifiers, else its free text's first line."""
    headers = HeaderParser().parsestr(metadata)
    if headers["License-Expression"]:
        return str(headers["License-Expression"]).strip()
    classifiers = [str(line) for line in headers.get_all("Classifier", []) if str(line).startswith("License ::")]
    names = [re.sub(r"\s*\(.*\)$", "", line.rpartition("::")[2].strip()) for line in classifiers]
    names = [name for name in names if name != "OSI Approved"]
    text = str(headers["License"] or "").strip().partition("\n")[0].strip()
    # A classifier names a family ("BSD License") where the text may name the member.
    if text and permissive(text) and all(permissive(name) for name in names):
        return text
    return " AND ".join(sorted(set(names))) or text or UNKNOWN


def of_npm(package_json: str) -> str:
    """The licence of an npm package.json, in its present form and in the two older ones."""
    package = json.loads(package_json)
    stated = package.get("license") or package.get("licenses") or UNKNOWN
    several = stated if isinstance(stated, list) else [stated]
    names = [str(one.get("type", UNKNOWN)) if isinstance(one, dict) else str(one) for one in several]
    return " OR ".join(names)


def of_debian(copyright_file: str) -> Callable[[str], str]:
    """The licence of every path of a Debian source package, by its machine-readable debian/copyright.

    The last stanza whose pattern matches holds (Debian's format 1.0); `*` matches slashes, too.
    """
    rules: list[tuple[re.Pattern[str], str]] = []
    for paragraph in re.split(r"\n\s*\n", copyright_file):
        headers = HeaderParser().parsestr(paragraph.strip() + "\n")
        licence = str(headers["License"] or "").strip().partition("\n")[0]
        for pattern in str(headers["Files"] or "").split():
            rules.append((_glob(pattern), licence or UNKNOWN))
    return lambda path: next((licence for glob, licence in reversed(rules) if glob.fullmatch(path)), UNKNOWN)


def _terms(licence: str) -> list[str]:
    """What must all hold. Nested alternatives are read as if no bracket stood there: stricter, never laxer."""
    return re.split(r"\s+and\s+|\s*&\s*|;\s+", _plain(re.sub("[()]", " ", licence)))


def _choices(term: str) -> list[str]:
    return [term, *re.split(r"\s+or\s+|\s*/\s*", term)]  # the whole, too: "zlib/libpng" is one name


def _name(choice: str) -> str:
    plain = _plain(choice).removesuffix("+").partition("~")[0]  # Debian's "BSD-3-clause~Google" names the holder, too
    return _NAMES.get(plain, plain)


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("licence", "license").split())


def _glob(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)
