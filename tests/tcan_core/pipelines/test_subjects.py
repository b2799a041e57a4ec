"""Presets for puppets refuse everything else, and so does the puppets' detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.image import write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import NoPersonError, NotAPuppetError
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate_files import find_poses
from tcan_core.pipelines.subjects import check_subjects
from tcan_core.puppets.pairs import render_pair
from tests.media.make_media import make_video
from tests.people_media import people_file
from tests.tcan_core.conditioning.make_poses import standing

SIDE = 64
RANDOM = np.random.default_rng(0)
EMPTY = {
    "black": np.zeros((SIDE, SIDE, 3), np.uint8),
    "grey": np.full((SIDE, SIDE, 3), 128, np.uint8),
    "noise": RANDOM.integers(0, 256, (SIDE, SIDE, 3), np.uint8),
}


@pytest.fixture(scope="module")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a puppet's image and another one's video."""
    folder = tmp_path_factory.mktemp("puppets")
    render_pair(folder, 1_000_000, 6, SIDE)
    return folder


def check(
    image: Path | None, driving: Path, preset: str = "mini", detector: str = "puppet"
) -> None:
    check_subjects(load_preset(preset), image, driving, detector)


def test_puppets_pass_without_a_pause(puppets: Path) -> None:
    check(puppets / "source.png", puppets / "driving.mp4")
    check(puppets / "source.png", puppets / "driving_pose.json")
    check(None, puppets / "target.mp4")


@pytest.mark.parametrize("name", [*EMPTY, "skeleton"])
def test_image_without_a_puppet_is_refused(name: str, puppets: Path, tmp_path: Path) -> None:
    pictures = {**EMPTY, "skeleton": draw_pose(standing(20.0))}
    write_png(tmp_path / "me.png", pictures[name])
    with pytest.raises(
        NotAPuppetError, match=r"me.png shows no puppet; the preset mini animates"
    ) as raised:
        check(tmp_path / "me.png", puppets / "driving.mp4")
    assert "tcan models pull " in str(raised.value) and "--any-subject" in str(raised.value)
    check(tmp_path / "me.png", puppets / "driving.mp4", preset="sd15")


@pytest.mark.parametrize("name", EMPTY)
def test_empty_video_has_no_person(name: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "empty.mp4", [EMPTY[name]] * 5)
    for detector in ("puppet", "movenet"):
        check(None, video, detector=detector)
        with pytest.raises(NoPersonError, match="no person was found in any of the 5 driving"):
            find_poses(video, detector=detector)


@pytest.mark.people
@pytest.mark.parametrize("name", ["astronaut.png", "messi5.jpg", "basketball1.png", "vtest.avi"])
def test_real_people_are_refused(name: str, puppets: Path) -> None:
    file = people_file(name)
    with pytest.raises(NotAPuppetError, match=f"{name} shows no puppet, and the detector puppet"):
        check(puppets / "source.png", file)
    check(puppets / "source.png", file, detector="movenet")
    if file.suffix != ".avi":
        with pytest.raises(NotAPuppetError, match=f"{name} shows no puppet; the preset mini"):
            check(file, puppets / "driving.mp4")
