"""Debian's Chromium, or the one that the variable CHROMIUM names, led by Playwright."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from local.function_process import FunctionProcess
from local.local_app import local_app
from local.storefronts import SAMPLE
from tests.kit.tools import unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_CANDIDATES = ("chromium", "chromium-browser", "google-chrome")


class Seen(NamedTuple):
    """A page in the browser, the cloud that it is of, and the function that runs in it."""

    page: "Page"
    cloud: LocalCloud
    function: FunctionProcess


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A browser for one module: as long as Playwright runs, no event loop of a test can."""
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, _CANDIDATES)), None
    )
    if executable is None:
        unavailable("There is no browser: `apt install chromium`, or set CHROMIUM.")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("Playwright is not installed; it is among the development requirements.")
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that containers and CI do not give.
        running = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def served(browser: "Browser", azurite: Azurite) -> Iterator[tuple[LocalCloud, FunctionProcess]]:
    """The app in its local cloud, as `make run` serves it."""
    with local_app(azurite, SAMPLE) as running:
        yield running


@pytest.fixture
def seen(browser: "Browser", served: tuple[LocalCloud, FunctionProcess]) -> Iterator[Seen]:
    """The page, opened anew over an empty cloud. It fails the test that leaves a console error."""
    cloud, function = served
    cloud.reset()
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    errors: list[str] = []
    refused: list[str] = []
    opened.on(
        "console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((cloud.page_url, function.url, "data:"))
            else refused.append(request.url)
        ),
    )
    opened.goto(function.url)
    opened.wait_for_selector("#live.on")
    yield Seen(opened, cloud, function)
    context.close()
    # The browser itself reports an answer of 4xx that a test has asked for.
    assert [error for error in errors if "status of 4" not in error] == []
    assert refused == []
