"""The editor that the tests share: started once, with the model that was taught its suggestions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import setup_vscode
from code_server import PATIENCE, CodeServer, path_with_lacuna
from playwright.sync_api import Browser, sync_playwright
from taught_model import taught_model
from window import Window

BROWSER_OPTIONS = [
    "--no-sandbox",  # containers run tests as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def vsix() -> Path:
    try:
        setup_vscode.install()
    except setup_vscode.CannotInstall as reason:
        pytest.skip(f"VS Code is not there: {reason}")
    return setup_vscode.build_extension()


@pytest.fixture(scope="package")
def browser(vsix: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=setup_vscode.browser(), args=BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def code_server(vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    with CodeServer(tmp_path_factory.mktemp("vscode"), vsix, path_with_lacuna(), model=str(taught_model())) as server:
        yield server


@pytest.fixture(scope="package")
def shared_window(browser: Browser, code_server: CodeServer) -> Iterator[Window]:
    page = browser.new_page(viewport={"width": 1100, "height": 700}, device_scale_factor=2)
    page.set_default_timeout(PATIENCE * 1000)
    window = Window(page, code_server)
    window.load()
    yield window
    page.close()


@pytest.fixture
def window(shared_window: Window, code_server: CodeServer) -> Iterator[Window]:
    """A window without open files, and with no other settings than the model."""
    yield shared_window
    code_server.configure()
    shared_window.close_all()
    shared_window.wait_for_status("ready")
