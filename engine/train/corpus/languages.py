"""Which language of engine/text/languages.py a file of a package is in."""

from __future__ import annotations

import re

from lacuna.engine.text.languages import language_of

_CPP_HEADER = re.compile(
    r"^\s*(?:namespace\b|template\s*<|using\s|class\s+\w+[^;]*$|(?:public|private|protected):)", re.MULTILINE
)


def language_of_file(path: str, text: str) -> str:
    """By the file's name; a header named .h is C++ where it says so."""
    if path.endswith(".h") and _CPP_HEADER.search(text):
        return "cpp"
    return language_of("", path)
