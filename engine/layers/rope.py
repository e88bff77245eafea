"""Rotary position embedding (RoFormer, arXiv 2104.09864), in the form that pairs dimension j with j + half."""

from __future__ import annotations

import torch
from torch import Tensor


class Rope:
    """Rotations for positions 0 .. `positions` - 1, as tables of shape [positions, head_dim]."""

    def __init__(self, head_dim: int, theta: float, positions: int, dtype: torch.dtype, device: str) -> None:
        frequency = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
        angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency  # [positions, head_dim / 2]
        self._cos = torch.cat([angle.cos(), angle.cos()], dim=-1).to(device, dtype)
        # Signed, so that one roll by half a head replaces "split, negate, join".
        self._sin = torch.cat([-angle.sin(), angle.sin()], dim=-1).to(device, dtype)
        self._half = head_dim // 2
        self.positions = positions

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines for positions of shape [tokens, ...], each of shape [tokens, 1, ..., head_dim]."""
        return self._cos[positions][:, None], self._sin[positions][:, None]

    def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x of shape [tokens, heads, head_dim], or any shape that the tables broadcast to, turned to their
        positions."""
        return torch.addcmul(x * cos, x.roll(self._half, -1), sin)
