"""JSON that describes a model or an adapter: read with a limit, and every value checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from lacuna.engine.untrusted.load_error import LoadError
from lacuna.engine.untrusted.safe_read import read_regular

LIMIT = 1 << 20  # bytes; the published files have at most 7 KB
_MISSING: Any = object()


class Fields:
    """The fields of a JSON object. What is missing without a default, of another kind, or out of its range raises
    LoadError with the file's name and the field's."""

    def __init__(self, file: str | Path, values: object, at: str = "") -> None:
        self._file = file
        self._at = at
        if not isinstance(values, Mapping):
            self.refuse(f"{at.removesuffix('.') or 'its content'} is {_shown(values)}, and must be an object")
        self.values: Mapping[str, Any] = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def integer(self, name: str, low: int, high: int, default: Any = _MISSING) -> int:
        return self._checked_integer(name, self._value(name, default), low, high)

    def integers(self, name: str, low: int, high: int, most: int) -> tuple[int, ...]:
        """A list of at least one and at most `most`."""
        values = self._value(name, _MISSING)
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            self.refuse(f"{self._at}{name} is {_shown(values)}, and must be a list of 1 to {most:,} numbers")
        return tuple(self._checked_integer(name, value, low, high) for value in values)

    def number(self, name: str, low: float, high: float, default: Any = _MISSING) -> float:
        value = self._value(name, default)
        # NaN is in no range; what is no float64 is none either.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.refuse(f"{self._at}{name} is {_shown(value)}, and must be a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._value(name, default)
        if not isinstance(value, bool):
            self.refuse(f"{self._at}{name} is {_shown(value)}, and must be true or false")
        return value

    def texts(self, name: str, allowed: frozenset[str], most: int) -> tuple[str, ...]:
        """A list of at least one and at most `most`, each one of those that are allowed."""
        values = self._value(name, _MISSING)
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            self.refuse(f"{self._at}{name} is {_shown(values)}, and must be a list of 1 to {most:,} names")
        for value in values:
            if not isinstance(value, str) or value not in allowed:
                self.refuse(f"{self._at}{name} holds {_shown(value)}, and only {', '.join(sorted(allowed))} are known")
        return tuple(values)

    def strings(self, name: str, most: int = 4096, longest: int = 512) -> tuple[str, ...]:
        """A list of at most `most` texts, of `longest` characters each."""
        values = self._value(name, _MISSING)
        if not isinstance(values, list) or len(values) > most:
            self.refuse(f"{self._at}{name} is {_shown(values)}, and must be a list of at most {most:,} texts")
        for value in values:
            if not isinstance(value, str) or len(value) > longest:
                self.refuse(f"{self._at}{name} holds {_shown(value)}, and must hold texts of at most {longest:,}")
        return tuple(values)

    def part(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        """An object in this one."""
        value = self._value(name, _MISSING if default is None else default)
        return Fields(self._file, value, f"{self._at}{name}.")

    def refuse(self, problem: str) -> NoReturn:
        raise LoadError.of(self._file, problem)

    def _value(self, name: str, default: Any) -> Any:
        """Null counts as missing, as in Hugging Face's own files."""
        value = self.values.get(name)
        value = default if value is None else value
        if value is _MISSING:
            self.refuse(f"{self._at}{name} is missing")
        return value

    def _checked_integer(self, name: str, value: object, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(f"{self._at}{name} is {_shown(value)}, and must be a whole number from {low:,} to {high:,}")
        return value


def read(file: Path, limit: int = LIMIT) -> Fields:
    """The object that a file holds. Raises LoadError."""
    return Fields(file, parsed(file, read_bytes(file, limit)))


def read_bytes(file: Path, limit: int) -> bytes:
    """A regular file's content. Raises LoadError."""
    try:
        return read_regular(file, limit)
    except FileNotFoundError as error:
        raise LoadError.of(file, "there is no such file") from error
    except (OSError, ValueError) as error:
        raise LoadError.of(file, f"cannot be read ({error})") from error


def parsed(file: Path, content: bytes) -> Any:
    """The JSON of a file's content. Raises LoadError."""
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise LoadError.of(file, "is nested too deeply") from error
    except ValueError as error:
        raise LoadError.of(file, f"is no JSON ({error})") from error


def _shown(value: object) -> str:
    """A value for a message; of a file of a megabyte no more than the beginning."""
    if isinstance(value, int | float | str) or value is None:
        said = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a number of more than 40 digits"
    else:
        said = f"a {type(value).__name__} of {len(value)}" if isinstance(value, list | dict) else type(value).__name__
    return said if len(said) <= 60 else f"{said[:57]}..."
