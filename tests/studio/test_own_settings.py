"""Settings of one's own: saved, used, renamed, deleted, and all of them reset."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.long


def save(page: Page, name: str) -> None:
    """Save the settings under a name."""
    page.get_by_label("Name for these settings").fill(name)
    page.get_by_label("Name for these settings").press("Enter")
    expect(page.get_by_text(f"“{name}” saved.")).to_be_visible()


def test_own_settings_are_saved_used_renamed_and_deleted(page: Page) -> None:
    steps, seed = page.get_by_label("Steps", exact=True), page.get_by_label("Seed", exact=True)
    steps.fill("12")
    seed.fill("7")
    page.get_by_text("My settings").click()
    save(page, "slow")
    steps.fill("2")
    save(page, "quick")
    expect(page.get_by_role("button", name="quick", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )

    page.get_by_role("button", name="Rename “slow”").click()
    field = page.get_by_label("New name of “slow”")
    expect(field).to_be_focused()
    field.fill("careful")
    field.press("Enter")
    page.reload()
    page.get_by_text("My settings").click()
    page.get_by_role("button", name="careful", exact=True).click()
    expect(steps).to_have_value("12")
    expect(seed).to_have_value("7")

    page.get_by_role("button", name="Delete “careful”").click()
    expect(page.get_by_role("button", name="careful", exact=True)).to_have_count(0)
    page.get_by_text("More settings").click()
    page.get_by_label("Consent of the people shown").fill("form 12")
    page.get_by_role("button", name="Reset all settings").click()
    expect(steps).to_have_value("")
    expect(page.get_by_label("Consent of the people shown")).to_have_value("")
    expect(page.get_by_role("button", name="quick", exact=True)).to_be_visible()
