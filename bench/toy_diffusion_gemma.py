"""A tiny DiffusionGemma that knows something: trained by transformers' class, it fills holes through our engine.

    python bench/toy_diffusion_gemma.py [--steps 1500] [--seed 0]

The toy language: `DH=([DEFGH])` counts from one letter to the other, up or down, inside brackets that close as they
opened. A hole behind the opening brackets has one right answer and one right length. Random weights show that engine
and reference compute the same; this shows that sampler, stopping, pins and choice of length work on a model that was
taught. It says nothing about how good the published weights are. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import string
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lacuna.engine.device.runtime import choose, prepare_environment

prepare_environment()

import tokenizers  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402
from toy_language import CANVAS, hole  # noqa: E402
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig  # noqa: E402

from lacuna.engine import load  # noqa: E402
from lacuna.engine.api import Filler  # noqa: E402
from lacuna.engine.families.diffusion_gemma.question import INSTRUCTION, Questioner  # noqa: E402
from lacuna.engine.families.diffusion_gemma.tokenizer import SPACE, GemmaTokenizer  # noqa: E402

HEAD = 24  # dimensions of an attention head
BATCH = 32
DRAFTS = (1, 2, 4)  # lengths denoised to the end, of those that one step looked at
LEARNING_RATE = 3e-3
MOST_STEPS = 12  # of denoising, that a fill may take
END = "end of file"  # a hole that nothing stands behind, and that ends itself
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>"]
PHRASE = f"[A-Z]?[a-z]+(?:[.{SPACE}]+[A-Z]?[a-z]+)*"  # the prompt's fixed words, one token each run of them
PHRASES = re.findall(PHRASE, f"{INSTRUCTION}\nuser\nmodel\n".replace(" ", SPACE))
CHARACTERS = [*string.punctuation, *string.ascii_uppercase, SPACE, "\n"]
VOCABULARY = {text: token for token, text in enumerate(dict.fromkeys([*SPECIAL, *CHARACTERS, *PHRASES]))}


@dataclass(frozen=True)
class Example:
    """A canvas as it should become: `target` is the hole and what is pinned behind it."""

    prompt: list[int]
    target: list[int]
    hole: int


@dataclass(frozen=True)
class Batch:
    """Examples of one prompt length, so that nothing is padded."""

    prompts: Tensor  # [batch, tokens]
    targets: Tensor  # [batch, canvas]
    is_hole: Tensor  # [batch, canvas], bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--holes", type=int, default=200, help="held-out holes to fill")
    parser.add_argument("--checkpoint", type=Path, help="directory to keep the model in, or to take it from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runtime = choose("cpu", "float32", threads=1)  # products this small are not worth a second thread
    torch.manual_seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        directory = options.checkpoint or Path(folder)
        trained = (
            {} if (directory / "config.json").exists() else _train_and_save(directory, options.steps, options.seed)
        )
        filled = load.load(str(directory), runtime)
        results = {
            f"drafts_{drafts}": evaluate(filled, options.holes, drafts, random.Random(f"test {options.seed}"))
            for drafts in DRAFTS
        }
    print(json.dumps(trained | results))


def train(
    model: DiffusionGemmaForBlockDiffusion, tokenizer: GemmaTokenizer, steps: int, chance: random.Random
) -> float:
    """Teaches the decoder holes under any amount of noise, and the encoder, which reranks, plain text.

    Returns the decoder's mean loss in the last tenth, nats a token.
    """
    parameters = [parameter for name, parameter in model.named_parameters() if "vision" not in name]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * step / steps)))
    )
    is_hole: list[Tensor] = []  # of the batch under way
    model.model.decoder.self_conditioning.register_forward_pre_hook(
        lambda module, given: (given[0], given[1] * is_hole[0][:, :, None])  # pins expect nothing, as in our engine
    )
    losses: list[float] = []
    for number, batch in zip(range(steps), _batches(tokenizer, chance), strict=False):
        is_hole[:] = [batch.is_hole]
        decoder, encoder = _losses(model, batch)
        optimizer.zero_grad()
        (decoder + encoder).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(decoder.item())
        if (number + 1) % 50 == 0:
            print(
                f"step {number + 1:5}  decoder {sum(losses[-50:]) / 50:.3f}  encoder {encoder.item():.3f}", flush=True
            )
    last = losses[-max(1, steps // 10) :]
    return sum(last) / len(last)


def evaluate(filled: Filler, count: int, drafts: int, chance: random.Random) -> dict[str, Any]:
    """Fills held-out holes, each with nothing read before."""
    exact, right_length, fills = defaultdict(list), [], []
    for number in range(count):
        asked = hole(chance)
        fill = filled.infill(asked.gap, document=str(number), num_candidates=drafts)[0]
        filled.close(str(number))
        fills.append(fill)
        exact[str(len(asked.answer)) if asked.gap.suffix.strip() else END].append(fill.text == asked.answer)
        right_length.append(len(fill.text) == len(asked.answer))
    print(f"\ndrafts: {drafts}\n{'length':>11} {'holes':>6} {'exact':>6}")
    for length, results in sorted(exact.items(), key=lambda entry: (len(entry[0]), entry[0])):
        print(f"{length:>11} {len(results):6} {sum(results) / len(results):6.0%}")
    return {
        "holes": count,
        "exact": round(sum(map(sum, exact.values())) / count, 3),
        "right_length": round(sum(right_length) / count, 3),
        "mean_steps": round(sum(fill.steps for fill in fills) / count, 2),
        "mean_forwards": round(sum(fill.forwards for fill in fills) / count, 2),
        f"within_{MOST_STEPS}_steps": round(sum(fill.steps < MOST_STEPS for fill in fills) / count, 3),
        "exact_by_length": {length: round(sum(results) / len(results), 2) for length, results in exact.items()},
    }


def _train_and_save(directory: Path, steps: int, seed: int) -> dict[str, float]:
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _write_tokenizer(directory)
    model = _reference()
    started = time.perf_counter()
    loss = train(model, tokenizer, steps, random.Random(f"training {seed}"))
    seconds = time.perf_counter() - started
    model.save_pretrained(directory)
    _write_generation_config(directory, tokenizer)
    return {"training_seconds": round(seconds), "training_loss": round(loss, 4)}


def _losses(model: DiffusionGemmaForBlockDiffusion, batch: Batch) -> tuple[Tensor, Tensor]:
    """Cross-entropies, nats a token: of the hole by the decoder, of prompt and canvas by the encoder."""
    size, vocabulary = len(batch.targets), len(VOCABULARY)
    share = torch.rand(size, 1).mul(1.5).clamp(max=1.0)  # a third is nothing but noise, which is how a fill begins
    noisy = (torch.rand(batch.targets.shape) < share) & batch.is_hole
    canvas = torch.where(noisy, torch.randint(vocabulary, batch.targets.shape), batch.targets)
    encoded = model.model.encoder(input_ids=batch.prompts, use_cache=True)
    expected: Tensor | None = None
    if torch.rand(()) < 0.5:
        with torch.no_grad():
            expected = model(decoder_input_ids=canvas, past_key_values=encoded.past_key_values).logits
    proposed = model(
        decoder_input_ids=canvas, past_key_values=encoded.past_key_values, self_conditioning_logits=expected
    ).logits
    wrong = functional.cross_entropy(proposed.transpose(1, 2), batch.targets, reduction="none") * batch.is_hole
    padding = VOCABULARY["<pad>"]
    # Every hole counts the same, whatever its length; padding, which is most of a hole without suffix, adds no length.
    decoder = (wrong.sum(1) / (batch.is_hole & (batch.targets != padding)).sum(1)).mean()
    cap = model.final_logit_softcapping
    whole = torch.cat([batch.prompts, batch.targets], dim=1)  # it reranks what stands behind a hole, too
    said = cap * torch.tanh(model.lm_head(model.model.encoder(input_ids=whole).last_hidden_state[:, :-1]) / cap)
    return decoder, functional.cross_entropy(said.flatten(0, 1), whole[:, 1:].flatten(), ignore_index=padding)


def _batches(tokenizer: GemmaTokenizer, chance: random.Random) -> Iterator[Batch]:
    questioner = Questioner(tokenizer, CANVAS)
    waiting: dict[int, list[Example]] = defaultdict(list)
    while True:
        example = _example(tokenizer, questioner, chance)
        bucket = waiting[len(example.prompt)]
        bucket.append(example)
        if len(bucket) == BATCH:
            yield Batch(
                torch.tensor([entry.prompt for entry in bucket]),
                torch.tensor([entry.target for entry in bucket]),
                torch.arange(CANVAS) < torch.tensor([[entry.hole] for entry in bucket]),
            )
            bucket.clear()


def _example(tokenizer: GemmaTokenizer, questioner: Questioner, chance: random.Random) -> Example:
    """Laid out by the engine itself: what it will ask is what is taught."""
    asked = hole(chance)
    question = questioner.ask(asked.gap)
    tokens = tokenizer.encode(question.healing_prefix.decode() + asked.answer)
    if not question.suffix:  # at the end of a file: the canvas is one hole, and ends itself
        ending = [*tokenizer.encode("\n```"), tokenizer.special("<turn|>")]
        padding = [tokenizer.special("<pad>")] * (CANVAS - len(tokens) - len(ending))
        return Example(question.prompt, [*tokens, *ending, *padding], CANVAS)
    layout = questioner.layout(question, len(tokens))
    return Example(question.prompt, [*tokens, *layout.pinned], len(tokens))


def _reference() -> DiffusionGemmaForBlockDiffusion:
    sizes: dict[str, Any] = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 96,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD,
        "global_head_dim": HEAD,
        "num_global_key_value_heads": 2,
        "sliding_window": 32,
        "num_experts": 4,
        "top_k_experts": 2,
        "moe_intermediate_size": 64,
        "max_position_embeddings": 1024,
    }
    text = DiffusionGemmaTextConfig(**sizes)
    vision: dict[str, Any] = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 16}
    config = DiffusionGemmaConfig(
        text_config=text, vision_config=vision | heads | {"num_hidden_layers": 1}, canvas_length=CANVAS
    )
    model = DiffusionGemmaForBlockDiffusion(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("q_norm.weight"):
                parameter.fill_(HEAD**-0.5)  # attention is not scaled otherwise: it would begin far too sharp
    return model


def _write_tokenizer(directory: Path) -> GemmaTokenizer:
    """One token a character, and one for every phrase of the prompt."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(f"{PHRASE}|[\\s\\S]"), "isolated")
    tokenizer.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    path = directory / "tokenizer.json"
    tokenizer.save(str(path))
    return GemmaTokenizer(path)


def _write_generation_config(directory: Path, tokenizer: GemmaTokenizer) -> None:
    ends = [tokenizer.special("<eos>"), tokenizer.special("<turn|>")]
    settings = {"eos_token_id": ends, "pad_token_id": tokenizer.special("<pad>")}
    (directory / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")


if __name__ == "__main__":
    main()
