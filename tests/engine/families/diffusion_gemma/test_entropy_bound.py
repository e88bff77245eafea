"""The sampler's rules, one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise, accepted, draw, propose

PUBLISHED = {
    "max_new_tokens": 256,
    "max_denoising_steps": 48,
    "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    "t_min": 0.4,
    "t_max": 0.8,
    "stability_threshold": 1,
    "confidence_threshold": 0.005,
    "eos_token_id": [1, 106, 50],
    "pad_token_id": 0,
    "transformers_version": "5.23.0",
}
# In steps of 1/64 sums are exact. The published rule, "sum so far less one's own", rounds otherwise,
# and may then pass over a billionth of a nat and take a whole one.
entropies = st.lists(st.integers(0, 320).map(lambda count: count / 64), min_size=1, max_size=40)


def test_the_published_file_is_the_default() -> None:
    assert EntropyBoundConfig.from_hf(PUBLISHED) == EntropyBoundConfig()


def test_what_a_file_leaves_out_is_the_default() -> None:
    config = EntropyBoundConfig.from_hf({"t_max": 0.9, "t_min": None, "sampler_config": None, "eos_token_id": 4})
    assert config == EntropyBoundConfig(t_max=0.9, eos_token_ids=(4,))


def test_another_sampler_is_refused() -> None:
    with pytest.raises(ValueError, match="OtherConfig"):
        EntropyBoundConfig.from_hf({"sampler_config": {"_cls_name": "OtherConfig"}})


def test_temperature_falls() -> None:
    config = EntropyBoundConfig()
    assert config.temperature(48) == pytest.approx(0.8)
    assert config.temperature(1) == pytest.approx(0.4 + 0.4 / 48)


@given(entropies, st.integers(0, 128).map(lambda count: count / 64))
def test_the_bound_holds_and_is_used(values: list[float], bound: float) -> None:
    entropy = torch.tensor([values])
    taken = accepted(entropy, bound)[0]
    chosen, rest = entropy[0][taken], entropy[0][~taken]
    assert taken.any()
    assert chosen.sum() - chosen.max() <= bound + 1e-4
    if len(rest):
        assert rest.min() >= chosen.max()
        assert chosen.sum() > bound - 1e-4


@given(st.integers(0, 1000), st.floats(0.05, 2))
def test_proposals_are_those_of_a_distribution(seed: int, temperature: float) -> None:
    logits = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(seed)) * 8
    distribution = torch.distributions.Categorical(logits=logits.double() / temperature)
    proposal = propose(logits.clone(), temperature)
    assert torch.allclose(proposal.entropy.double(), distribution.entropy(), atol=1e-5)
    assert torch.allclose(proposal.probabilities.double(), distribution.probs, atol=1e-5)
    assert proposal.best.equal(logits.argmax(-1))


def test_near_certain_positions_keep_their_small_entropy() -> None:
    logits = torch.zeros(1, 1, 1000)
    logits[..., 3] = 60.0
    exact = torch.distributions.Categorical(logits=logits.double()).entropy()
    assert propose(logits, 1.0).entropy.item() == pytest.approx(exact.item(), abs=1e-9)


def test_samples_follow_the_distribution() -> None:
    count = 40_000
    logits = torch.tensor([0.5, 2.0, 1.0, -3.0, 0.0]).expand(1, count, 5).clone()
    proposal = propose(logits, 1.0)
    tokens = draw(proposal, Noise(0, 5, "cpu").uniform(1, count), torch.ones(1, count, dtype=torch.bool))
    shares = tokens.flatten().bincount(minlength=5) / count
    assert torch.allclose(shares, proposal.probabilities[0, 0], atol=0.01)


@given(st.integers(0, 1000))
def test_the_last_number_below_one_still_gives_a_possible_token(seed: int) -> None:
    logits = torch.randn(1, 8, 50, generator=torch.Generator().manual_seed(seed))
    logits[..., 40:] = -torch.inf
    proposal = propose(logits, 0.7)
    tokens = draw(proposal, torch.full((1, 8), 1 - 2**-24), torch.ones(1, 8, dtype=torch.bool))
    assert (tokens < 40).all()
