"""Teaches a tiny model a few lines by heart: trains it, and writes it in the format of the real ones."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from taught_model import LESSONS
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

CANVAS, DISTANCE, END = 16, 64, 0
STEPS, BATCH = 350, 20
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz_    ():=#,.'0123456789"


@dataclass(frozen=True)
class Example:
    """A hole in a text, as token ids."""

    prefix: list[int]
    fill: list[int]
    follows: list[int]  # what belongs after the fill
    suffix: list[int]  # what stands there: an editor may have put closers before it


def teach(directory: Path) -> None:
    """Train the model and write it into a new directory."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)  # without it the last steps take ten times as long
    rng = random.Random(0)
    directory.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        rope_theta=10_000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config)
    noise = torch.nn.Parameter(torch.randn(config.hidden_size) * 0.02)
    optimizer = torch.optim.AdamW([*model.parameters(), noise], lr=4e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS, pct_start=0.1)
    for _ in range(STEPS):
        loss = _loss(model, noise, [_example(tokenizer, rng) for _ in range(BATCH)], rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    _save(directory, model, noise)


def _tokenizer() -> Tokenizer:
    """Every word of the lessons is one token, everything else its bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        min_frequency=1,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"{line}\n\n" for line in LESSONS], trainer)
    return tokenizer


def _example(tokenizer: Tokenizer, rng: random.Random) -> Example:
    """The rest of a line as the hole, between other lines; sometimes with the closers that an editor put there."""
    before, after = _surroundings(rng, rng.randint(0, 3)), _surroundings(rng, rng.randint(0, 1))
    [line] = rng.choices(list(LESSONS), list(LESSONS.values()))
    words = [end for _, (_, end) in tokenizer.pre_tokenizer.pre_tokenize_str(line)]
    cut = rng.choice([0, *words[:-1]])
    rest = "".join(f"\n{other}" for other in after) + rng.choice(["", "\n", "\n\n"])
    closers = _closers(line[:cut])
    prefix = "".join(f"{other}\n" for other in before) + line[:cut]
    prefix_ids, fill, suffix, closed = (
        tokenizer.encode(text).ids for text in (prefix, line[cut:], rest, closers + rest)
    )
    return Example(prefix_ids, fill, suffix, closed if rng.random() < 0.5 else suffix)


def _surroundings(rng: random.Random, count: int) -> list[str]:
    """Other lines: taught ones, empty ones, and such as were never seen."""
    unknown = "".join(rng.choices(_CHARACTERS, k=rng.randint(1, 12)))
    return rng.choices([*LESSONS, "", unknown], [*LESSONS.values(), 6, 16], k=count)


def _closers(text: str) -> str:
    """What an editor that closes brackets by itself has put behind a text."""
    closers = ""
    for character in text:
        if character in "([{":
            closers = ")]}"["([{".index(character)] + closers
        elif closers[:1] == character:
            closers = closers[1:]
    return closers


def _loss(model: LlamaForCausalLM, noise: Tensor, examples: list[Example], rng: random.Random) -> Tensor:
    """Both ways the engine reads: left to right by the base, and a canvas between both sides, a part of it decided."""
    rows = [_row(example, rng) for example in examples]
    width = max(len(row.tokens) for row in rows)
    tokens, positions = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    targets, visible = torch.full((len(rows), width), -100), torch.eye(width, dtype=torch.bool).repeat(len(rows), 1, 1)
    is_noise = torch.zeros(len(rows), width, dtype=torch.bool)
    for at, row in enumerate(rows):
        size = len(row.tokens)
        tokens[at, :size] = torch.tensor([max(0, token) for token in row.tokens])
        is_noise[at, :size] = torch.tensor([token < 0 for token in row.tokens])
        positions[at, :size] = torch.tensor(row.positions)
        targets[at, :size] = torch.tensor(row.targets)
        visible[at, :size, :size] |= row.visible
    embedded = model.get_input_embeddings()(tokens)
    embedded = torch.where(is_noise[..., None], noise, embedded)
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)[:, None]
    logits = model(inputs_embeds=embedded, attention_mask=mask, position_ids=positions, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


@dataclass(frozen=True)
class Row:
    """One example as one sequence: suffix, then text, then anchor and canvas; what sees what as in `GapDenoiser`."""

    tokens: list[int]  # -1 is noise
    positions: list[int]
    targets: list[int]  # -100 where nothing is learnt
    visible: Tensor  # [tokens, tokens]


def _row(example: Example, rng: random.Random) -> Row:
    sink, last = [END], len(example.prefix)
    ended = rng.random() < 0.5
    text = sink + example.prefix + example.fill + ([] if ended else example.follows)
    suffix = sink + example.suffix[:64]
    decided = rng.randint(0, len(example.fill))
    full = (example.fill + [END] * CANVAS)[:CANVAS]
    canvas = [(sink + example.prefix)[-1]] + full[:decided] + [-1] * (CANVAS - min(decided, CANVAS))
    s, t, c = len(suffix), len(text), len(canvas)
    visible = torch.zeros(s + t + c, s + t + c, dtype=torch.bool)
    visible[:s, :s] = torch.ones(s, s).tril().bool()
    visible[s : s + t, s : s + t] = torch.ones(t, t).tril().bool()
    known = torch.tensor([token >= 0 for token in canvas])
    visible[s + t :, 1:s] = True
    visible[s + t :, s : s + last] = True
    visible[s + t :, s + t :] = known | torch.eye(c, dtype=torch.bool)
    closes = [*text[1:], END]  # a text ends where its file does
    if ended and example.suffix:
        closes[-1] = example.suffix[0]
    return Row(
        suffix + text + canvas,
        [*range(last + DISTANCE - 1, last + DISTANCE - 1 + s), *range(t), *range(last, last + c)],
        [-100] * s + closes + [-100] * decided + full[decided:] + [-100],
        visible,
    )


def _save(directory: Path, model: LlamaForCausalLM, noise: Tensor) -> None:
    """The base as Hugging Face writes it, and an adapter of zeros: base and canvas are the same layers."""
    config = model.config.to_dict()
    kept = {key: value for key, value in config.items() if isinstance(value, str | int | float | bool)}
    (directory / "config.json").write_text(json.dumps({**kept, "rope_theta": 10_000.0}), encoding="utf-8")
    weights = {name: value.contiguous() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    save_file(weights, directory / "model.safetensors")
    gap = {"canvas_lengths": [CANVAS], "suffix_distance": DISTANCE, "sink_token_id": END, "end_of_hole_token_id": END}
    adapter = {"r": 1, "lora_alpha": 1, "target_modules": ["q_proj"], "gap": gap}
    (directory / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    tensors = {"mask_embedding": noise.detach()}
    for layer in range(model.config.num_hidden_layers):
        place = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{place}.lora_A.weight"] = torch.zeros(1, model.config.hidden_size)
        tensors[f"{place}.lora_B.weight"] = torch.zeros(model.config.hidden_size, 1)
    save_file(tensors, directory / "adapter_model.safetensors")


if __name__ == "__main__":
    teach(Path(sys.argv[1]))
