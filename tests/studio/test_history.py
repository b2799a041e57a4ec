"""The history: names as text, notes, filters, deletion, and many jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tcan_client import Client
from tests.studio.conftest import OpenPage, Studio, axe_violations, studio_running

pytestmark = pytest.mark.long

MANY = 200
NAME = "<script>alert(1)</script>"


def submit(url: str, pair: Path, name: str) -> str:
    """Submit a job and cancel it."""
    with Client(url) as client:
        options = {"metadata": {"name": name}}
        job = client.submit(pair / "source.png", pair / "driving.mp4", options=options)
        client.cancel(job.id)
        client.wait(job.id)
    return job.id


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_name_with_markup_is_text(
    open_page: OpenPage, studio: Studio, pair: Path, scheme: str
) -> None:
    submit(studio.url, pair, NAME)
    page = open_page("/studio?view=history", color_scheme=scheme)
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("button", name=f"Open {NAME}").first).to_be_visible()
    assert axe_violations(page) == []


def test_job_is_named_found_and_deleted(open_page: OpenPage, studio: Studio, pair: Path) -> None:
    job_id = submit(studio.url, pair, "before")
    page = open_page("/studio?view=history")
    page.get_by_role("button", name="Name and notes of before").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("harbor 12")
    page.get_by_role("textbox", name="Notes").fill("windy")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    with Client(studio.url) as client:
        page.get_by_role("searchbox").fill("WINDY")
        expect(page.get_by_role("listitem")).to_have_count(1)
        assert client.job(job_id).options.metadata == {"name": "harbor 12", "notes": "windy"}
        page.get_by_role("button", name="Delete harbor 12").click()
        dialog = page.get_by_role("dialog", name="Delete this job?")
        assert axe_violations(page) == []
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("No job matches.")).to_be_visible()
        assert job_id not in [job.id for job in client.jobs()]


def test_history_shows_many_jobs(open_page: OpenPage, pair: Path, tmp_path: Path) -> None:
    with studio_running(tmp_path) as service, Client(service.url) as client:
        first = submit(service.url, pair, "first")
        for _ in range(MANY - 1):
            client.cancel(client.retry(first).id)
        page = open_page("/studio?view=history", url=service.url)
        expect(page.get_by_role("button", name="Open first").first).to_be_visible()
        page.mouse.move(600, 500)
        for _ in range(MANY // 60):
            page.get_by_role("listitem").last.scroll_into_view_if_needed()
            page.mouse.wheel(0, 5000)
        expect(page.get_by_role("listitem")).to_have_count(MANY)
        page.close()
