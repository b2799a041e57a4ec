"""A browser on the studio of a real embedded service with `mini`.

The browser is Debian's Chromium (`make browser`); without it these tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Request, expect, sync_playwright

from cli.demo import draw_pair
from tests.servers import free_port, running, wait_until

FRAMES = 9
# Guards against waiting for what never comes; no verdict depends on them.
ACTION_MS = 300_000
CHROMIUM = shutil.which("chromium")

expect.set_options(timeout=ACTION_MS)


class Studio(NamedTuple):
    """A running service with its page."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path


class Visit(NamedTuple):
    """A page, and what must not happen on it."""

    page: Page
    errors: list[str]


OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where there is no browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("chromium is not installed; run 'make browser'"))


@contextmanager
def studio_running(folder: Path, port: int | None = None, **settings: str) -> Iterator[Studio]:
    """Run an embedded service whose data is in the folder.

    Args:
        port: a free one if None.
        settings: variables of its environment, such as TCAN_LEASE_MS.
    """
    port, log = port or free_port(), folder / "up.log"
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port)]
    command += ["--data", str(folder / "data")]
    with running(command, log, settings) as process:
        wait_until(lambda: "Ready" in log.read_text(), "the service is ready")
        yield Studio(process, f"http://127.0.0.1:{port}", folder / "data")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One service for all tests that leave it running."""
    with studio_running(tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `source.png` and `driving.mp4` of two puppets, 64 pixels and nine frames."""
    return draw_pair(tmp_path_factory.mktemp("pair"), seed=1_000_000, frames=FRAMES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file of tests: while it runs, this thread can start no other event loop."""
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs a user other than root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, studio: Studio) -> Iterator[OpenPage]:
    """Opens pages of the studio, each like a browser of its own.

    At the end of the test no page may have had an error in its console, an error that nothing
    caught, or a request to another origin.

    Args of the function: the path; `url` of another service; options of a browser context, such as
    `viewport` and `color_scheme`.
    """
    visits: list[Visit] = []

    def open_(path: str = "/studio", url: str = studio.url, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(ACTION_MS)
        visit = Visit(context.new_page(), [])
        visits.append(visit)
        watch(visit, url)
        visit.page.goto(url + path)
        return visit.page

    yield open_
    for visit in visits:
        visit.page.context.close()
    assert [error for visit in visits for error in visit.errors] == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The studio's first page."""
    return open_page()


def watch(visit: Visit, url: str) -> None:
    """Record errors of the console and of scripts, and requests to other origins."""

    def on_request(request: Request) -> None:
        if not request.url.startswith((f"{url}/", "blob:", "data:")):
            visit.errors.append(f"request to another origin: {request.url}")

    visit.page.on("request", on_request)
    visit.page.on("pageerror", lambda error: visit.errors.append(f"not caught: {error}"))
    visit.page.on(
        "console",
        lambda message: (
            visit.errors.append(f"console: {message.text} ({message.location})")
            if message.type in ("error", "warning") and not is_network(message.text)
            else None
        ),
    )


def is_network(text: str) -> bool:
    """Return whether the browser itself reports an answer that a test provoked.

    Chromium logs each refused or failed request; the page shows them to the user.
    """
    return text.startswith("Failed to load resource")


def axe_violations(page: Page) -> list[str]:
    """Check the page as it is by WCAG 2.2 A and AA; return findings, one for each element."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    options = {"runOnly": {"type": "tag", "values": tags}}
    response = Axe().run(page, options=options).response
    return [
        f"{found['id']}: {node['target']}: {node.get('failureSummary', '')}"
        for found in response["violations"]
        for node in found["nodes"]
    ]


def bring(page: Page, picture: Path | FilePayload, driver: Path) -> None:
    """Give the picture and the driving file."""
    page.get_by_label("Picture", exact=True).set_input_files(picture)
    page.get_by_label("Driving video", exact=True).set_input_files(driver)
