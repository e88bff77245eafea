"""Servers in the shapes that are known of them: how each is told apart, what it is asked, what its answer becomes."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from threading import Event, Thread, Timer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_server import Recorded, RecordedServer

from lacuna.engine.api import Frame, Gap, Hole, Patch, RewriteRequest, Rewrites, Snippet, Stopped
from lacuna.engine.families.remote import connection
from lacuna.engine.families.remote.connection import Address, Connection, RemoteError
from lacuna.engine.families.remote.detection import Server, detect
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.filler import RemoteFiller
from lacuna.engine.families.remote.fillers import filler
from lacuna.engine.families.remote.stable_prefix import StablePrefix
from lacuna.engine.families.remote.templates import TEMPLATES, template_for

GAP = Gap("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", "python", max_tokens=16, max_lines=1)
SAID = ("a", " +", " b")


def sse(*values: object, done: bool = True) -> tuple[str, ...]:
    return (*(f"data: {json.dumps(value)}\n" for value in values), *(["data: [DONE]\n"] if done else []))


def models(owner: str, name: str = "Qwen2.5-Coder-0.5B", **more: object) -> Recorded:
    return Recorded({"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner, **more}]})


def completion(text: str, logprob: float | None = -0.1, reason: str | None = None) -> dict[str, Any]:
    logprobs = None if logprob is None else {"tokens": [text], "token_logprobs": [logprob]}
    return {"choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason}]}


def llama_cpp(text: str, logprob: float = -0.1, **more: object) -> dict[str, Any]:
    probabilities = [{"id": 1, "token": text, "logprob": logprob, "top_logprobs": []}]
    return {"index": 0, "content": text, "stop": False, "completion_probabilities": probabilities, **more}


def chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}]}


LLAMA_CPP = {
    "/v1/models": models("llamacpp", "qwen2.5-coder-0.5b"),
    "/props": Recorded(
        {
            "default_generation_settings": {"n_ctx": 4096},
            "model_alias": "qwen2.5-coder-0.5b",
            "build_info": "b11669-Debian",
        }
    ),
    "/infill": Recorded(
        lines=sse(*map(llama_cpp, SAID), {"content": "", "stop": True, "stop_type": "eos"}, done=False)
    ),
}
VLLM = {
    "/v1/models": models("vllm", max_model_len=2048),
    "/version": Recorded({"version": "0.32.0"}),
    "/v1/completions": Recorded(lines=sse(*map(completion, SAID), completion("", None, "stop"))),
}
OLLAMA = {
    "/api/version": Recorded({"version": "0.21.0"}),
    "/api/tags": Recorded({"models": [{"name": "llama4:8b"}, {"name": "qwen2.5-coder:1.5b-base"}]}),
    "/v1/models": models("library", "qwen2.5-coder:1.5b-base"),
    "/api/generate": Recorded(
        lines=tuple(
            json.dumps(value)
            for value in (
                *({"model": "x", "response": text, "done": False} for text in SAID),
                {"model": "x", "response": "", "done": True, "done_reason": "stop"},
            )
        )
    ),
}
LACUNA = {
    "/v1/models": models("lacuna", "lacuna"),
    "/api/version": Recorded({"version": "0.2.0"}),
    "/v1/fim/completions": Recorded(lines=sse(*map(chunk, SAID), chunk("", "stop"))),
}
SGLANG = {
    "/v1/models": models("sglang", "bigcode/starcoder2-3b"),
    "/v1/completions": Recorded(lines=sse(*(completion(text, None) for text in SAID), completion("", None, "stop"))),
}
DIFFUSION = {
    "/v1/models": models("vllm", "google/diffusiongemma-26B-A4B-it"),
    "/version": Recorded({"version": "0.33.0"}),
    "/v1/chat/completions": Recorded(lines=sse(chunk("```python\n    return a + b\n```"), chunk("", "stop"))),
}
SERVERS = {
    "llama.cpp b11669-Debian": (LLAMA_CPP, "/infill"),
    "vLLM 0.32.0": (VLLM, "/v1/completions"),
    "Ollama 0.21.0": (OLLAMA, "/api/generate"),
    "Lacuna": (LACUNA, "/v1/fim/completions"),
    "SGLang": (SGLANG, "/v1/completions"),
    "vLLM 0.33.0": (DIFFUSION, "/v1/chat/completions"),
}


def asked(server: RecordedServer, key: str = "") -> tuple[RemoteFiller, Server]:
    to = Connection(Address(server.url, key))
    found = detect(to)
    return filler(to, found), found


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_is_told_by_what_it_says_and_fills_a_gap(kind: str) -> None:
    answers, path = SERVERS[kind]
    with RecordedServer(answers).running() as server:
        one, found = asked(server, "secret")
        assert found.kind == kind and found.dialect.path == path
        assert len(server.seen) <= 4, "few requests"
        server.seen.clear()
        frames: list[Frame] = []
        (fill,) = one.infill(GAP, on_frame=frames.append)
        assert fill.text == "a + b"
        assert fill.features.ended and 0.0 < fill.confidence < 1.0
        assert frames and "".join(text or "" for text, _ in frames[-1].cells)
        assert [seen.path for seen in server.seen] == [path]
        assert all(seen.headers["authorization"] == "Bearer secret" for seen in server.seen)


@pytest.mark.parametrize("kind", ["llama.cpp b11669-Debian", "vLLM 0.32.0"])
def test_log_probabilities_are_the_confidence(kind: str) -> None:
    answers, path = SERVERS[kind]
    say = llama_cpp if path == "/infill" else completion
    confidences = []
    for logprob in (-0.01, -0.5, -3.0):
        events = sse(*(say(text, logprob) for text in SAID))
        with RecordedServer({**answers, path: Recorded(lines=events)}).running() as server:
            (fill,) = asked(server)[0].infill(GAP)
            assert [text for text, _ in fill.pieces] == list(SAID)
            assert fill.features.mean == pytest.approx(logprob) and fill.features.least == pytest.approx(logprob)
            confidences.append(fill.confidence)
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > 0.8 and confidences[2] < 0.1


def test_an_answer_is_cut_where_the_hole_ends() -> None:
    def filled(*texts: str, max_lines: int = 0, suffix: str = "\nprint(add(1, 2))\n") -> str:
        events = sse(*(completion(text) for text in texts), completion("", None, "length"))
        with RecordedServer({**VLLM, "/v1/completions": Recorded(lines=events)}).running() as server:
            gap = Gap("x = ", suffix, max_tokens=32, max_lines=max_lines)
            return asked(server)[0].infill(gap)[0].text

    assert filled("1", "\n", "y = 2\n", "z") == "1\ny = 2\nz"
    assert filled("1", "\n", "y = 2\n", "z", max_lines=2) == "1\ny = 2"
    assert filled("1", "\nprint(", "add(1, 2))\n", "more") == "1", "what stands behind the hole comes again"
    assert filled("1<|endo", "ftext|>\nmore") == "1", "a marker that is sent as text"
    assert filled("1", "\n}\n", "}\n", suffix="\n}\n") == "1\n}\n}\n", "a bracket says nothing"
    assert filled("if x:", "\n    return", " x + 1\n", suffix="\n    return\n") == "if x:\n    return x + 1\n"
    assert filled("1", "\n    return", "\n", suffix="\n    return\n") == "1"


def test_source_that_holds_the_markers_is_not_sent_in_a_prompt() -> None:
    gap = Gap('MARK = "<|fim_suffix|>"\nx = ', "\n", max_tokens=8)
    with RecordedServer(VLLM).running() as server:
        one, _ = asked(server)
        assert [fill.text for fill in one.infill(gap)] == [""]
        assert not server.bodies("/v1/completions")
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        assert one.infill(gap)[0].text == "a + b"
        body = server.bodies("/infill")[-1]
        assert body["prompt"] == "" and "<|fim_suffix|>" in body["input_prefix"] and body["n_predict"] == 8


def test_other_files_stand_first_in_the_order_that_is_given() -> None:
    snippets = (Snippet("far = 1\n", "far.py"), Snippet("near = 2\n", "near.py"))
    with RecordedServer(VLLM).running() as server:
        one, _ = asked(server)
        one.infill(Gap("x = ", "\n", snippets=snippets, path="a.py", max_tokens=8))
        prompt = server.bodies("/v1/completions")[-1]["prompt"]
    assert prompt == (
        "<|file_sep|>far.py\nfar = 1\n\n<|file_sep|>near.py\nnear = 2\n\n<|file_sep|>a.py\n"
        "<|fim_prefix|><|fim_suffix|>\n<|fim_middle|>x = "
    )


LINES = "".join(f"value_{at} = {at}\n" for at in range(900))


def typed_into(answers: dict[str, Recorded], path: str) -> list[dict[str, Any]]:
    """What is sent for some keys."""
    with RecordedServer(answers).running() as server:
        one, _ = asked(server)
        for typed in ("x", "xy", "xyz\nw"):
            one.infill(Gap(LINES + typed, "\n", max_tokens=8), document="a.py")
        return server.bodies(path)[-3:]


def test_typing_on_sends_the_same_beginning() -> None:
    sent = [body["input_prefix"] for body in typed_into(LLAMA_CPP, "/infill")]
    assert len({text[:1000] for text in sent}) == 1 and sent[0].startswith("value_") and 1000 < len(sent[0]) <= 2000
    assert [text[-1] for text in sent] == ["x", "y", "w"]


def test_what_is_typed_stands_behind_all_that_the_server_has_read() -> None:
    first, *others = (body["prompt"] for body in typed_into(VLLM, "/v1/completions"))
    head, _, middle = first.rpartition("<|fim_middle|>")
    assert head.startswith("<|fim_prefix|>value_") and head.endswith("\n<|fim_suffix|>\n")
    assert middle.startswith("value_") and middle.endswith("\nx") and 100 < len(middle) <= 1600
    assert [prompt.removeprefix(first) for prompt in others] == ["y", "yz\nw"]


def test_llama_cpp_is_sent_a_prompt_where_it_has_made_the_same() -> None:
    said = Recorded({"content": "", "prompt": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"})
    answers = {**LLAMA_CPP, "/infill": said, "/completion": LLAMA_CPP["/infill"]}
    assert all(body["prompt"].startswith("<|fim_prefix|>value_") for body in typed_into(answers, "/completion"))
    with RecordedServer(answers).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = LLAMA_CPP["/infill"]
        one.infill(Gap("mark = '<|fim_suffix|>'\nx = ", "\n", max_tokens=8))
        body = server.bodies("/infill")[-1]
        assert body["prompt"] == "" and body["input_prefix"].endswith("'\nx = "), "there it is text"
    other = Recorded({"content": "", "prompt": "<PRE>a<SUF>b<MID>"})
    assert not typed_into({**answers, "/infill": other}, "/completion"), "the model's name says nothing"


def test_of_a_base_whose_prefix_stands_last_nothing_is_split_off() -> None:
    answers = {**VLLM, "/v1/models": models("vllm", "mistralai/Codestral-22B")}
    with RecordedServer(answers).running() as server:
        one, _ = asked(server)
        one.infill(Gap("x = ", "\n", max_tokens=8), document="a.py")
        assert server.bodies("/v1/completions")[-1]["prompt"] == "[SUFFIX]\n[PREFIX]x = "


@given(texts=st.lists(st.text("ab\n", max_size=30), max_size=40))
def test_what_is_sent_is_the_end_of_the_text_and_no_more_than_fits(texts: list[str]) -> None:
    one, text = StablePrefix(50, 20), ""
    for more in texts:
        text += more
        cut = one.cut(text)
        assert text.endswith(cut.prefix + cut.middle) and len(cut.prefix + cut.middle) <= 50 and len(cut.middle) <= 20
        assert len(text) > 50 or text == cut.prefix + cut.middle


def test_a_stop_closes_the_connection() -> None:
    gate, stop = Event(), Event()
    lines = sse(llama_cpp("a"), llama_cpp(" +"), done=False)
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(lines=lines, waits=gate)
        Timer(0.1, stop.set).start()
        with pytest.raises(Stopped):
            one.infill(GAP, stop=stop)
        assert server.left.wait(5.0), "the server sees that nobody listens"


def test_what_is_long_enough_closes_the_connection_too() -> None:
    gate = Event()
    lines = sse(llama_cpp("a"), llama_cpp("\nb = 2"), llama_cpp("never"), done=False)
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(lines=lines, waits=gate)
        assert one.infill(GAP)[0].text == "a"
        assert server.left.wait(5.0)


def test_several_candidates_are_different_and_the_likeliest_is_first_unless_it_does_not_fit() -> None:
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(by=lambda body: "a + b" if body["temperature"] == 0 else "b + a")
        fills = one.infill(replace(GAP, n_best=3))
        assert [fill.text for fill in fills] == ["a + b", "b + a"], "the same text is one candidate"
        assert sorted(body["temperature"] > 0 for body in server.bodies("/infill")[-3:]) == [False, True, True]
        fits = one.infill(replace(GAP, n_best=3), fits=lambda text: text.startswith("b"))
        assert [fill.text for fill in fits] == ["b + a", "a + b"]


def test_candidates_that_fail_take_none_away() -> None:
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(by=lambda body: "a + b" if body["temperature"] == 0 else None)
        assert [fill.text for fill in one.infill(replace(GAP, n_best=4))] == ["a + b"]
        assert one.infill(GAP), "and the server is asked on"


def test_a_chat_repeats_the_line_and_rewrites() -> None:
    with RecordedServer(DIFFUSION).running() as server:
        one, _ = asked(server)
        assert isinstance(one, Rewrites)
        assert one.infill(GAP)[0].text == "a + b"
        body = server.bodies("/v1/chat/completions")[-1]
        assert "temperature" not in body and "return <HOLE/>" in body["messages"][-1]["content"]
        shown: list[str] = []
        block = one.rewrite(RewriteRequest("add them", "    return a\n"), on_text=shown.append)
        assert block == "    return a + b" and shown[-1] == block
        server.answers["/v1/chat/completions"] = Recorded(lines=sse(chunk("I cannot do that."), chunk("", "stop")))
        assert one.infill(GAP)[0].text == ""


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "no API that is known"),
        ({"/v1/models": Recorded({"error": {"code": 503, "message": "Loading model"}}, status=503)}, "still loading"),
        ({"/v1/models": Recorded({"error": "no"}, status=401)}, "wants a key"),
        ({**LLAMA_CPP, "/infill": Recorded({"error": {}}, status=501), "/props": Recorded({
            "default_generation_settings": {}, "model_alias": "tiny"})}, "not trained to fill"),
        ({**OLLAMA, "/api/tags": Recorded({"models": [{"name": "llama4:8b"}]})}, "ollama pull"),
        ({"/v1/models": models("vllm", "meta-llama/Llama-4")}, "nothing is known of how 'meta-llama/Llama-4'"),
        ({"/v1/models": Recorded(["a", {"data": 1}])}, "no API that is known"),
    ],
)  # fmt: skip
def test_a_server_that_cannot_fill_is_told_of(answers: dict[str, Recorded], message: str) -> None:
    with RecordedServer(answers).running() as server, pytest.raises(RemoteError, match=message):
        asked(server)


@pytest.mark.parametrize(
    ("recorded", "message", "said"),
    [
        (Recorded({"error": {"message": "overloaded"}}, status=503), "503", "overloaded"),
        (Recorded({"message": "slow\x1b[31m down"}, status=429, headers={"Retry-After": "7"}), "429", "slow [31m down"),
        (Recorded(lines=('data: {"error": {"message": "out of memory"}}\n',)), "broke off", "out of memory"),
        (Recorded(lines=("data: {broken\n",)), "no JSON", ""),
        (Recorded(lines=("data: " + "{" * 200_000 + "\n",)), "no JSON", ""),
        (Recorded(lines=("data: {" + " " * 1_100_000 + "}\n",)), "no end", ""),
    ],
)
def test_a_server_that_fails_is_left_alone_for_a_while(recorded: Recorded, message: str, said: str) -> None:
    """Its own words may quote what it was sent: they are in no message."""
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = recorded
        with pytest.raises(RemoteError, match=message) as error:
            one.infill(GAP)
        assert error.value.said == said and (not said or said not in str(error.value))
        count = len(server.seen)
        with pytest.raises(RemoteError, match=message):
            one.infill(GAP)
        assert len(server.seen) == count


@pytest.mark.parametrize(
    "recorded",
    [
        Recorded({"error": {"message": "prompt too long"}}, status=400),
        Recorded({"detail": [{"msg": "no"}]}, status=422),
        Recorded("gone", status=307, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
def test_a_question_that_is_refused_is_no_reason_to_ask_no_other(recorded: Recorded) -> None:
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = recorded
        with pytest.raises(RemoteError, match=str(recorded.status)):
            one.infill(GAP)
        server.answers["/infill"] = LLAMA_CPP["/infill"]
        assert one.infill(GAP)[0].text == "a + b"


def test_a_server_that_refuses_log_probabilities_is_asked_without() -> None:
    with RecordedServer(VLLM).running() as server:
        one, _ = asked(server)
        server.answers["/v1/completions"] = Recorded({"error": "logprobs must be a bool"}, status=400)
        with pytest.raises(RemoteError):
            one.infill(GAP)
        first, second = server.bodies("/v1/completions")
        assert "logprobs" in first and "logprobs" not in second
        server.answers["/v1/completions"] = VLLM["/v1/completions"]
        one.infill(GAP)
        assert "logprobs" in server.bodies("/v1/completions")[-1], "that was not the reason"


@pytest.mark.parametrize("logprob", [-9999.0, -(10**400), 3.0])
def test_log_probabilities_that_are_none_do_no_harm(logprob: float) -> None:
    lines = tuple(json.dumps(llama_cpp(text, logprob)) for text in SAID)
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(lines=lines)
        (fill,) = one.infill(GAP)
        assert fill.text == "a + b" and 0.0 <= fill.confidence <= 1.0


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.5)
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(lines=sse(llama_cpp("a"), llama_cpp("b"), done=False), waits=Event())
        with pytest.raises(RemoteError, match="has not answered within"):
            one.infill(replace(GAP, max_lines=0))
        assert server.left.wait(5.0)


def test_what_is_sent_fits_the_context() -> None:
    lines = "".join(f"value_{at} = {at}\n" for at in range(2000))
    snippets = tuple(Snippet(lines[at * 900 :][:900], f"{at}.py") for at in range(6))
    with RecordedServer(VLLM).running() as server:
        one, found = asked(server)
        one.infill(Gap(lines + "x = ", lines, snippets=snippets, max_tokens=32))
        body = server.bodies("/v1/completions")[-1]
    assert found.context == 2048 and len(body["prompt"]) < 3 * (2048 - 32)
    assert "5.py" in body["prompt"] and "0.py" not in body["prompt"], "the most useful ones"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"content": 3, "completion_probabilities": "x"},
        {"content": None, "completion_probabilities": [{"logprob": "nan"}]},
        {"content": "", "completion_probabilities": [[1]], "stop": "yes"},
    ],
)
def test_events_of_another_shape_are_no_text(event: dict[str, Any]) -> None:
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        server.answers["/infill"] = Recorded(lines=sse(event, llama_cpp("a"), done=False))
        assert one.infill(GAP)[0].text == "a"


def test_a_server_that_is_not_there_is_told_of() -> None:
    with RecordedServer({}).running() as server:
        url = server.url
    with pytest.raises(RemoteError, match="is the server running"):
        detect(Connection(Address(url)))


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8012", "ftp://secret", "http://", "http://key:secret@host", "http://h:secret", "http://h:0",
        "key:secret@host:8012", "http://h/v1?api_key=secret", "http://h/#secret", "http://h/\nsecret", "http://[secret",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValueError, match="engine_url") as error:
        Address(url)
    assert "secret" not in str(error.value)


def test_what_speaks_no_http_is_quoted_nowhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for _ in range(2):
                one, _ = listening.accept()
                with one:
                    one.recv(1000)
                    one.sendall(b"SSH-2.0-echo\x1b[31m secret\r\n")

        thread = Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(RemoteError, match="does not speak HTTP") as error:
            detect(Connection(Address(f"http://127.0.0.1:{listening.getsockname()[1]}")))
        assert "secret" not in str(error.value)


def test_a_server_that_takes_a_bool_alone_is_asked_without_log_probabilities_from_then_on() -> None:
    with RecordedServer(VLLM).running() as server:
        one, _ = asked(server)
        lines = VLLM["/v1/completions"].lines
        server.answers["/v1/completions"] = Recorded(
            chooses=lambda body: (
                Recorded({"error": "a bool"}, status=400) if "logprobs" in body else Recorded(lines=lines)
            )
        )
        assert one.infill(GAP)[0].text == one.infill(GAP)[0].text == "a + b"
        assert ["logprobs" in body for body in server.bodies("/v1/completions")] == [True, False, False]


def test_a_dialect_that_is_named_knows_the_context_too() -> None:
    with RecordedServer(VLLM).running() as server:
        assert detect(Connection(Address(server.url)), "completions").context == 2048


def test_the_key_is_in_no_text_of_an_address() -> None:
    assert "secret" not in repr(Address("http://127.0.0.1:1", "secret"))
    assert Address("http://localhost:1").is_local and Address("http://[::1]:1").is_local
    assert not Address("http://10.0.0.1:1").is_local and not Address("https://example.com").is_local
    assert (
        Address("https://api.deepseek.com/beta").base == Address("http://h/v1/").base == ""
        and Address("http://h/llm/v1").base == "/llm"
    )


def test_patches_and_surprises_are_none() -> None:
    with RecordedServer(LLAMA_CPP).running() as server:
        one, _ = asked(server)
        count = len(server.seen)
        assert one.patch(Patch("x = ", (Hole("1"),), "\n")).revisions == ()
        one.prefill(GAP)
        one.close("a.py")
        assert len(server.seen) == count


@pytest.mark.parametrize(
    "name",
    [
        "mamba-codestral-7b",
        "codellama-34b",
        "CodeLlama-7b-Python-hf",
        "codellama:7b-instruct",
        "granite-embedding",
        "x",
    ],
)
def test_models_that_were_not_taught_to_fill_have_no_prompt(name: str) -> None:
    assert template_for(name) is None


def test_models_have_their_prompts() -> None:
    assert template_for("granite4:micro") is template_for("ibm-granite/granite-4.0-h-tiny") is TEMPLATES["granite-4"]
    assert template_for("granite-3b-code-base") is TEMPLATES["granite"]
    assert template_for("Qwen/Qwen2.5-Coder-7B") is TEMPLATES["qwen2.5-coder"]
    prompt = TEMPLATES["codestral"].prompt(Asked("", "\n", 8, (Snippet("y = 1", "b.py"),), "a.py", middle="x = "))
    assert prompt == "[SUFFIX]\n[PREFIX]+++++ b.py\ny = 1\nx = "


def test_a_name_with_a_namespace_is_ollamas_too() -> None:
    answers = {**OLLAMA, "/v1/models": models("hf.co", "hf.co/Qwen/Qwen2.5-Coder-7B")}
    with RecordedServer(answers).running() as server:
        assert asked(server)[1].kind == "Ollama 0.21.0"


def test_a_router_is_told_which_model() -> None:
    answers = {**LLAMA_CPP, "/props?model=my%2Fmodel": LLAMA_CPP["/props"]}
    with RecordedServer(answers).running() as server:
        to = Connection(Address(server.url))
        found = detect(to, model="my/model")
        filler(to, found).infill(GAP)
        assert {body["model"] for body in server.bodies("/infill")} == {"my/model"}
