"""The studio on phones and in zoomed windows, by fingers, and with wishes of the system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tcan_client import Client
from tests.studio.conftest import OpenPage, Studio, axe_violations, bring

pytestmark = pytest.mark.long

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
# A window of 1280 by 1024 pixels at 400 %.
ZOOMED = {"viewport": {"width": 320, "height": 256}}
LONG = "Supercalifragilistic-" * 20
HEBREW = "שלום עולם 2"
MANY_STEPS = "200"


@pytest.fixture(scope="module")
def tall(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A picture in portrait and a driving video in landscape, 118 pixels wide."""
    folder = tmp_path_factory.mktemp("tall")
    picture, driver = folder / "portrait.png", folder / "wide.mp4"
    with Image.open(pair / "source.png") as image:
        portrait = Image.new("RGB", (image.width, 2 * image.height), "grey")
        portrait.paste(image, (0, image.height // 2))
        portrait.save(picture)
    with (
        av.open(str(pair / "driving.mp4")) as container,
        av.open(str(driver), "w") as output,
    ):
        stream = output.add_stream("libx264", rate=container.streams.video[0].average_rate)
        stream.width, stream.height, stream.pix_fmt = 118, 64, "yuv420p"
        for frame in container.decode(video=0):
            pixels = np.pad(frame.to_ndarray(format="rgb24"), ((0, 0), (27, 27), (0, 0)), "edge")
            wide = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            output.mux(stream.encode(wide))
        output.mux(stream.encode(None))
    return picture, driver


@pytest.fixture(scope="module")
def named(studio: Studio, pair: Path) -> list[str]:
    """Ids of two results, one with a long name, one with a name from right to left."""
    with Client(studio.url) as client:
        ids = [
            client.submit(
                pair / "source.png",
                pair / "driving.mp4",
                {"seed": seed},
                options={"metadata": {"name": name, "notes": LONG}},
            ).id
            for seed, name in enumerate([LONG, HEBREW])
        ]
        for job_id in ids:
            assert client.wait(job_id).status == "succeeded"
    return ids


def preview(page: Page, picture: Path, driver: Path) -> None:
    """Find the poses of two files."""
    bring(page, picture, driver)
    page.get_by_role("button", name="Preview poses").click()
    expect(page.get_by_label("Poses fitted to the picture")).to_be_visible()


def top(place: Locator) -> float:
    """Return how far an element is below the window's upper edge."""
    box = place.bounding_box()
    assert box is not None
    return box["y"]


def swipe(page: Page, place: Locator, dx: float, dy: float, fingers: int = 1) -> None:
    """Move a finger from the middle of an element; more stand beside it and move the other way."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def send(kind: str, share: float, count: int) -> None:
        points = [
            {"x": x + share * dx * (1 - 2 * i) + 60 * i, "y": y + share * dy * (1 - 2 * i), "id": i}
            for i in range(count)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for count in range(1, fingers + 1):
        send("touchStart", 0, count)
    for step in range(1, 6):
        send("touchMove", step / 5, fingers)
    send("touchEnd", 1, 0)


def test_narrow_page_has_the_order_of_the_work(
    open_page: OpenPage, tall: tuple[Path, Path]
) -> None:
    page = open_page(**PHONE)
    preview(page, *tall)
    inputs, poses, settings = (
        page.get_by_role("region", name=name, exact=True)
        for name in ("Inputs", "Poses", "Settings")
    )
    animate = page.get_by_role("button", name="Animate", exact=True)
    assert top(inputs) < top(poses) < top(settings) < top(animate)
    page.get_by_role("button", name="Back to the poses").focus()
    page.keyboard.press("Tab")
    expect(settings.get_by_label("Preset")).to_be_focused()
    page.get_by_role("button", name="Approve poses").tap()
    expect(animate).to_be_focused()
    expect(animate).to_be_in_viewport()

    wrist = page.get_by_role("button", name="Left wrist", exact=True).first
    wrist.press("ArrowUp")
    moved = wrist.get_attribute("aria-description")
    page.set_viewport_size({"width": 1024, "height": 768})
    assert top(poses) < top(settings), "two columns"
    assert wrist.get_attribute("aria-description") == moved


def test_pictures_of_any_shape_are_seen_whole(open_page: OpenPage, tall: tuple[Path, Path]) -> None:
    page = open_page(**PHONE)
    bring(page, *tall)
    for thumbnail in page.locator(".input-thumbnail").all():
        outer, inner = thumbnail.bounding_box(), thumbnail.locator("> *").bounding_box()
        assert outer and inner and inner["height"] <= outer["height"]
    page.get_by_role("button", name="Animate", exact=True).tap()
    result = page.get_by_label("Result", exact=True).locator("video")
    expect(result).to_be_visible()
    box = result.bounding_box()
    assert box is not None
    assert box["height"] == pytest.approx(2 * box["width"], rel=0.1)


def test_reload_in_mid_job_shows_the_progress(open_page: OpenPage, pair: Path) -> None:
    page = open_page(**PHONE)
    preview(page, pair / "source.png", pair / "driving.mp4")
    page.get_by_label("Steps", exact=True).fill(MANY_STEPS)
    page.get_by_role("button", name="Animate", exact=True).tap()
    progress = page.get_by_role("region", name="Progress", exact=True)
    for _ in range(2):
        expect(progress.get_by_text("Making frames")).to_be_in_viewport()
        expect(page.get_by_role("button", name="Cancel")).to_be_in_viewport()
        page.reload()
    page.get_by_role("button", name="Cancel").tap()
    expect(progress.get_by_text("Canceled.")).to_be_in_viewport()


def test_finger_drags_a_joint_and_a_second_one_changes_nothing(
    open_page: OpenPage, pair: Path
) -> None:
    page = open_page(**PHONE)
    preview(page, pair / "source.png", pair / "driving.mp4")
    editor = page.get_by_role("region", name="Pose of the picture")
    wrist = editor.get_by_role("button", name="Left wrist", exact=True)
    before, ground = wrist.bounding_box(), page.evaluate("scrollY")
    for fingers in (1, 2):
        wrist.scroll_into_view_if_needed()
        before, ground = wrist.bounding_box(), page.evaluate("scrollY")
        swipe(page, wrist, -15, 20, fingers)
        after = wrist.bounding_box()
        assert before and after
        assert after["x"] - before["x"] == pytest.approx(-15, abs=2)
        assert after["y"] - before["y"] == pytest.approx(20, abs=2)
        assert page.evaluate("scrollY") == ground
    page.get_by_role("button", name="Undo: Move left wrist").tap()
    page.get_by_role("button", name="Undo: Move left wrist").tap()
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()


def test_finger_wipes_to_the_side_and_scrolls_up_and_down(
    open_page: OpenPage, named: list[str]
) -> None:
    page = open_page(f"/studio?compare={','.join(named)}", **PHONE)
    page.get_by_role("button", name="Wipe", exact=True).tap()
    wipe = page.get_by_role("slider", name="Wipe")
    swipe(page, wipe, 100, 0)
    assert int(wipe.input_value()) > 70
    ground = page.evaluate("scrollY")
    swipe(page, wipe, 0, -100)
    assert page.evaluate("scrollY") > ground


def test_window_at_400_percent_scrolls_in_one_direction(
    open_page: OpenPage, named: list[str], tall: tuple[Path, Path]
) -> None:
    page = open_page(**ZOOMED)
    preview(page, *tall)
    expect_no_sideways(page)
    for query in (f"job={named[0]}", f"compare={','.join(named)}"):
        page.goto(page.url.partition("?")[0] + f"?{query}")
        for view in ("Side by side", "Wipe", "One picture"):
            page.get_by_role("button", name=view).click()
            expect_no_sideways(page)
    page.get_by_role("link", name="History").click()
    last = page.get_by_role("button", name="Delete").last
    last.scroll_into_view_if_needed()
    expect_no_sideways(page)
    assert top(page.get_by_role("searchbox")) < 0, "filters cover the small window"
    assert axe_violations(page) == []


def expect_no_sideways(page: Page) -> None:
    """Nothing reaches beyond the window's right edge, except in what scrolls by itself."""
    beyond = page.evaluate(
        """() => [...document.querySelectorAll("#studio *")].filter(element =>
            element.getBoundingClientRect().right > innerWidth
            && !element.closest(".scroll, .code, .joint-table, .visually-hidden"))
            .map(element => element.outerHTML.slice(0, 80))"""
    )
    assert beyond == []


def test_long_name_takes_two_lines_and_each_name_has_its_direction(
    open_page: OpenPage, named: list[str]
) -> None:
    page = open_page(f"/studio?compare={','.join(named)}")
    heading = page.get_by_role("heading", name=LONG)
    expect(heading).to_have_attribute("title", LONG)
    box = heading.bounding_box()
    assert box is not None
    assert box["height"] < 60
    hebrew = page.get_by_role("heading", name=HEBREW)
    assert hebrew.evaluate("element => getComputedStyle(element).unicodeBidi") == "plaintext"


def test_wish_for_less_motion_starts_nothing(open_page: OpenPage, named: list[str]) -> None:
    page = open_page(reduced_motion="reduce")
    expect(page.get_by_role("button", name="Tall puppet")).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('video')].every(video => video.paused)")
    page.goto(f"{page.url}?job={named[0]}")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.get_by_text("Frame 0 of 0 to")).to_be_attached()


def test_high_contrast_shows_what_is_chosen(open_page: OpenPage, named: list[str]) -> None:
    page = open_page(f"/studio?job={named[0]}", forced_colors="active")
    wipe = page.get_by_role("button", name="Wipe", exact=True)
    wipe.click()
    page.get_by_role("slider", name="Wipe").focus()
    assert wipe.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    line = page.locator(".wipe-line").evaluate(
        "element => getComputedStyle(element).backgroundColor"
    )
    ground = page.locator("body").evaluate("element => getComputedStyle(element).backgroundColor")
    assert line != ground
