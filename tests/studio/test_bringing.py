"""Files are brought: refusals beside their field, names as text, and the whole path by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests import samples
from tests.studio.conftest import OpenPage, axe_violations, bring

pytestmark = pytest.mark.long


def test_refused_picture_is_explained_beside_its_field(page: Page, pair: Path) -> None:
    broken = png("broken.png", b"no picture")
    inputs = page.get_by_role("region", name="Inputs")
    for button in ("Animate", "Preview poses"):
        bring(page, broken, pair / "driving.mp4")
        expect(inputs.get_by_text("Sent; this browser cannot show it")).to_be_visible()
        page.get_by_role("button", name=button, exact=True).click()
        expect(inputs.get_by_role("alert")).to_contain_text("Use another picture")
        expect(inputs.get_by_text("broken.png")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(1)
        bring(page, pair / "source.png", pair / "driving.mp4")
        expect(inputs.get_by_role("alert")).to_have_count(0)


def test_preset_for_puppets_animates_another_subject_if_one_insists(page: Page, pair: Path) -> None:
    bring(page, png("plain.png", samples.png(256, 256)), pair / "driving.mp4")
    page.get_by_role("button", name="Animate", exact=True).click()
    progress = page.get_by_role("region", name="Progress")
    expect(progress.get_by_role("alert")).to_contain_text("The picture shows no puppet")
    expect(progress.get_by_role("alert")).not_to_contain_text("--any-subject")
    page.get_by_role("button", name="Animate anyway").click()
    expect(progress.get_by_role("alert")).not_to_contain_text("shows no puppet")


def test_file_of_another_kind_is_named(page: Page) -> None:
    transfer = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["a"], "notes.txt"));
            return data;
        }"""
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.get_by_role("alert")).to_contain_text("“notes.txt” is neither a picture")


def test_address_without_a_scheme_is_refused_at_once(page: Page) -> None:
    page.get_by_role("button", name="Address of the character").click()
    field = page.get_by_label("Web address of the character")
    field.fill("example.com/a.png")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("starts with https://")


def test_name_with_markup_is_text(page: Page, pair: Path) -> None:
    name = "<script>document.title='x'</script><img src=x onerror=alert(1)>.png"
    bring(page, png(name, (pair / "source.png").read_bytes()), pair / "driving.mp4")
    expect(page.get_by_text(name)).to_be_visible()
    expect(page).to_have_title("Studio")


def test_whole_path_by_keyboard(page: Page) -> None:
    press_until(page, "Tab", "Dance")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Jumping jacks")).to_be_checked()
    press_until(page, "Tab", "Small puppet with a cap")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Result")).to_be_visible()
    press_until(page, "Tab", "Seed")
    page.keyboard.type("7")
    press_until(page, "Tab", "Animate")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Result").get_by_text("seed 7")).to_be_visible()


# Sent in three parts.
BIG: FilePayload = {"name": "big.mp4", "mimeType": "video/mp4", "buffer": bytes(9 * 1024 * 1024)}


def test_broken_upload_goes_on_with_the_part_that_broke(page: Page) -> None:
    sent: list[Route] = []

    def break_the_second(route: Route) -> None:
        sent.append(route)
        if len(sent) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/objects", break_the_second)
    page.get_by_label("Driving video", exact=True).set_input_files(BIG)
    expect(page.get_by_text("Sent; this browser cannot show it")).to_be_visible()
    assert len(sent) == 4
    assert newest_upload(page)["size_bytes"] == len(BIG["buffer"])


def test_upload_goes_on_where_it_stopped_when_the_network_is_back(page: Page) -> None:
    arrived: list[Route] = []
    network = {"may_send": 1}

    def send_some(route: Route) -> None:
        if len(arrived) < network["may_send"]:
            arrived.append(route)
            route.continue_()
        else:
            route.abort("internetdisconnected")

    page.route("**/objects", send_some)
    page.get_by_label("Driving video", exact=True).set_input_files(BIG)
    inputs = page.get_by_role("region", name="Inputs")
    expect(inputs.get_by_role("alert")).to_contain_text("sending goes on where it stopped")
    network["may_send"] = 3
    inputs.get_by_role("button", name="Try again").click()
    expect(inputs.get_by_text("Sent; this browser cannot show it")).to_be_visible()
    assert len(arrived) == 3
    assert newest_upload(page)["size_bytes"] == len(BIG["buffer"])


def test_empty_file_is_refused_before_it_is_sent(page: Page) -> None:
    page.get_by_label("Picture", exact=True).set_input_files(png("empty.png", b""))
    expect(page.get_by_role("alert")).to_contain_text("The file is empty.")


def newest_upload(page: Page) -> dict[str, object]:
    """Return what the service has of the newest upload."""
    found = page.evaluate("fetch('/uploads?limit=1').then(answer => answer.json())")
    upload: dict[str, object] = found["uploads"][0]
    return upload


def png(name: str, content: bytes) -> FilePayload:
    """Return a file that the browser takes for a PNG."""
    return {"name": name, "mimeType": "image/png", "buffer": content}


def press_until(page: Page, key: str, name: str) -> None:
    """Press a key until the element with this label or text has the focus."""
    named = "el => (el.labels?.[0] ?? el).textContent.trim()"
    for _ in range(100):
        page.keyboard.press(key)
        if page.locator(":focus").count() and page.locator(":focus").evaluate(named) == name:
            return
    raise AssertionError(f"{name} never got the focus")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_views_have_no_axe_violation(
    open_page: OpenPage, pair: Path, scheme: str, width: int
) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    expect(page.get_by_role("button", name="Tall puppet")).to_be_visible()
    assert axe_violations(page) == []
    bring(page, pair / "source.png", pair / "driving.mp4")
    page.get_by_text("More settings").click()
    page.get_by_text("My settings").click()
    expect(page.get_by_role("button", name="Animate", exact=True)).to_be_enabled()
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
