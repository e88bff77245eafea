"""Chat for models that fill by instruction: DiffusionGemma behind any server, and models without FIM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.api import RewriteRequest
from lacuna.engine.diff_api import DiffQuestion
from lacuna.engine.families.remote.dialects.dialect import Asked, Piece
from lacuna.engine.families.remote.dialects.fim import Fim
from lacuna.engine.families.shared import diff_text

HOLE = "<HOLE/>"
FENCE = "```"
_FILL = (
    "You complete code. The user sends a file with one hole, marked {hole}. Repeat the line or lines with the hole, "
    "filled in, in one fenced block, and nothing else. Do not repeat other lines."
)
_REWRITE = (
    "You edit code. The user sends a block of code and what is to become of it. Answer with the whole block as it is "
    "to be, in one fenced block, and nothing else."
)
_EDIT = (
    "You foresee what a programmer changes next. The user sends what was changed so far, as a unified diff, and some "
    "lines of a file as they are now. Answer with these lines as they are to be, in one fenced block, and nothing "
    "else. Change only what follows from the changes; where nothing follows, repeat the lines as they are."
)
_MORE_TOKENS = 3  # times: what stands around a hole on its lines is repeated
_LEAST_TOKENS = 64


@dataclass(frozen=True)
class Chat:
    model: str
    path: str = "/v1/chat/completions"
    name: str = "chat"
    stops: tuple[str, ...] = ()
    is_bare: bool = False  # the server refuses a temperature, as vLLM does with DiffusionGemma

    def path_of(self, body: Mapping[str, object]) -> str:
        return self.path

    def body(self, asked: Asked) -> Mapping[str, object] | None:
        """None where the source holds the mark of the hole."""
        if HOLE in asked.before + asked.suffix:
            return None
        others = "".join(f"{FENCE}\n# {one.path}\n{one.text}\n{FENCE}\n" for one in asked.snippets)
        file = f"{others}{asked.path or 'The file'}:\n{FENCE}\n{asked.before}{HOLE}{asked.suffix}\n{FENCE}"
        tokens = max(_LEAST_TOKENS, _MORE_TOKENS * asked.max_tokens)
        return self._asking(_FILL.format(hole=HOLE), file, tokens, asked.temperature)

    def rewriting(self, request: RewriteRequest, max_tokens: int) -> Mapping[str, object]:
        """The request for a block as an instruction wants it."""
        around = f"Before it:\n{FENCE}\n{request.prefix}\n{FENCE}\nAfter it:\n{FENCE}\n{request.suffix}\n{FENCE}\n"
        told = f"{around}The block:\n{FENCE}{request.language}\n{request.code}\n{FENCE}\n{request.instruction}"
        return self._asking(_REWRITE, told, max_tokens, 0.0)

    def editing(self, question: DiffQuestion, max_tokens: int) -> Mapping[str, object]:
        """The request for lines as they will be after the next edit."""
        made = f"{FENCE}diff\n{''.join(diff_text.told(question))}{FENCE}\n"
        lines = f"{FENCE}\n{''.join(question.lines)}{FENCE}"
        told = f"Changed so far:\n{made}Lines of {question.elsewhere or question.path}:\n{lines}"
        return self._asking(_EDIT, told, max_tokens, 0.0)

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        return Fim(self.model).pieces(event)

    def _asking(self, system: str, user: str, max_tokens: int, temperature: float) -> Mapping[str, object]:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        body: dict[str, object] = {"model": self.model, "messages": messages, "max_tokens": max_tokens, "stream": True}
        return body if self.is_bare else {**body, "temperature": temperature}


def unwrapped(answer: str) -> str:
    """The text of an answer's first fenced block; the answer as it is where it has none."""
    before, fence, rest = answer.partition(FENCE)
    if not fence:
        return answer.strip("\n")
    del before
    _, _, code = rest.partition("\n")
    if code.startswith(FENCE):
        return ""
    return code.partition(f"\n{FENCE}")[0].removesuffix(FENCE).rstrip("\n")


def filled(answer: str, prefix: str, suffix: str) -> str | None:
    """What an answer puts into the hole: its block repeats the hole's lines, of which what stands left and right is
    taken off. None where it does not repeat them."""
    block = unwrapped(answer)
    left, right = prefix.rpartition("\n")[2], suffix.partition("\n")[0]
    if left.strip() and not block.startswith(left):
        at = block.find(left)
        if at < 0:
            return None
        block = block[at:]
    block = block.removeprefix(left)
    if right.strip():
        end = block.rfind(right)
        return None if end < 0 else block[:end]
    return block
