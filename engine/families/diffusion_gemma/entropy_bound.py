"""Entropy-bound sampling (arXiv 2505.24857) for uniform noise: which tokens of a canvas a denoising step takes over.

The tokens of least entropy are taken, as many as are nearly independent of each other: while the sum of their
entropies, less the largest, stays within a bound on their mutual information. All others become fresh noise; nothing is
taken for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

IMPOSSIBLE = -1e4  # a logit, and finite: entropies are sums of probability times logit


@dataclass(frozen=True)
class EntropyBoundConfig:
    """Defaults are those of the published generation_config.json."""

    max_new_tokens: int = 256
    max_denoising_steps: int = 48
    entropy_bound: float = 0.1  # nats
    t_min: float = 0.4
    t_max: float = 0.8
    stability_threshold: int = 1  # earlier steps whose best tokens must be the same
    confidence_threshold: float = 0.005  # nats, of the mean entropy of a canvas
    eos_token_ids: tuple[int, ...] = (1, 106, 50)
    pad_token_id: int = 0

    @staticmethod
    def from_hf(config: Mapping[str, Any], vocabulary: int = 1 << 20) -> EntropyBoundConfig:
        """From the content of a generation_config.json, for a model of so many tokens. Raises LoadError for numbers
        that make no sense, and a sampler that is not this one."""
        fields, least = Fields("generation_config.json", config), EntropyBoundConfig()
        sampler = fields.part("sampler_config", {})
        name = sampler.values.get("_cls_name", "EntropyBoundSamplerConfig")
        if name != "EntropyBoundSamplerConfig":
            raise LoadError(
                f"generation_config.json: sampler {str(name)[:80]!r} is not supported, "
                "only EntropyBoundSamplerConfig is"
            )
        t_max = fields.number("t_max", 0.0, 100.0, least.t_max)
        return EntropyBoundConfig(
            max_new_tokens=fields.integer("max_new_tokens", 1, 1 << 20, least.max_new_tokens),
            max_denoising_steps=fields.integer("max_denoising_steps", 1, 1024, least.max_denoising_steps),
            entropy_bound=sampler.number("entropy_bound", 0.0, 1e6, least.entropy_bound),
            t_min=fields.number("t_min", 0.0, t_max, min(least.t_min, t_max)),
            t_max=t_max,
            stability_threshold=fields.integer("stability_threshold", 0, 1024, least.stability_threshold),
            confidence_threshold=fields.number("confidence_threshold", 0.0, 1e6, least.confidence_threshold),
            eos_token_ids=_ends(fields, vocabulary) or least.eos_token_ids,
            pad_token_id=fields.integer("pad_token_id", 0, vocabulary - 1, least.pad_token_id),
        )

    def temperature(self, remaining: int) -> float:
        """Of a step with `remaining` steps left, itself included: it falls from t_max to just above t_min."""
        return self.t_min + (self.t_max - self.t_min) * remaining / self.max_denoising_steps


class Noise:
    """All randomness of a generation. The same seed gives the same draws."""

    def __init__(self, seed: int, vocab_size: int, device: str) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)
        self._vocab_size = vocab_size
        self._device = device

    def ids(self, *shape: int) -> Tensor:
        """Token ids, all equally likely."""
        return torch.randint(self._vocab_size, shape, generator=self._generator, device=self._device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 up to 1, one decides one sample."""
        return torch.rand(shape, generator=self._generator, device=self._device)


@dataclass(frozen=True)
class Proposal:
    """What a denoising step thinks of every position, at its temperature."""

    probabilities: Tensor  # [batch, positions, vocab], float32; of `heads.TritonHead` in the type of the weights
    best: Tensor  # [batch, positions]: the likeliest tokens
    confidence: Tensor  # [batch, positions]: their probabilities
    entropy: Tensor  # [batch, positions], nats


def propose(logits: Tensor, temperature: float) -> Proposal:
    """From logits [batch, positions, vocab] in float32, which are overwritten: at 256K tokens a copy is 268 MB."""
    scaled = logits.div_(temperature)
    highest, best = scaled.max(-1, keepdim=True)
    scaled.sub_(highest)  # so that the likeliest tokens, of which entropies near 0 are made, are near 0 as well
    probabilities = scaled.softmax(-1)
    confidence = probabilities.gather(-1, best).squeeze(-1)
    mean = torch.linalg.vecdot(probabilities, scaled)
    return Proposal(probabilities, best.squeeze(-1), confidence, -confidence.log() - mean)


def accepted(entropy: Tensor, bound: float) -> Tensor:
    """Bool [batch, positions]: the positions to take over, at least one in every row."""
    ascending, order = entropy.sort(-1)
    within = ascending.cumsum(-1) - ascending <= bound
    return torch.zeros_like(within).scatter_(-1, order, within)


def draw(proposal: Proposal, uniform: Tensor, where: Tensor) -> Tensor:
    """Tokens [batch, positions] sampled where `where` says so; elsewhere the best ones stand.

    A number below the best token's probability is that token; the others share the rest in the order of their ids.
    So only the few rows that need it are summed up over the whole vocabulary.
    """
    tokens = proposal.best.clone()
    others = where & (uniform >= proposal.confidence)
    rows = proposal.probabilities[others]
    rows.scatter_(-1, tokens[others][:, None], 0.0)
    reached = rows.cumsum(-1)
    # Rounding may leave a sum just below its number: the last token with any probability is meant then.
    wanted = torch.minimum((uniform - proposal.confidence)[others][:, None], reached[:, -1:] * (1 - 1e-6))
    tokens[others] = torch.searchsorted(reached, wanted, right=True).squeeze(-1)
    return tokens


def _ends(fields: Fields, vocabulary: int) -> tuple[int, ...]:
    """One id, or a list; none where the file does not say."""
    if isinstance(fields.values.get("eos_token_id"), list):
        return fields.integers("eos_token_id", 0, vocabulary - 1, 64)
    return (fields.integer("eos_token_id", 0, vocabulary - 1),) if "eos_token_id" in fields else ()
