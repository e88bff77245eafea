"""The canvas: the positions of a hole, each masked (noise) or decided."""

from __future__ import annotations

from collections.abc import Mapping


class Canvas:
    """`length` positions, all masked at first but what is pinned. A pinned or accepted token never changes."""

    def __init__(self, length: int, pinned: Mapping[int, int] | None = None) -> None:
        """`pinned`: tokens by position that are given from the start."""
        self._tokens: list[int | None] = [None] * length
        for position, token in (pinned or {}).items():
            self._tokens[position] = token

    def copy(self) -> Canvas:
        return Canvas(len(self), {at: token for at, token in enumerate(self._tokens) if token is not None})

    def __len__(self) -> int:
        return len(self._tokens)

    def token(self, position: int) -> int | None:
        """The pinned or accepted token, or None where it is masked."""
        return self._tokens[position]

    def leftmost(self) -> int:
        """The first masked position; the canvas' length where none is."""
        return next((at for at, token in enumerate(self._tokens) if token is None), len(self._tokens))

    def accept(self, position: int, token: int) -> None:
        assert self._tokens[position] is None, f"position {position} is decided already"
        self._tokens[position] = token

    def decided(self) -> list[int]:
        """The tokens left of all masked positions."""
        return [token for token in self._tokens[: self.leftmost()] if token is not None]
