"""DiffusionGemma's chat format: turns of ids, with the special tokens that text can never spell."""

from __future__ import annotations

from collections.abc import Sequence

from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer

BEGINNING, END, TURN, END_OF_TURN, PAD = "<bos>", "<eos>", "<|turn>", "<turn|>", "<pad>"


class Chat:
    """Ids for a conversation whose next words are the model's."""

    def __init__(self, tokenizer: GemmaTokenizer) -> None:
        self._tokenizer = tokenizer
        self._beginning, self._turn = tokenizer.special(BEGINNING), tokenizer.special(TURN)
        self.end_of_turn, self.pad = tokenizer.special(END_OF_TURN), tokenizer.special(PAD)

    def ask(self, content: Sequence[int], answer: Sequence[int] = ()) -> list[int]:
        """A user's turn with `content`, and the model's turn, opened and begun with `answer`."""
        encode = self._tokenizer.encode
        user = [self._turn, *encode("user\n"), *content, self.end_of_turn, *encode("\n")]
        return [self._beginning, *user, self._turn, *encode("model\n"), *answer]

    def instruct(self, instruction: str, code: str, language: str = "") -> list[int]:
        """The plain form: rewrite `code` as the instruction says. The answer is a fenced block, already opened."""
        content = f"{instruction}\n\n```{language}\n{code}\n```\n"
        return self.ask(self._tokenizer.encode(content), self._tokenizer.encode(f"```{language}\n"))
