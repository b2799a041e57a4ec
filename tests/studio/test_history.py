"""The history: names as text, notes, filters, deletion, and many jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tcan_client import Client
from tests.studio.conftest import OpenPage, Studio, axe_violations, studio_running

pytestmark = pytest.mark.long

MANY = 200
NAME = "<script>alert(1)</script>"


def submit(url: str, pair: Path, name: str) -> str:
    """Submit a job and cancel it."""
    with Client(url) as client:
        job = client.submit(pair / "source.png", pair / "driving.mp4", options=named(name))
        client.cancel(job.id)
        client.wait(job.id)
    return job.id


def named(name: str) -> dict[str, Any]:
    """Return the options of a job with a name."""
    return {"metadata": {"name": name}}


def delete_by_keyboard(page: Page, name: str) -> None:
    """Delete a job of the history."""
    page.get_by_role("button", name=f"Delete {name}").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("button", name=f"Open {name}")).to_have_count(0)


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


def test_focus_goes_to_the_next_job_after_a_deletion(
    open_page: OpenPage, studio: Studio, pair: Path
) -> None:
    for name in ("gone-3", "gone-2", "gone-1"):
        submit(studio.url, pair, name)
    page = open_page("/studio?view=history&text=gone-")
    delete_by_keyboard(page, "gone-1")
    expect(page.get_by_role("button", name="Open gone-2")).to_be_focused()
    delete_by_keyboard(page, "gone-3")
    expect(page.get_by_role("button", name="Open gone-2")).to_be_focused()
    delete_by_keyboard(page, "gone-2")
    expect(page.get_by_role("region", name="History")).to_be_focused()


def test_focus_stays_after_a_question_is_dismissed_or_the_selection_is_deleted(
    open_page: OpenPage, studio: Studio, pair: Path
) -> None:
    submit(studio.url, pair, "asked")
    page = open_page("/studio?view=history&text=asked")
    delete = page.get_by_role("button", name="Delete asked")
    delete.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete this job?")
    dialog.get_by_role("button", name="Keep").press("Escape")
    expect(delete).to_be_focused()
    page.get_by_role("checkbox", name="Select asked").press("Space")
    selection = page.get_by_role("button", name="Delete", exact=True)
    selection.press("Enter")
    dialog.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("listitem")).to_have_count(0)
    expect(selection).to_be_focused()


def test_filters_are_part_of_the_address(open_page: OpenPage, studio: Studio, pair: Path) -> None:
    submit(studio.url, pair, "filtered-1")
    with Client(studio.url) as client:
        client.wait(client.poses(pair / "driving.mp4", options=named("filtered-2")).id)
    page = open_page("/studio?view=history")
    page.get_by_role("searchbox").fill("filtered-")
    page.get_by_label("Kind").select_option("Pose previews")
    card = page.get_by_role("button", name="Open filtered-2")
    expect(card.locator("img")).to_have_js_property("complete", True)
    assert card.locator("img").evaluate("image => image.naturalWidth") > 0
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("button", name="Open filtered-2")).to_be_visible()
    page.get_by_label("Kind").select_option("All kinds")
    page.get_by_label("State").select_option("Canceled")
    expect(page.get_by_role("button", name="Open filtered-1")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("searchbox")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_queue_shows_places_and_cancels_one_or_all(
    open_page: OpenPage, studio: Studio, pair: Path, scheme: str
) -> None:
    with Client(studio.url) as client:
        ids = [
            client.submit(
                pair / "source.png",
                pair / "driving.mp4",
                {"num_inference_steps": 100},
                options=named(name),
            ).id
            for name in ("line-1", "line-2", "line-3")
        ]
        page = open_page("/studio?view=history", color_scheme=scheme)
        queue = page.get_by_role("region", name="Queue")
        expect(queue.get_by_role("listitem")).to_have_count(3)
        expect(queue.get_by_role("listitem").nth(2)).to_contain_text("1 before it in the queue")
        assert axe_violations(page) == []
        queue.get_by_role("button", name="Cancel line-2").click()
        expect(queue.get_by_role("listitem")).to_have_count(2)
        queue.get_by_role("button", name="Cancel all").press("Enter")
        dialog = page.get_by_role("dialog", name="Cancel 2 jobs?")
        expect(dialog.get_by_role("listitem")).to_have_text(["line-1", "line-3"])
        dialog.get_by_role("button", name="Cancel all").press("Enter")
        expect(queue).to_have_count(0)
        expect(page.get_by_role("region", name="History")).to_be_focused()
        assert [client.wait(job_id).status for job_id in ids] == ["canceled"] * 3


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
