"""From the empty page to a playing result, with the examples of the project."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.studio.conftest import axe_violations


def test_example_becomes_a_playing_video(page: Page) -> None:
    page.get_by_role("button", name="Tall puppet").click()
    expect(page.get_by_role("region", name="Progress")).to_be_visible()
    video = page.get_by_role("region", name="Result").locator("video[aria-label='Result']")
    expect(video).to_have_js_property("readyState", 4)
    assert axe_violations(page) == []
