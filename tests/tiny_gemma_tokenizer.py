"""A tokenizer.json of Gemma's kind: byte fall-back, spaces as U+2581, chat tokens, and a few merges."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>"]
MERGES = ["re", "ret", "retu", "retur", "return", "de", "def", "us", "use", "user", "mo", "mod", "mode", "model"]
SPACE = "\u2581"


def write(directory: Path) -> Path:
    characters = [*(chr(code) for code in range(33, 127)), SPACE, "\n"]
    pieces = [SPECIAL, [f"<0x{byte:02X}>" for byte in range(256)], characters, [SPACE * 2, SPACE * 4], MERGES]
    vocabulary = {text: token for token, text in enumerate(text for group in pieces for text in group)}
    merges = [(SPACE, SPACE), (SPACE * 2, SPACE * 2), *((text[:-1], text[-1]) for text in MERGES)]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    path = directory / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def size(path: Path) -> int:
    return Tokenizer.from_file(str(path)).get_vocab_size()
