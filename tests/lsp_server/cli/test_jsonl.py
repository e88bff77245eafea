"""`lacuna infill --jsonl`: a line for a line, whatever the line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from command import COMMAND, lacuna
from hypothesis import given
from hypothesis import strategies as st

from lacuna.engine.api import Features, Gap, Infill
from lacuna.engine.store import model_store
from lacuna.lsp_server.cli.jsonl import MAX_TOKENS, Malformed, Request, answers, parse
from lacuna.lsp_server.cli.raw_gap import RawGap
from lacuna.lsp_server.documents.plain_text import plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


def echo(gap: Gap) -> Infill:
    """A fill that says what was asked."""
    text = f"{gap.prefix}|{gap.suffix}|{gap.language}|{gap.max_tokens}"
    return Infill(text, 0.5, 2, 5, Features(-1.0, -1.0, -1.0, -1.0, 3, True))


def check_malformed(line: bytes, error: str, id: object = None) -> None:
    parsed = parse(line, 15)
    assert isinstance(parsed, Malformed), parsed
    assert error in parsed.error
    assert parsed.id == id


@pytest.mark.parametrize("line", [b"", b"\n", b"{", b"nonsense", b"\xff\xfe", b"NaN", b'{"id": 1e999}', b"[" * 100_000])
def test_no_json(line: bytes) -> None:
    check_malformed(line, "not JSON")


@pytest.mark.parametrize(
    ("line", "found"), [(b"[]", "an array"), (b"3", "a number"), (b"null", "null"), (b'"x"', "a string")]
)
def test_no_object(line: bytes, found: str) -> None:
    check_malformed(line, f"not a JSON object but {found}")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"suffix": ""}, "prefix is missing"),
        ({"prefix": ""}, "suffix is missing"),
        ({"prefix": 1, "suffix": ""}, "prefix must be a string, not a number"),
        ({"prefix": "", "suffix": None}, "suffix must be a string, not null"),
        ({"prefix": "", "suffix": "", "language": []}, "language must be a string, not an array"),
        ({"prefix": "", "suffix": "", "max_tokens": "8"}, "max_tokens must be a whole number, not a string"),
        ({"prefix": "", "suffix": "", "max_tokens": True}, "max_tokens must be a whole number, not a boolean"),
        ({"prefix": "", "suffix": "", "max_tokens": 1.5}, "max_tokens must be a whole number, not a number"),
        ({"prefix": "", "suffix": "", "max_tokens": 0}, f"max_tokens must be 1 to {MAX_TOKENS}, not 0"),
        ({"prefix": "", "suffix": "", "max_tokens": MAX_TOKENS + 1}, f"max_tokens must be 1 to {MAX_TOKENS}"),
    ],
)
def test_wrong_fields_are_named_and_the_id_is_kept(fields: dict[str, Any], error: str) -> None:
    check_malformed(json.dumps({"id": ["x", {"y": 1}], **fields}).encode(), error, id=["x", {"y": 1}])


def test_what_a_line_leaves_out() -> None:
    gap = RawGap(Gap("a", "b", "", max_tokens=7), "\n")
    assert parse(b'{"prefix": "a", "suffix": "b", "expected": "c"}', 7) == Request(None, gap)


def test_languages_by_the_editors_names() -> None:
    request = parse(b'{"prefix": "", "suffix": "", "language": "typescriptreact"}', 15)
    assert isinstance(request, Request)
    assert request.raw_gap.gap.language == "tsx"


def test_a_byte_order_mark_before_the_first_line() -> None:
    assert isinstance(parse("\ufeff".encode() + b'{"prefix": "", "suffix": ""}', 15), Request)


@pytest.mark.parametrize(
    ("prefix", "suffix", "fill"),
    [
        ("a\n", "b\n", "x\ny"),
        ("a\r\n", "b\r\n", "x\r\ny"),
        ("a\r\nb\n", "c\n", "x\ny"),
        ("", "", "x\ny"),
        ("a\r", "\nb", "x\r\ny"),
    ],
)
def test_line_ends_come_back_as_they_were(prefix: str, suffix: str, fill: str) -> None:
    raw_gap = RawGap.between(prefix, suffix, "python", 15)
    assert "\r" not in raw_gap.gap.prefix + raw_gap.gap.suffix
    assert raw_gap.answer("x\ny") == fill


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        ("a\r", "\nb"),
        ("a\r\nb\r", "\n"),
        ("\r", "\n\r\n"),
        ("a\r\r", "\nb"),
        ("a\n\r", "\nb"),
        ("a\r", "b"),
        ("a\r\n", "\nb"),
    ],
)
def test_a_cut_inside_a_line_end_makes_no_second_one(prefix: str, suffix: str) -> None:
    gap = RawGap.between(prefix, suffix, "python", 15).gap
    assert gap.prefix + gap.suffix == plain(prefix + suffix)


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line) | JSON.map(lambda v: json.dumps(v).encode()))
)
def test_a_line_of_json_for_every_line(lines: list[bytes]) -> None:
    written = [json.loads(answer) for answer in answers(lines, 15, echo)]
    assert len(written) == len(lines)
    assert all(answer.keys() == {"id", "error"} for answer in written)


@given(JSON, st.text(), st.text(), st.integers(1, MAX_TOKENS))
def test_any_id_and_any_text(id: object, prefix: str, suffix: str, max_tokens: int) -> None:
    fields = {"id": id, "prefix": prefix, "suffix": suffix, "max_tokens": max_tokens}
    (line,) = answers([json.dumps(fields).encode()], 15, echo)
    answer = json.loads(line)
    assert "\n" not in line
    assert answer.keys() == {"id", "text", "confidence", "steps", "forwards", "ms"}
    assert answer["id"] == id
    if "\r" not in prefix + suffix:
        assert answer["text"] == f"{prefix}|{suffix}||{max_tokens}"


@pytest.mark.usefixtures("embedded_model")
@pytest.mark.weights
def test_the_command_answers_line_for_line() -> None:
    head, tail = (
        "import json\r\n\r\n\r\ndef load(path):\r\n    with open(path) as f:\r\n        return",
        " \r\n\r\n\r\ndef main():\r\n",
    )
    gap = {"prefix": head, "suffix": tail, "language": "python", "max_tokens": 15}
    huge = {"id": "huge", "prefix": "x = 1\n" * 20_000 + "y =", "suffix": "\0\ud800", "max_tokens": 1}
    lines = [json.dumps({"id": 1, **gap}), "nonsense", json.dumps(huge), "", json.dumps({"id": 2, **gap})]
    done = lacuna("infill", "--jsonl", "--model", model_store.EMBEDDED, stdin="\n".join(lines).encode())
    assert (done.returncode, done.stderr) == (0, "")
    first, nonsense, of_huge, empty, second = map(json.loads, done.stdout.splitlines())
    assert first["text"].startswith(" json.load(f)")
    assert {**first, "id": 2, "ms": second["ms"]} == second, "a fill depends on the lines before it"
    assert (nonsense["id"], empty["id"], of_huge["id"]) == (None, None, "huge")
    assert nonsense.keys() == empty.keys() == {"id", "error"}


@pytest.mark.usefixtures("embedded_model")
@pytest.mark.weights
def test_answers_come_at_once_and_an_interrupt_is_quiet() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "infill", "--jsonl"], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"nonsense\n")
        process.stdin.flush()
        assert b"not JSON" in process.stdout.readline()
        if sys.platform == "win32":
            process.kill()
            return
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""
    assert process.returncode == 130
