"""The ids of the markers by which a base tells prefix, suffix and middle apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lacuna.engine.families.shared.fim_templates import TEMPLATES
from lacuna.engine.untrusted.load_error import LoadError


@dataclass(frozen=True)
class Markers:
    """A template's ids in one tokenizer."""

    prefix: int
    suffix: int
    middle: tuple[int, ...]  # one or none
    ends: tuple[int, ...]  # all after which a middle has ended; the first is the base's own
    suffix_first: bool
    file: int | None = None  # before another file; None for a base that was not trained on repositories

    @property
    def all(self) -> tuple[int, ...]:
        """None of them is ever text."""
        return (*self.ends, self.prefix, self.suffix, *self.middle)

    def text(self, prefix: Sequence[int]) -> list[int]:
        """What a base reads of a text whose suffix it does not see."""
        return [self.suffix, self.prefix, *prefix] if self.suffix_first else [self.prefix, *prefix]

    def prompt(self, prefix: Sequence[int], suffix: Sequence[int], middle: Sequence[int]) -> list[int]:
        """What a base reads before it goes on with the middle, of which the beginning is there."""
        if self.suffix_first:
            return [self.suffix, *suffix, self.prefix, *prefix, *self.middle, *middle]
        return [self.prefix, *prefix, self.suffix, *suffix, *self.middle, *middle]


def markers(marker: Callable[[str], int | None]) -> Markers:
    """Those of a tokenizer; `marker` gives the id of an added token by its text.

    Raises LoadError for a tokenizer without the markers of any template.
    """
    for template in TEMPLATES.values():
        found = _found((template.prefix, template.suffix, template.middle), marker)
        ends = _found(template.ends, marker)
        if len(found) == (3 if template.middle else 2) and ends:
            file = marker(template.file) if template.file else None
            return Markers(found[0], found[1], found[2:], ends, template.suffix_first, file)
    raise LoadError(
        "tokenizer.json has none of the markers of bases that were trained to fill in the middle "
        f"({', '.join(TEMPLATES)}); a base without them needs an adapter that reads prefix and suffix apart"
    )


def _found(texts: Sequence[str], marker: Callable[[str], int | None]) -> tuple[int, ...]:
    return tuple(token for text in texts if text and (token := marker(text)) is not None)
