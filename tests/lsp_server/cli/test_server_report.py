"""`lacuna doctor --engine-url`."""

from __future__ import annotations

import json

from command import lacuna
from recorded_server import Recorded, RecordedServer

EVENTS = tuple(
    f"data: {json.dumps(one)}\n"
    for one in (
        {"choices": [{"text": "return json.load(file)", "logprobs": None, "finish_reason": None}]},
        {"choices": [{"text": "", "finish_reason": "stop"}]},
    )
)
ANSWERS = {
    "/v1/models": Recorded({"data": [{"id": "Qwen2.5-Coder-7B", "owned_by": "vllm", "max_model_len": 8192}]}),
    "/version": Recorded({"version": "0.32.0"}),
    "/v1/completions": Recorded(lines=EVENTS),
}


def test_it_says_what_the_server_is_and_what_is_sent() -> None:
    with RecordedServer(ANSWERS).running() as server:
        done = lacuna("doctor", "--engine-url", server.url)
        said = lacuna("doctor", "--engine-url", server.url, "--json")
    assert done.returncode == 0, done.stderr
    for part in ("vLLM 0.32.0", "Qwen2.5-Coder-7B", "8192 tokens", "stay on this machine", "json.load(file)", "all is"):
        assert part in done.stdout
    report = json.loads(said.stdout)
    assert report["server"] == "vLLM 0.32.0" and report["is_local"] and len(report["fills"]) == 2


def test_a_server_that_is_not_there_is_to_be_mended() -> None:
    with RecordedServer({}).running() as server:
        url = server.url
    done = lacuna("doctor", "--engine-url", url)
    assert done.returncode == 1 and "is the server running" in done.stdout
