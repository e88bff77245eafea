"""The methods that answer the same gaps: the canvas as the product uses it, and its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum

import torch

from lacuna.engine.api import Gap
from lacuna.engine.evaluate.answers import Answer, AnswerFile, as_json, from_json
from lacuna.engine.evaluate.base_alone import best_copy, left_to_right, ranked_samples
from lacuna.engine.evaluate.end_of_hole import EndOfHole, end_of_hole
from lacuna.engine.evaluate.gaps import EvaluationGap, key
from lacuna.engine.evaluate.reader import Reader
from lacuna.engine.evaluate.subject import Subject
from lacuna.engine.families.gap.session import Hole


class Method(Enum):
    CANVAS = "canvas"
    STRICT = "canvas, left to right"
    PREFIX = "base from the prefix"
    RANKED = "base samples, reranked"
    COPY = "best copied draft"


# Those that know of an end of the hole; the base has none of its own.
ENDING = (Method.CANVAS, Method.STRICT)

_CONTROLS: Mapping[Method, Callable[[Reader, Hole], Answer]] = {
    Method.PREFIX: left_to_right,
    Method.RANKED: ranked_samples,
    Method.COPY: best_copy,
}


@dataclass(frozen=True)
class Decoding:
    """How the canvas is decoded; the default is the product's."""

    num_candidates: int = 2  # what an automatic request affords on the machine of the README's figures
    parallel: bool = True

    @property
    def one_by_one(self) -> Decoding:
        return replace(self, parallel=False)


PRODUCT = Decoding()


class Answerer:
    """Answers the gaps of one file by any method; KV caches last from gap to gap, and nothing is asked twice.

    `known` are answers of the subject, `known_of_base` those of its base alone, which all its adapters share.
    """

    def __init__(self, subject: Subject, decoding: Decoding, known: AnswerFile, known_of_base: AnswerFile) -> None:
        self._known, self._known_of_base = known, known_of_base
        self._reader = Reader(subject.denoiser, subject.tokenizer, subject.check)
        self._decodings = {Method.CANVAS: decoding, Method.STRICT: decoding.one_by_one}

    def answer(self, method: Method, gap: Gap) -> Answer:
        canvas = method in self._decodings
        file = self._known if canvas else self._known_of_base
        name = f"{method.value} {asdict(self._decodings[method])}" if canvas else method.value
        found = file.get(name, key(gap))
        if found is None:
            found = as_json(self._by_canvas(method, gap) if canvas else self._by_control(method, gap))
            file.put(name, key(gap), found)
        return from_json(found)

    def end_of_hole(self, gap: EvaluationGap) -> EndOfHole | None:
        """Teacher-forced, in an uncut hole."""
        name = f"end of hole {gap.truth!r}"
        found = self._known.get(name, key(gap.uncut))
        if found is None:
            with torch.inference_mode():
                ends = end_of_hole(self._reader, self._reader.prefill(gap.uncut), gap.truth)
            found = {} if ends is None else asdict(ends)
            self._known.put(name, key(gap.uncut), found)
        return EndOfHole(**found) if found else None

    def _by_canvas(self, method: Method, gap: Gap) -> Answer:
        decoding, reader = self._decodings[method], self._reader
        fills = reader.session.infill(gap, decoding.num_candidates, reader.check, parallel=decoding.parallel)
        return Answer(fills[0].text, fills[0].forwards, fills[0].features)

    def _by_control(self, method: Method, gap: Gap) -> Answer:
        with torch.inference_mode():
            return _CONTROLS[method](self._reader, self._reader.prefill(gap))
