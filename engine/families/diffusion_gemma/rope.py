"""Rotary positions computed when they are needed: tables for 256K positions would take a gigabyte."""

from __future__ import annotations

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.config import AttentionConfig


class Rope:
    """RoFormer's rotation (arXiv 2104.09864) of dimension pairs (j, j + half); pairs beyond `rotated` / 2 are still."""

    def __init__(self, config: AttentionConfig, device: str) -> None:
        pairs = torch.arange(0, config.rotated, 2, dtype=torch.float32, device=device)
        still = torch.zeros((config.head_dim - config.rotated) // 2, dtype=torch.float32, device=device)
        # The exponent is over the whole head, also where only a part of it rotates.
        self._frequency = torch.cat([1.0 / config.rope_theta ** (pairs / config.head_dim), still])
        self._half = config.head_dim // 2

    def at(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines for positions of shape [tokens], each of shape [tokens, 1, head_dim]."""
        angle = positions[:, None].float() * self._frequency  # [tokens, head_dim / 2]
        cos, sin = angle.cos(), angle.sin()
        # Signed, so that one roll by half a head replaces "split, negate, join".
        return torch.cat([cos, cos], -1).to(dtype)[:, None], torch.cat([-sin, sin], -1).to(dtype)[:, None]

    def rotate(self, x: Tensor, cos_sin: tuple[Tensor, Tensor]) -> Tensor:
        """x of shape [batch, tokens, heads, head_dim], turned to the positions of `cos_sin`."""
        cos, sin = cos_sin
        return torch.addcmul(x * cos, x.roll(self._half, -1), sin)
