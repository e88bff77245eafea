"""A machine without a model: one click brings it."""

from __future__ import annotations

from code_server import CodeServer
from window import Window

TEXT = "def add(a, b):\n    return |\n"


def test_a_missing_model_is_pulled_by_one_click(window: Window, code_server: CodeServer) -> None:
    store = code_server.home / "empty"
    window.open("fresh.py", TEXT)
    fresh = code_server.stand_in("fresh", f"LACUNA_CACHE='{store}' exec")
    code_server.configure(path=fresh, model="smollm2-135m")
    question = window.page.locator(".notification-list-item", has_text="smollm2-135m is not on this machine yet")
    question.wait_for()
    assert not (store / "models").exists(), "nothing is fetched without a yes"
    question.locator(".monaco-button", has_text="Pull It").click()
    bar = window.page.locator(".notification-list-item", has_text="Lacuna: pulling smollm2-135m")
    bar.wait_for()
    bar.wait_for(state="detached")
    window.wait_for_status("ready.*smollm2-135m")
    assert (store / "models" / "smollm2-135m" / "model.safetensors").is_file()
    window.open("pulled.py", "def add(a, b):\n|\n")
    window.type("    return ")
    window.wait_for_any_ghost()
