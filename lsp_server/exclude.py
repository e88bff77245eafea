"""Which files Lacuna leaves alone: secrets, what the user lists, and what .gitignore hides."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

from lsp_server.gitignore import GitIgnores

_PERCENT_CODES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_DATA_ENDS = ("cfg", "conf", "csv", "enc", "ini", "json", "properties", "toml", "txt", "xml", "yaml", "yml")
_CODE_ENDS = (
    "c", "cc", "cpp", "cs", "go", "h", "hpp", "java", "js", "jsx", "kt", "php", "py", "rb", "rs", "scala", "swift",
    "ts", "tsx",
)  # fmt: skip

# Lower case: names are compared in lower case, as `.ENV` is the same file on two of three systems.
# A `credentials_provider.py` is code; a `credentials.py` or `secrets.py` is where small projects keep the real ones.
SECRET_GLOBS: tuple[str, ...] = (
    "*.env", ".env", ".env.*", ".envrc",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.pkcs12", "*.p8", "*.jks", "*.keystore", "*.kdb", "*.kdbx", "*.ppk", "*.gpg",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*_rsa", "*_ed25519",
    "credentials*", *(f"!credentials?*.{end}" for end in _CODE_ENDS),
    ".credentials*", *(f"*credentials.{end}" for end in _DATA_ENDS),
    "secrets.*", *(f"*{noun}.{end}" for noun in ("secret", "secrets") for end in _DATA_ENDS),
    ".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".htpasswd", ".git-credentials", ".vault-token",
    ".npmrc", ".pypirc", ".dockercfg", ".docker/config.json", ".kube/config", ".gnupg/", ".ssh/", ".password-store/",
    "*.tfvars", "*.tfstate", "service-account*.json", "service_account*.json",
)  # fmt: skip


class Exclusion:
    """Says why a document gets no suggestions and enters no other document's context.

    `user_globs` are .gitignore patterns that hold at any depth and have the last word: `!secrets.py` lets that file
    in again. A pattern that is none raises ValueError.
    """

    def __init__(self, user_globs: Iterable[str] = (), recheck_seconds: float = 1.0) -> None:
        self._user = [(glob, _user_spec(glob)) for glob in user_globs]
        self._secrets = GitIgnoreSpec.from_lines(_anywhere(glob) for glob in SECRET_GLOBS)
        self._gitignores = GitIgnores(recheck_seconds)
        self._secret_globs: dict[str, str | None] = {}

    def reason(self, uri_or_path: str) -> str | None:
        """Why this document is left alone, in words for a person; None where it is not."""
        path = path_of(uri_or_path)
        for glob, spec in reversed(self._user):
            include = spec.check_file(path).include
            if include is not None:
                return f"listed by the user: {glob}" if include else None
        secret = self._secret(path)
        if secret is not None:
            return f"may hold secrets: {secret}"
        hidden_by = self._gitignores.hides(path)
        return f"hidden by {hidden_by}" if hidden_by is not None else None

    def _secret(self, path: str) -> str | None:
        """The glob of SECRET_GLOBS that names `path`, or what `path` links to."""
        if path not in self._secret_globs:
            if len(self._secret_globs) > 1000:
                self._secret_globs.clear()
            self._secret_globs[path] = self._secret_glob(path) or self._secret_glob(_link_target(path))
        return self._secret_globs[path]

    def _secret_glob(self, path: str) -> str | None:
        result = self._secrets.check_file(path.lower())
        return SECRET_GLOBS[result.index] if result.include and result.index is not None else None


def path_of(uri_or_path: str) -> str:
    """The file behind a URI, with forward slashes: of a notebook cell the notebook, of an untitled document its name.

    A plain path comes back as it is. Query and fragment are dropped, percent codes decoded, and Windows drives
    keep their letter: `file:///c%3A/x` is `c:/x`.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri_or_path)  # two letters at least: one is a drive
    if scheme is None:
        windows = os.sep == "\\" or re.match(r"[A-Za-z]:\\|\\\\", uri_or_path)
        return uri_or_path.replace("\\", "/") if windows else uri_or_path
    rest = re.split(r"[?#]", uri_or_path[scheme.end() :], maxsplit=1)[0]
    authority = ""
    if rest.startswith("//"):
        authority, slash, tail = rest[2:].partition("/")
        rest = slash + tail
    path = _decoded(rest)
    if scheme[1].lower() == "file" and authority not in ("", "localhost"):
        return f"//{_decoded(authority)}{path}"
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _decoded(text: str) -> str:
    return _PERCENT_CODES.sub(lambda codes: bytes.fromhex(codes[0].replace("%", "")).decode(errors="replace"), text)


def _user_spec(glob: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines([_anywhere(glob)])
    except (GitIgnorePatternError, re.error) as error:
        raise ValueError(f"exclude: {glob!r} is not a .gitignore pattern: {error}") from error


def _anywhere(glob: str) -> str:
    """`glob` so that it holds at any depth: .gitignore ties a pattern with an inner slash to its own directory."""
    negation, pattern = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
    pattern = os.path.expanduser(pattern)
    tied = "/" in pattern.rstrip("/") and not pattern.startswith(("/", "**/")) and not re.match(r"[A-Za-z]:/", pattern)
    return f"{negation}**/{pattern}" if tied else f"{negation}{pattern}"


def _link_target(path: str) -> str:
    return os.path.realpath(path).replace("\\", "/") if os.path.islink(path) else path
