"""A job is watched: through reloads and dead gateways, until it is canceled or done."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from redis import Redis

from tests.cli.conftest import processes_of
from tests.studio.conftest import OpenPage, Studio, bring, studio_running

pytestmark = pytest.mark.long

# The job is met at work, whenever one looks.
MANY_STEPS = "100"


def progress(page: Page) -> Locator:
    """Return the region that shows a job at work."""
    return page.get_by_role("region", name="Progress")


def animate(page: Page, pair: Path, steps: str = MANY_STEPS) -> None:
    """Submit a job of two puppets, and wait until it makes frames."""
    bring(page, pair / "source.png", pair / "driving.mp4")
    page.get_by_label("Steps", exact=True).fill(steps)
    page.get_by_role("button", name="Animate", exact=True).click()
    expect(progress(page).get_by_text("Making frames")).to_be_visible()


def test_job_goes_on_through_a_reload_and_stops_on_cancel(page: Page, pair: Path) -> None:
    animate(page, pair)
    expect(page).to_have_title(re.compile(r"^\d+ % · Studio$"))
    address = page.url
    page.reload()
    assert page.url == address
    expect(progress(page).get_by_text("Making frames")).to_be_visible()
    expect(progress(page).get_by_alt_text("The newest preview frame")).to_be_visible()
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(progress(page).get_by_text("Canceled.")).to_be_visible()
    expect(progress(page)).to_be_focused()
    expect(progress(page).get_by_alt_text("The last preview before it ended")).to_be_visible()


def test_cancel_says_stopping_before_the_service_has_answered(page: Page, pair: Path) -> None:
    animate(page, pair)
    held: list[Route] = []
    page.route("**/cancel", lambda route: held.append(route))
    page.get_by_role("button", name="Cancel").click()
    expect(progress(page).get_by_text("Stopping …")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    held[0].continue_()
    expect(progress(page).get_by_text("Canceled.")).to_be_visible()


def test_job_outlives_its_gateway_and_a_revoked_key_asks_for_another(
    open_page: OpenPage, pair: Path, tmp_path: Path
) -> None:
    with studio_running(tmp_path) as studio:
        key = keys(studio, "create", "designer")
        page = open_page(url=studio.url)
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Sign in").click()
        animate(page, pair)
        [gateway] = [
            pid for pid, line in processes_of(studio.data).items() if "gateway --fd" in line
        ]
        os.kill(gateway, signal.SIGKILL)
        expect(progress(page).get_by_text("Connection lost.")).to_be_visible()
        expect(progress(page).get_by_text("Connection lost.")).to_have_count(0)
        expect(progress(page).get_by_text("Making frames")).to_be_visible()
        [key_id] = re.findall(r"^\w+", keys(studio, "list"))
        keys(studio, "revoke", key_id)
        page.reload()
        expect(page.get_by_label("Key", exact=True)).to_be_visible()


def test_job_outlives_a_restart_of_the_whole_service(
    open_page: OpenPage, pair: Path, tmp_path: Path
) -> None:
    with studio_running(tmp_path) as studio:
        page = open_page(url=studio.url)
        animate(page, pair, steps="40")
    expect(progress(page).get_by_text("Connection lost.")).to_be_visible()
    with studio_running(tmp_path, int(studio.url.rsplit(":", 1)[1])):
        expect(page.get_by_role("region", name="Result")).to_be_visible()


def test_job_outlives_its_worker(open_page: OpenPage, pair: Path, tmp_path: Path) -> None:
    with studio_running(tmp_path) as studio:
        page = open_page(url=studio.url)
        animate(page, pair, steps="40")
        [worker] = [pid for pid, line in processes_of(studio.data).items() if "main worker" in line]
        os.kill(worker, signal.SIGKILL)
        job_id = page.url.rpartition("job=")[2]
        with Redis.from_url((studio.data / "redis_url").read_text()) as redis:
            redis.zadd("tcan:leases", {job_id: 0})
        expect(progress(page).get_by_text("attempt 2: a worker was lost")).to_be_visible()
        expect(page.get_by_role("region", name="Result")).to_be_visible()
        page.close()


def keys(studio: Studio, *arguments: str) -> str:
    """Run `tcan keys` on the service's data; return what it prints."""
    command = [sys.executable, "-m", "cli.main", "keys", *arguments, "--data", str(studio.data)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
