"""The step "Poses": what is found is seen, mended and sent."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import numpy as np
import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from media.poses.joints import Joint
from tests.studio.conftest import axe_violations

FRAMES = 9
LEFT_WRIST = "Left wrist"
Position = tuple[float, float]


@pytest.fixture
def previewed(page: Page, pair: Path) -> Page:
    """A page on which the poses of the pair were found."""
    bring(page, pair / "source.png", pair / "driving.mp4")
    preview(page)
    return page


def bring(page: Page, picture: Path, driver: Path) -> None:
    """Give the picture and the driving file."""
    page.get_by_label("Picture", exact=True).set_input_files(picture)
    page.get_by_label("Driving video", exact=True).set_input_files(driver)


def preview(page: Page) -> str:
    """Find or fit the poses; return the id of the job when they are shown."""
    with page.expect_response(lambda response: response.url.endswith("/poses")) as sent:
        page.get_by_role("button", name="Preview poses").click()
    expect(page.get_by_role("progressbar", name="Progress of the poses")).to_have_count(0)
    expect(page.get_by_role("region", name="Fitted to the picture")).to_be_visible()
    return str(sent.value.json()["id"])


def picture_editor(page: Page) -> Locator:
    """Return the editor of the picture's pose."""
    return page.get_by_role("region", name="Pose of the picture")


def driver_editor(page: Page) -> Locator:
    """Return the editor of the driving video's poses."""
    return page.get_by_role("region", name="Poses of the driving video")


def joint(editor: Locator, name: str = LEFT_WRIST) -> Locator:
    """Return the handle of a joint."""
    return editor.get_by_role("button", name=name, exact=True)


def position(handle: Locator) -> Position:
    """Return where a handle says that its joint is, in pixels of the picture."""
    x, y = (handle.get_attribute("aria-description") or "").split(",")
    return float(x), float(y)


def drag(page: Page, handle: Locator, dx: float, dy: float, *, drop: bool = True) -> None:
    """Drag a handle by CSS pixels."""
    handle.scroll_into_view_if_needed()
    x, y = middle(handle.bounding_box())
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=5)
    if drop:
        page.mouse.up()


def middle(box: FloatRect | None) -> Position:
    """Return the middle of a box."""
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def output(page: Page, job: str, name: str) -> Any:
    """Return a JSON output of a job."""
    answer = page.request.get(urljoin(page.url, f"/jobs/{job}/{name}"))
    assert answer.ok
    return answer.json()


@pytest.mark.long
def test_dragged_wrist_is_where_it_was_dropped_in_the_next_preview(previewed: Page) -> None:
    editor = picture_editor(previewed)
    wrist = joint(editor)
    start = position(wrist)
    drag(previewed, wrist, 40, 30)
    dropped = position(wrist)
    assert dropped[0] > start[0] and dropped[1] > start[1]
    expect(previewed.get_by_text("This was made before your last changes")).to_be_visible()

    job = preview(previewed)

    (person,) = frames_of(output(previewed, job, "image_keypoints"))[0]["people"]
    x, y, confidence = person["pose_keypoints_2d"][3 * Joint.LEFT_WRIST :][:3]
    assert (round(x), round(y), confidence) == (*dropped, 1.0)
    expect(previewed.get_by_text("This was made before your last changes")).to_have_count(0)


@pytest.mark.long
def test_one_drag_is_one_step_of_undo_and_redo(previewed: Page) -> None:
    wrist = joint(picture_editor(previewed))
    start = position(wrist)
    drag(previewed, wrist, 30, -20)
    dropped = position(wrist)
    previewed.get_by_role("button", name="Undo").click()
    assert position(wrist) == start
    previewed.get_by_role("button", name="Redo").click()
    assert position(wrist) == dropped
    drag(previewed, wrist, -30, 20, drop=False)
    previewed.keyboard.press("Escape")
    previewed.mouse.up()
    assert position(wrist) == dropped


@pytest.mark.long
def test_every_edit_is_one_step_of_undo_and_redo(previewed: Page) -> None:
    picture, driver = picture_editor(previewed), driver_editor(previewed)

    def click(editor: Locator, name: str) -> Callable[[], None]:
        return lambda: editor.get_by_role("button", name=name, exact=True).click()

    edits = [
        lambda: joint(picture).press("ArrowRight"),
        lambda: joint(picture).press("h"),
        lambda: joint(picture, "Right knee").press("Shift+Delete"),
        click(picture, "Add right knee"),
        click(picture, "Exchange left and right"),
        click(picture, "Mirror"),
        lambda: driver.get_by_role("slider", name="First frame").press("ArrowRight"),
        click(driver, "Keyframe"),
        lambda: joint(driver).press("Delete"),
        click(driver, "This frame as detected"),
    ]
    seen = [shown(previewed)]
    for edit in edits:
        edit()
        assert shown(previewed) != seen[-1]
        seen.append(shown(previewed))
    for before in reversed(seen[:-1]):
        previewed.get_by_role("button", name="Undo").click()
        assert shown(previewed) == before
    for after in seen[1:]:
        previewed.get_by_role("button", name="Redo").click()
        assert shown(previewed) == after


def shown(page: Page) -> Any:
    """Return what both editors show: joints with their places, trim and keyframes."""
    return page.locator(
        ".pose-handle, .trim-handle, .timeline input, .timeline-keyframe"
    ).evaluate_all(
        """elements => elements.map(element => ["aria-label", "aria-description", "aria-valuenow",
            "aria-valuetext"].map(name => element.getAttribute(name)))"""
    )


@pytest.mark.long
def test_hidden_joint_is_not_sent_until_it_is_shown(previewed: Page) -> None:
    editor = picture_editor(previewed)
    sent = []
    for key in "hh":
        joint(editor, LEFT_WRIST).or_(joint(editor, f"{LEFT_WRIST}, hidden")).press(key)
        job = preview(previewed)
        (person,) = frames_of(output(previewed, job, "image_keypoints"))[0]["people"]
        sent.append(person["pose_keypoints_2d"][3 * Joint.LEFT_WRIST + 2])
    assert sent[0] == 0 < sent[1]


@pytest.mark.long
def test_trim_keeps_one_frame_at_least(previewed: Page) -> None:
    first = driver_editor(previewed).get_by_role("slider", name="First frame")
    last = driver_editor(previewed).get_by_role("slider", name="Last frame")
    first.press("End")
    last.press("Home")
    for handle in (first, last):
        expect(handle).to_have_attribute("aria-valuenow", str(FRAMES - 1))

    job = preview(previewed)

    assert output(previewed, job, "analysis")["frames"] == 1


@pytest.mark.long
def test_joints_are_moved_hidden_and_removed_by_keyboard(previewed: Page) -> None:
    editor = picture_editor(previewed)
    wrist = joint(editor)
    x, y = position(wrist)
    wrist.focus()
    previewed.keyboard.press("ArrowRight")
    previewed.keyboard.press("Shift+ArrowUp")
    assert position(wrist) == (x + 1, y - 10)

    previewed.keyboard.press("h")
    expect(joint(editor, f"{LEFT_WRIST}, hidden")).to_be_focused()
    previewed.keyboard.press("h")
    previewed.keyboard.press("Delete")
    expect(wrist).to_have_count(0)
    expect(joint(editor, "Right hip")).to_be_focused()

    previewed.keyboard.press("Control+z")
    expect(wrist).to_have_count(1)
    previewed.keyboard.press("Control+Shift+z")
    editor.get_by_role("button", name="Add left wrist").click()
    expect(wrist).to_be_focused()


@pytest.mark.long
def test_joints_are_placed_by_numbers_and_hands_are_moved_as_a_whole(previewed: Page) -> None:
    editor = picture_editor(previewed)
    editor.get_by_text("Numbers").click()
    field = editor.get_by_label("Left wrist, x", exact=True)
    field.fill("12.5")
    field.press("Tab")
    assert position(joint(editor))[0] in (12, 13)

    editor.get_by_role("radio", name="Left hand").check()
    editor.get_by_role("button", name="Add this hand").click()
    thumb, hand = joint(editor, "Left hand, thumb 1"), joint(editor, "Whole left hand")
    before = position(thumb)
    hand.focus()
    previewed.keyboard.press("Shift+ArrowDown")
    assert position(thumb) == (before[0], before[1] + 10)


@pytest.mark.long
def test_frames_between_keyframes_are_filled_and_sent(previewed: Page) -> None:
    editor = driver_editor(previewed)
    frame = editor.get_by_role("slider", name="Frame", exact=True)
    show_frame(editor, frame, 2)
    editor.get_by_role("button", name="Keyframe", exact=True).click()
    show_frame(editor, frame, 6)
    wrist = joint(editor)
    wrist.focus()
    previewed.keyboard.press("Shift+ArrowUp")
    moved = position(wrist)
    editor.get_by_role("button", name="Fill between keyframes").click()
    show_frame(editor, frame, 4)
    expect(frame).to_have_attribute("aria-valuetext", contains("edited"))

    job = preview(previewed)

    poses = frames_of(output(previewed, job, "keypoints"))
    assert len(poses) == FRAMES
    (person,) = poses[6]["people"]
    # The service smooths over neighbouring frames.
    assert person["pose_keypoints_2d"][3 * Joint.LEFT_WRIST + 1] == pytest.approx(moved[1], abs=6)


@pytest.mark.long
def test_trim_cuts_the_preview_by_keyboard_and_pointer(previewed: Page) -> None:
    editor = driver_editor(previewed)
    first = editor.get_by_role("slider", name="First frame")
    last = editor.get_by_role("slider", name="Last frame")
    first.focus()
    previewed.keyboard.press("ArrowRight")
    previewed.keyboard.press("ArrowRight")
    expect(first).to_have_attribute("aria-valuenow", "2")
    x, y = middle(last.bounding_box())
    previewed.mouse.move(x, y)
    previewed.mouse.down()
    previewed.mouse.move(x - 60, y, steps=4)
    previewed.mouse.up()
    end = int(last.get_attribute("aria-valuenow") or 0)
    assert 2 <= end < FRAMES - 1

    job = preview(previewed)

    assert output(previewed, job, "analysis")["frames"] == end + 1 - 2


@pytest.mark.long
def test_second_of_two_people_is_followed(page: Page, pair: Path, tmp_path: Path) -> None:
    bring(page, pair / "source.png", write_two_people(tmp_path / "two.json"))
    preview(page)
    second = driver_editor(page).get_by_role("radio", name=contains("Person 2"))
    with page.expect_response(lambda response: response.url.endswith("/poses")) as sent:
        second.check(force=True)
    expect(page.get_by_role("progressbar", name="Progress of the poses")).to_have_count(0)
    expect(second).to_be_checked()
    job = str(sent.value.json()["id"])
    (person,) = frames_of(output(page, job, "keypoints"))[0]["people"]
    assert person["pose_keypoints_2d"][0] > 50


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_step_has_no_axe_violation(open_page: Callable[..., Page], pair: Path, scheme: str) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    bring(page, pair / "source.png", pair / "driving.mp4")
    preview(page)
    editor = driver_editor(page)
    editor.get_by_role("button", name="Keyframe", exact=True).click()
    editor.get_by_text("Numbers").click()
    joint(editor).focus()
    assert axe_violations(page) == []


@pytest.mark.long
def test_dragged_wrist_changes_the_result(previewed: Page) -> None:
    previewed.get_by_label("Seed", exact=True).fill("7")
    detected = animate(previewed)
    drag(previewed, joint(picture_editor(previewed)), 20, 30)
    dragged = animate(previewed)
    manifests = [output(previewed, job, "manifest") for job in (detected, dragged)]
    assert [manifest["params"]["seed"] for manifest in manifests] == [7, 7]
    assert "image_pose" not in manifests[0]["inputs"]["sha256"]
    assert manifests[1]["inputs"]["sha256"]["image_pose"]
    before, after = (result_frames(previewed, job) for job in (detected, dragged))
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


def animate(page: Page) -> str:
    """Animate; return the id of the job when its result is shown."""
    with page.expect_response(lambda response: response.url.endswith("/animate")) as sent:
        page.get_by_role("button", name="Animate", exact=True).click()
    job = str(sent.value.json()["id"])
    review = page.locator(f"video[src*='{job}']")
    expect(review.first).to_be_attached()
    return job


def result_frames(page: Page, job: str) -> np.ndarray:
    """Return the frames of a job's result, (frames, height, width, 3)."""
    answer = page.request.get(urljoin(page.url, f"/jobs/{job}/result"))
    with av.open(io.BytesIO(answer.body()), "r") as container:
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


def show_frame(editor: Locator, slider: Locator, frame: int) -> None:
    """Show a frame and wait until its pose is there."""
    slider.fill(str(frame))
    expect(editor.get_by_text(f"Frame {frame} of")).to_be_visible()


def frames_of(document: Any) -> Any:
    """Return the frames of a pose file."""
    return document["frames"] if isinstance(document, dict) else document


def contains(text: str) -> re.Pattern[str]:
    """Return a pattern for texts that contain this one."""
    return re.compile(re.escape(text))


def write_two_people(path: Path) -> Path:
    """Write a pose file of a person at the left and one at the right who stand, six frames."""
    people = [{"pose_keypoints_2d": standing(x)} for x in (28, 96)]
    frame = {"people": people, "canvas_width": 128, "canvas_height": 128}
    path.write_text(json.dumps({"fps": 10, "frames": [frame] * 6}))
    return path


def standing(middle: float) -> list[float]:
    """Return the joints of a person who stands at x, flat x, y, confidence."""
    places = {
        Joint.NOSE: (0, 20),
        Joint.NECK: (0, 32),
        Joint.RIGHT_SHOULDER: (-8, 32),
        Joint.RIGHT_ELBOW: (-12, 46),
        Joint.RIGHT_WRIST: (-14, 60),
        Joint.LEFT_SHOULDER: (8, 32),
        Joint.LEFT_ELBOW: (12, 46),
        Joint.LEFT_WRIST: (14, 60),
        Joint.RIGHT_HIP: (-5, 64),
        Joint.RIGHT_KNEE: (-6, 86),
        Joint.RIGHT_ANKLE: (-6, 108),
        Joint.LEFT_HIP: (5, 64),
        Joint.LEFT_KNEE: (6, 86),
        Joint.LEFT_ANKLE: (6, 108),
        Joint.RIGHT_EYE: (-2, 18),
        Joint.LEFT_EYE: (2, 18),
        Joint.RIGHT_EAR: (-5, 19),
        Joint.LEFT_EAR: (5, 19),
    }
    return [value for each in Joint for value in (middle + places[each][0], places[each][1], 1.0)]
