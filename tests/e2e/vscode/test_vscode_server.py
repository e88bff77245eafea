"""The extension and its server: settings take effect, crashes are mended, what is switched off asks nothing."""

from __future__ import annotations

import psutil
from code_server import CodeServer
from taught_model import taught_model
from window import Window

TEXT = "prices = [3, 5, 8]\n|\nprint(total)\n"


def test_settings_take_effect_without_a_restart(window: Window, code_server: CodeServer) -> None:
    [before] = code_server.lacuna_processes()
    window.open("settings.py", TEXT)
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    code_server.configure(confidence=1.0)
    window.until(lambda: _ghost_after_typing(window) == "", "no ghost text", window.ghost)
    code_server.configure()
    window.until(lambda: _ghost_after_typing(window) == "sum(prices)", "ghost text", window.ghost)
    assert code_server.lacuna_processes() == [before]


def test_a_language_that_is_switched_off_asks_nothing(window: Window, code_server: CodeServer) -> None:
    window.open("language.js", "|\n")
    window.type("const ")
    window.wait_for_ghost("total = prices.length;")
    window.press("Escape")
    window.run("Lacuna: Switch Suggestions On or Off for This Language")
    window.wait_for_status("off .*javascript")
    assert code_server.user_settings()["lacuna.disabledLanguages"] == ["javascript"]
    asked = _requests(window, code_server)
    assert asked > 0
    window.press("Backspace")
    window.type(" ")
    assert window.stays_without_ghost()
    assert _requests(window, code_server) == asked
    window.run("Lacuna: Switch Suggestions On or Off for This Language")
    window.wait_for_status("ready")
    window.open("language.py", TEXT)
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")


def test_off_and_on_again(window: Window, code_server: CodeServer) -> None:
    window.open("toggle.py", TEXT)
    window.run("Lacuna: Switch Suggestions On or Off")
    window.wait_for_status("off")
    window.type("total = ")
    assert window.stays_without_ghost()
    window.run("Lacuna: Switch Suggestions On or Off")
    window.wait_for_status("ready")
    assert _ghost_after_typing(window) == "sum(prices)"


def test_a_server_that_was_killed_is_started_again(window: Window, code_server: CodeServer) -> None:
    [killed] = code_server.lacuna_processes()
    window.open("killed.py", TEXT)
    killed.kill()
    psutil.wait_procs([killed])
    window.until(lambda: len(code_server.lacuna_processes()) == 1, "a new server")
    window.wait_for_status("ready")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")


def test_what_was_taken_is_counted(window: Window, code_server: CodeServer) -> None:
    before = _counts(window, code_server)
    window.open("counted.py", "def mean(values):\n|")
    window.type("    return ")
    window.wait_for_ghost("sum(values) / len(values)")
    window.press("Control+ArrowRight")
    window.wait_for_ghost("(values) / len(values)")
    window.press("Tab")
    assert window.text() == "def mean(values):\n    return sum(values) / len(values)"
    after = _counts(window, code_server)
    assert after["partially_accepted"] == before.get("partially_accepted", 0) + 1
    assert after["accepted"] == before.get("accepted", 0) + 1


def test_the_menu_says_what_can_be_done(window: Window) -> None:
    window.open("menu.py", TEXT)
    window.page.locator('.statusbar-item[id$="lacuna.status"] a').click()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    window.until(lambda: rows.count() > 8, "the menu")
    labels = " ".join(rows.all_inner_texts())
    for part in ("Switch off everywhere", "Switch off for python", "Choose the model", "Pull a model", "Statistics"):
        assert part in labels
    window.press("Escape")


def test_a_model_is_chosen_from_those_that_are_there(window: Window) -> None:
    window.run("Lacuna: Choose the Model")
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    window.until(lambda: rows.count() >= 3, "the models")
    labels = " ".join(rows.all_inner_texts())
    assert "smollm2-135m" in labels and taught_model().name in labels and "in a directory" in labels
    window.press("Escape")


def test_a_model_is_pulled(window: Window) -> None:
    window.run("Lacuna: Pull a Model")
    window.page.locator(".quick-input-list .monaco-list-row", has_text="smollm2-135m").click()
    window.page.locator(".notification-list-item", has_text="Lacuna: smollm2-135m is there.").wait_for()
    window.run("Notifications: Clear All Notifications")


def test_statistics_are_a_page_to_read(window: Window) -> None:
    window.open("statistics.py", TEXT)
    window.run("Lacuna: Show Statistics")
    page = window.page.frame_locator("iframe.webview.ready").last.frame_locator("#active-frame")
    page.get_by_role("heading", name="How requests ended").wait_for()
    assert page.locator("table").count() >= 2


def test_the_denoising_can_be_watched(window: Window) -> None:
    window.open("watch.py", TEXT)
    window.run("Lacuna: Watch the Denoising")
    page = window.page.frame_locator("iframe.webview.ready").last.frame_locator("#active-frame")
    page.locator("#hint").wait_for()
    window.page.locator(".tab", has_text="watch.py").click()
    window.page.locator(".editor-instance .view-lines").click()
    window.press("Control+Home", "ArrowDown")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    page.locator("#caption", has_text="done").wait_for()
    assert page.locator("#canvas").inner_text().replace("\u00a0", " ").startswith("total = sum(prices)")
    assert page.locator("#steps li").count() >= 1


def _ghost_after_typing(window: Window) -> str:
    """What is shown, by itself, after one more key that changes nothing."""
    if not window.text().splitlines()[1].startswith("total"):
        window.type("total = ")
    window.press("Backspace")
    window.type(" ")
    window.page.wait_for_timeout(1500)
    return window.ghost()


def _requests(window: Window, code_server: CodeServer) -> int:
    return _counts(window, code_server).get("requests", 0)


def _counts(window: Window, code_server: CodeServer) -> dict[str, int]:
    """Of all servers so far: one writes its counts when it ends."""
    [server] = code_server.lacuna_processes()
    window.run("Lacuna: Restart the Server")
    psutil.wait_procs([server], timeout=60)
    window.until(lambda: server not in code_server.lacuna_processes() != [], "a new server")
    window.wait_for_status("ready|off")
    return code_server.counts()
