"""The methods of an evaluation on a tiny model: each says what its definition says, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from embedded import embedded, tokenizer
from tiny_model import write_tiny_model

from lacuna.engine.api import Features, Gap
from lacuna.engine.evaluate import subject
from lacuna.engine.evaluate.answers import Answer, AnswerFile, as_json, from_json
from lacuna.engine.evaluate.base_alone import Tail, left_to_right, ranked_samples
from lacuna.engine.evaluate.end_of_hole import end_of_hole
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind
from lacuna.engine.evaluate.methods import PRODUCT, Answerer, Method
from lacuna.engine.evaluate.reader import Reader
from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.engine.evaluate.subject import Subject
from lacuna.engine.families.gap.decoding.decode_loop import decode
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.search import Search
from lacuna.engine.families.gap.kv_context import causal
from lacuna.engine.families.gap.session import Session

GAP = Gap("def scale(values, factor):\n    return [value * fac", "\n\n\nprint(scale([1], 2))\n", max_tokens=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def loaded(tiny: Path) -> Subject:
    return load(tiny)


@cache
def load(model: Path) -> Subject:
    return subject.load(str(model), dtype="float32")


@pytest.fixture
def reader(loaded: Subject) -> Iterator[Reader]:
    with torch.inference_mode():
        yield Reader(loaded.denoiser, loaded.tokenizer, lambda: None)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[AnswerFile, AnswerFile]]:
    with AnswerFile(tmp_path / "own.jsonl") as own, AnswerFile(tmp_path / "base.jsonl") as base:
        yield own, base


def uncached(loaded: Subject, ids: list[int]) -> torch.Tensor:
    """The base's log probabilities after all of these tokens, in one pass over an empty cache."""
    base = loaded.denoiser.base
    positions = torch.arange(len(ids))
    hidden = base.forward(base.embed(ids), positions, base.cache(len(ids)), 0, 0, causal(len(ids), base.device))
    return base.log_probabilities(hidden[-1:])[0]


def test_the_base_alone_takes_its_best_token_each_time(loaded: Subject, reader: Reader) -> None:
    read = reader.prefill(GAP)
    prefix = [0, *read.prompt.read]
    answer = left_to_right(reader, read)
    ids = [*prefix, *loaded.tokenizer.encode(read.boundary.healing_prefix.decode())]  # one token a byte
    expected: list[int] = []
    while len(expected) < GAP.max_tokens:
        token = int(uncached(loaded, ids + expected).argmax())
        if token == 0:
            break
        expected.append(token)
    assert answer.text == loaded.tokenizer.decode(expected).decode("utf-8", "ignore")


def test_lanes_read_side_by_side_equal_lanes_read_alone(loaded: Subject, reader: Reader) -> None:
    read = reader.prefill(GAP)
    hypotheses = [loaded.tokenizer.encode(text) for text in ("tor for", "abcdefg", "xyzuvwq")]
    tail = Tail(reader, read, len(hypotheses))
    kept = [0, 1, 2]
    for length in range(1, 7):
        if length == 4:
            kept = [0, 2]  # one has ended
        rows = tail.decode({at: hypotheses[at][:length] for at in kept})
        for at, row in zip(kept, rows, strict=True):
            torch.testing.assert_close(row, uncached(loaded, [0, *read.prompt.read, *hypotheses[at][:length]]))


def test_samples_are_the_same_each_time_and_never_worse_than_one_to_the_judge(reader: Reader) -> None:
    first = ranked_samples(reader, reader.prefill(GAP))
    other = Reader(reader.denoiser, reader.tokenizer, lambda: None)
    assert ranked_samples(other, other.prefill(GAP)) == first
    assert first.forwards >= GAP.max_tokens // 2


def test_long_samples_find_room(reader: Reader) -> None:
    long = Gap("x" * 2000, "\n", max_tokens=100)
    assert isinstance(ranked_samples(reader, reader.prefill(long)).text, str)


def test_the_end_is_found_where_strict_decoding_ended(loaded: Subject, reader: Reader) -> None:
    """What the sampler decided token by token, teacher-forced, is decided again: never an end before its own."""
    found = 0
    for suffix in ("\n", ")\n", "", "x", "\nreturn", " = 1\n", "]", "\n\nclass A:\n"):
        gap = Gap("", suffix, max_tokens=12)
        read = reader.prefill(gap)
        first = Hypothesis(16, read.boundary, loaded.tokenizer, 0, 0)
        hypothesis, *_ = decode(loaded.denoiser, read.context, first, [0], Search(1, 1, True), None, lambda: None)
        text = read.boundary.answer(hypothesis.spelled)
        if (
            hypothesis.ended and (read.boundary.forced + text.encode()) == hypothesis.spelled
        ):  # bytes that are no text are lost
            ends = end_of_hole(reader, read, text)
            assert ends is not None
            assert (ends.found, ends.false) == (True, 0)
            found += 1
    assert found >= 3


def test_no_end_is_looked_for_where_no_canvas_holds_the_hole(reader: Reader) -> None:
    assert end_of_hole(reader, reader.prefill(GAP), "x" * 40) is None


def test_strictly_left_to_right_is_the_same_with_more_passes(
    loaded: Subject, files: tuple[AnswerFile, AnswerFile]
) -> None:
    answerer = Answerer(loaded, PRODUCT, *files)
    fast, strict = answerer.answer(Method.CANVAS, GAP), answerer.answer(Method.STRICT, GAP)
    assert fast.forwards <= strict.forwards
    product = Session(loaded.denoiser, loaded.tokenizer).infill(GAP, 1, lambda: None)[0]
    assert (fast.text, fast.features) == (product.text, product.features)


@pytest.mark.parametrize("method", Method)
def test_what_is_known_is_not_asked_again(loaded: Subject, tmp_path: Path, method: Method) -> None:
    def answer() -> Answer:
        with AnswerFile(tmp_path / "own.jsonl") as own, AnswerFile(tmp_path / "base.jsonl") as base:
            return Answerer(loaded, PRODUCT, own, base).answer(method, GAP)

    first = answer()
    written = [path.read_bytes() for path in sorted(tmp_path.glob("*.jsonl"))]
    assert answer() == first
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.jsonl"))] == written


def test_answers_of_the_base_are_shared_by_adapters(loaded: Subject, files: tuple[AnswerFile, AnswerFile]) -> None:
    own, base = files
    answerer = Answerer(loaded, PRODUCT, own, base)
    answerer.answer(Method.COPY, GAP)
    answerer.end_of_hole(EvaluationGap(SourceFile("p", "f.py", "python", ""), GapKind.SPAN, GAP, "tor"))
    assert (len(own), len(base)) == (1, 1)


@pytest.mark.weights
def test_a_copy_is_what_followed_before(files: tuple[AnswerFile, AnswerFile]) -> None:
    loaded = Subject(embedded().denoiser, tokenizer(), lambda: None, "base", "own")
    gap = Gap("first = compute(alpha=1)\nprint(first)\nsecond = compute(al", "\n", max_tokens=15, max_lines=1)
    assert Answerer(loaded, PRODUCT, *files).answer(Method.COPY, gap).text == "pha=1)"


def test_a_line_that_was_cut_short_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "subject.jsonl"
    features = Features(-1.0, -2.0, -4.0, -5.0, 6, True)
    with AnswerFile(path) as file:
        file.put("canvas", "a", as_json(Answer("text", 3, features)))
        file.put("canvas", "b", as_json(Answer("é", 1)))
    path.write_bytes(path.read_bytes()[:-5])
    with AnswerFile(path) as file:
        assert from_json(file.get("canvas", "a")) == Answer("text", 3, features)
        assert file.get("canvas", "b") is None
        file.put("canvas", "b", as_json(Answer("again", 1)))
    with AnswerFile(path) as file:
        assert from_json(file.get("canvas", "b")) == Answer("again", 1)


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "subject.jsonl"
    with AnswerFile(path) as one, AnswerFile(path) as other:
        for number in range(5):
            one.put("canvas", f"a{number}", number)
            other.put("canvas", f"b{number}", number)
    with AnswerFile(path) as file:
        assert len(file) == 10


def test_another_adapter_is_another_subject_over_the_same_base(tiny: Path, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other")
    weights = bytearray((other / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "adapter_model.safetensors").write_bytes(bytes(weights))
    changed = subject.load(str(tiny), other, dtype="float32")
    assert changed.base_name == load(tiny).base_name
    assert changed.name != load(tiny).name
