"""The settings: names, types, ranges and defaults, and how what an editor sends is validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches

from lacuna.lsp_server.documents.exclude import bad_globs
from lacuna.lsp_server.model.auto import AUTO


@dataclass(frozen=True)
class ServerChoice:
    """Which server fills, instead of a model here."""

    url: str
    dialect: str = AUTO
    model: str = ""
    key: str = ""  # where it is
    secret: str | None = field(default=None, repr=False)  # what the client's environment has for it; None: not asked


@dataclass(frozen=True)
class ModelChoice:
    """Which model to load, and how. See `lacuna.engine.device.runtime.choose` for what "auto" and 0 mean."""

    model: str
    device: str
    dtype: str
    threads: int
    adapter: str = ""
    server: ServerChoice | None = None

    def within(self, environment: Mapping[str, str]) -> ModelChoice:
        """With the key that the setting names, where it is a variable of this environment."""
        kind, _, name = self.server.key.partition(":") if self.server is not None else ("", "", "")
        if self.server is None or kind != "env":
            return self
        return replace(self, server=replace(self.server, secret=environment.get(name, "")))


@dataclass(frozen=True)
class Config:
    """What a user can set. Every field has a default, so that no setting is ever needed."""

    enabled: bool = True  # false: no suggestions, and the model gives its memory back
    disabled_languages: tuple[str, ...] = ()  # the editor's language ids, as in ("markdown", "plaintext")
    model: str = AUTO  # "auto" (the best that is pulled and fits this machine), a name `lacuna pull` knows, or a path
    adapter: str = ""  # one of your own: a name from `lacuna train gap`, or a path; "" for the model's
    device: str = "auto"  # "auto", "cpu", "cuda" or "mps"
    dtype: str = "auto"  # "auto", "float32", "bfloat16" or "int8"
    threads: int = 0  # CPU threads; 0 lets Lacuna choose
    engine_url: str = ""  # of a server that fills instead of a model here, as http://127.0.0.1:8012; "" for none
    engine_dialect: str = AUTO  # what it speaks: "auto" finds out; "llama.cpp", "completions", "ollama", "fim", "chat"
    engine_model: str = ""  # which of its models; "" where it has one
    engine_key: str = ""  # where its key is: "env:NAME" or "keyring:SERVICE"; never the key itself
    debounce_ms: int = 0  # milliseconds an automatic request waits for a newer one; editors wait 50 to 200 themselves
    max_lines: int = 8  # lines of a suggestion at most
    confidence: float = 0.4  # 0 to 1; unasked, suggestions less sure than this are not shown
    budget_ms: int = 150  # milliseconds an automatic request may take; more candidates are tried where they fit in
    num_candidates: int = 3  # candidates of an invoked request: the most different suggestions it can bring
    completion: str = "inline"  # "inline" ghost text, "plain" items in the completion menu, or "both"
    # .gitignore patterns of files to leave alone; "!pattern" lets in what these or an ignore file left out, no secrets
    excluded: tuple[str, ...] = ()
    next_edits: bool = True  # edits that follow from the last one, for editors that ask for them
    statistics: bool = True  # counts per day, without any text, in a file of the user's; `lacuna stats` prints them
    log_level: str = "info"  # "debug", "info", "warning" or "error"

    @property
    def model_choice(self) -> ModelChoice:
        """What has to be loaded anew when it changes."""
        if self.engine_url:
            server = ServerChoice(self.engine_url, self.engine_dialect, self.engine_model, self.engine_key)
            return ModelChoice("", "", "", 0, server=server)
        return ModelChoice(self.model, self.device, self.dtype, self.threads, self.adapter)

    @property
    def inline(self) -> bool:
        """Whether `textDocument/inlineCompletion` is answered."""
        return self.completion != "plain"

    @property
    def plain(self) -> bool:
        """Whether `textDocument/completion` is answered."""
        return self.completion != "inline"


DEFAULTS = Config()
ALIASES = {"drafts": "num_candidates"}  # names that settings had in 0.1: accepted, with a warning, until 0.3

_CHOICES = {
    "device": ("auto", "cpu", "cuda", "mps"),
    "dtype": ("auto", "float32", "bfloat16", "int8"),
    "engine_dialect": (AUTO, "llama.cpp", "completions", "ollama", "fim", "chat"),
    "completion": ("inline", "plain", "both"),
    "log_level": ("debug", "info", "warning", "error"),
}
_RANGES = {
    "threads": (0, 256),
    "debounce_ms": (0, 5_000),
    "max_lines": (1, 100),
    "confidence": (0, 1),
    "budget_ms": (0, 10_000),
    "num_candidates": (1, 6),
}


def from_client(settings: object, base: Config | None = None) -> tuple[Config, list[str]]:
    """The settings with what the client sent, and what is wrong with the rest of it, in words for the user.

    `settings` is what came as initializationOptions or in didChangeConfiguration: names as above or in camelCase, at
    the top or in a section "lacuna"; None for nothing. What is unknown, bad or an empty text keeps the value it has in
    `base`. A name of ALIASES counts where the new name is not sent, and is a problem only in that it is old.
    """
    config = base or Config()
    if isinstance(settings, Mapping):
        settings = settings.get("lacuna", settings)
    if settings is None or settings == []:  # Lua writes an empty table as either {} or []
        return config, []
    if not isinstance(settings, Mapping):
        return config, [f"the settings are an object of names and values, not {settings!r}"]
    sent = [(str(key), _snake_case(str(key)), value) for key, value in settings.items()]
    values: dict[str, object] = {}
    problems = []
    for key, name, value in sent:
        if name in ALIASES:
            name = ALIASES[name]
            problems.append(_renamed(key, name))
            if any(name == other for _, other, _ in sent):
                continue
        fault = _fault(name, key, value)
        if fault is not None:
            problems.append(fault)
        elif value != "":  # editors send every setting: no adapter there must not undo `serve --adapter`
            values[name] = _converted(name, value)
    return replace(config, **values), problems  # type: ignore[arg-type]


def _renamed(key: str, name: str) -> str:
    return f"the setting {key!r} is called {name!r} now ({camel_case(name)!r} where names are in camelCase)"


def camel_case(name: str) -> str:
    """The name of a setting as VS Code has it."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), key)


def _fault(name: str, key: str, value: object) -> str | None:
    """Why a value cannot be taken; None if it can."""
    defaults = {field.name: field.default for field in fields(Config)}
    if name not in defaults:
        close = get_close_matches(name, defaults, 1)
        return f"unknown setting {key!r}" + (f", did you mean {close[0]!r}?" if close else "")
    if not _has_type(value, defaults[name]) or not _is_in_range(name, value):
        return f"{key!r} must be {_wanted(name, defaults[name])}, not {repr(value)[:60]}"
    return bad_globs(value) if name == "excluded" else None  # type: ignore[arg-type]


def _wanted(name: str, default: object) -> str:
    if name in _CHOICES:
        return "one of " + ", ".join(map(repr, _CHOICES[name]))
    if name in _RANGES:
        kind = "a whole number" if isinstance(default, int) else "a number"
        return f"{kind} from {_RANGES[name][0]} to {_RANGES[name][1]}"
    return {bool: "true or false", str: "a text", tuple: "a list of texts"}[type(default)]


def _has_type(value: object, default: object) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        if isinstance(value, float):  # JSON knows one kind of number only: 3.0 is 3
            return isinstance(default, float) or value.is_integer()
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, tuple):
        return value == {} or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))
    return isinstance(value, str)


def _is_in_range(name: str, value: object) -> bool:
    if name in _CHOICES:
        return value in _CHOICES[name]
    return name not in _RANGES or bool(_RANGES[name][0] <= value <= _RANGES[name][1])  # type: ignore[operator]


def _converted(name: str, value: object) -> object:
    default = getattr(Config, name)
    return type(default)(value) if isinstance(default, int | float | tuple) else value  # type: ignore[call-overload, arg-type]
