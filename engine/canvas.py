"""The canvas: a row of tokens in the hole, each still noise or already decided."""

from __future__ import annotations


class Canvas:
    """`length` positions, all noise at first. An accepted token never changes."""

    def __init__(self, length: int) -> None:
        self._tokens: list[int | None] = [None] * length

    def __len__(self) -> int:
        return len(self._tokens)

    def token(self, position: int) -> int | None:
        """The accepted token, or None where there is noise."""
        return self._tokens[position]

    def leftmost(self) -> int:
        """The first position that is noise; the canvas' length where none is."""
        return next((at for at, token in enumerate(self._tokens) if token is None), len(self._tokens))

    def accept(self, position: int, token: int) -> None:
        assert self._tokens[position] is None, f"position {position} is decided already"
        self._tokens[position] = token

    def decided(self) -> list[int]:
        """The accepted tokens left of all noise."""
        return [token for token in self._tokens[: self.leftmost()] if token is not None]
