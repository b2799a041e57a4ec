"""Results: frames by number, wipe, comparison of two seeds, files and code."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from shutil import copy
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tcan_client import Client
from tests.servers import GUARD_S
from tests.studio.conftest import FRAMES, OpenPage, Studio, axe_violations

pytestmark = pytest.mark.long

SEEDS = (1, 2)
NAME = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def jobs(studio: Studio, pair: Path) -> list[dict[str, Any]]:
    """Two animations of the same inputs with different seeds."""
    with Client(studio.url) as client:
        ids = [
            client.submit(
                pair / "source.png",
                pair / "driving.mp4",
                {"seed": seed},
                options={"metadata": {"name": NAME}},
            ).id
            for seed in SEEDS
        ]
        for job_id in ids:
            assert client.wait(job_id).status == "succeeded"
    return [httpx.get(f"{studio.url}/jobs/{job_id}").json() for job_id in ids]


@pytest.fixture(scope="module")
def driver_frames(studio: Studio, jobs: list[dict[str, Any]]) -> list[np.ndarray]:
    """The driver's cell in each frame of the first review."""
    content = httpx.get(f"{studio.url}{jobs[0]['links']['review']}", follow_redirects=True).content
    cell = jobs[0]["review"]["cells"]["driver"]
    with av.open(io.BytesIO(content), "r") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    rows = slice(cell["y"], cell["y"] + cell["height"])
    columns = slice(cell["x"], cell["x"] + cell["width"])
    return [frame[rows, columns] for frame in frames]


def painted(page: Page, name: str) -> np.ndarray:
    """Return the pixels of a picture on the stage."""
    url = page.get_by_role("img", name=name, exact=True).evaluate("canvas => canvas.toDataURL()")
    content = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def nearest(picture: np.ndarray, frames: list[np.ndarray]) -> int:
    """Return the index of the frame that is most like the picture."""
    return int(np.argmin([np.abs(picture.astype(int) - frame).mean() for frame in frames]))


def expect_frame(page: Page, frame: int) -> None:
    """Wait until the player says that it shows a frame."""
    status = page.get_by_role("group", name="Player").get_by_role("status")
    expect(status).to_have_text(f"Frame {frame} of 0 to {FRAMES - 1}")


def test_frames_have_the_numbers_of_the_api(
    open_page: OpenPage, jobs: list[dict[str, Any]], driver_frames: list[np.ndarray]
) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&mode=side&loop=0")
    player = page.get_by_role("group", name="Player")
    for frame in range(FRAMES):
        expect_frame(page, frame)
        assert nearest(painted(page, "Driver"), driver_frames) == frame
        player.press("ArrowRight")
    player.press("Home")
    expect_frame(page, 0)
    player.press("End")
    expect_frame(page, FRAMES - 1)
    assert nearest(painted(page, "Driver"), driver_frames) == FRAMES - 1


def test_question_mark_shows_the_keys(open_page: OpenPage, jobs: list[dict[str, Any]]) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&frame=0")
    keys = page.get_by_role("group", name="Keys")
    page.get_by_role("button", name="Keys").press("?")
    expect(keys.get_by_text("play or pause")).to_be_visible()
    assert axe_violations(page) == []
    page.get_by_role("button", name="Keys").click()
    expect(keys).to_have_count(0)


def test_picture_is_offset_by_a_frame(
    open_page: OpenPage, jobs: list[dict[str, Any]], driver_frames: list[np.ndarray]
) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&mode=side&frame=3")
    expect_frame(page, 3)
    page.get_by_role("button", name="Driver: one frame later").click()
    page.wait_for_url("**offset=0.driver*")
    expect_frame(page, 3)
    assert nearest(painted(page, "Driver"), driver_frames) == 4


def test_reload_shows_the_same_frame_in_the_same_view(
    open_page: OpenPage, jobs: list[dict[str, Any]]
) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&mode=wipe&frame=5")
    expect_frame(page, 5)
    page.get_by_role("slider", name="Wipe").press("ArrowRight")
    page.wait_for_url("**wipe=51*")
    page.reload()
    expect_frame(page, 5)
    wipe = page.get_by_role("slider", name="Wipe")
    expect(wipe).to_have_value("51")
    expect(wipe).to_have_attribute("aria-valuetext", "51 % Source, 49 % Result")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_seeds_are_compared_in_step(
    open_page: OpenPage, jobs: list[dict[str, Any]], scheme: str
) -> None:
    ids = ",".join(job["id"] for job in jobs)
    page = open_page(f"/studio?compare={ids}&frame=4", color_scheme=scheme)
    expect_frame(page, 4)
    expect(page.get_by_role("row", name=f"Seed {SEEDS[0]} {SEEDS[1]}")).to_be_visible()
    first, second = (painted(page, f"{NAME}, seed {seed}: Result") for seed in SEEDS)
    assert not np.array_equal(first, second)
    assert axe_violations(page) == []


def test_result_is_downloaded_under_its_name(
    open_page: OpenPage, jobs: list[dict[str, Any]]
) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&frame=0")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    id_ = jobs[0]["id"][:8]
    assert download.value.suggested_filename == f"script-alert(1)-script-seed1-{id_}.mp4"


def test_result_gets_a_note_where_it_is_seen(
    open_page: OpenPage, studio: Studio, jobs: list[dict[str, Any]]
) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}")
    page.get_by_role("button", name="Name and notes").click()
    dialog = page.get_by_role("dialog", name="Name and notes")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value(NAME)
    dialog.get_by_label("Notes").fill("the hand is right")
    dialog.get_by_role("button", name="Save").click()
    expect(
        page.get_by_role("region", name="Result").get_by_text("the hand is right")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Name and notes")).to_be_focused()
    with Client(studio.url) as client:
        metadata = client.job(jobs[0]["id"]).options.metadata
    assert metadata == {"name": NAME, "notes": "the hand is right"}


def test_provenance_is_labelled_as_a_claim(open_page: OpenPage, jobs: list[dict[str, Any]]) -> None:
    page = open_page(f"/studio?job={jobs[0]['id']}&frame=0")
    page.get_by_text("Provenance", exact=True).click()
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_text("What the service claims")).to_be_visible()
    expect(result.get_by_text("Weights (SHA-256)")).to_be_visible()
    assert axe_violations(page) == []


PROGRAMS = {
    "curl": ["sh", "code"],
    "Python": [sys.executable, "code"],
    # The code has no types: it is JavaScript too.
    "TypeScript": ["node", "code"],
}


@pytest.mark.parametrize("inputs", ["Of this job", "Files beside the code"])
@pytest.mark.parametrize(
    "language", ["curl", "Python", pytest.param("TypeScript", marks=pytest.mark.node)]
)
def test_copied_code_makes_the_job_again(
    open_page: OpenPage,
    jobs: list[dict[str, Any]],
    pair: Path,
    tmp_path: Path,
    repository: Path,
    language: str,
    inputs: str,
) -> None:
    page = open_page(
        f"/studio?job={jobs[0]['id']}&frame=0", permissions=["clipboard-read", "clipboard-write"]
    )
    page.get_by_text("Code", exact=True).click()
    page.get_by_role("button", name=language, exact=True).click()
    page.get_by_role("combobox", name="Inputs").select_option(inputs)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    (tmp_path / "code").write_text(page.evaluate("navigator.clipboard.readText()"))
    copy(pair / "source.png", tmp_path / "picture.png")
    copy(pair / "driving.mp4", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/tcan-client").symlink_to(repository / "clients/typescript")
    subprocess.run(PROGRAMS[language], cwd=tmp_path, check=True, env=os.environ, timeout=GUARD_S)
    assert (tmp_path / "result.mp4").read_bytes()[4:8] == b"ftyp"
