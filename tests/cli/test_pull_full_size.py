"""Every preset at full size: files of the published names and shapes are pulled and animate."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from media.image import write_png
from media.poses.pose_file import write_pose_file
from media.video_reader import read_video
from media.video_writer import VideoWriter
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.presets import Preset, load_preset, shipped_presets
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene
from tests.cli.conftest import Tcan
from tests.tcan_core.hub_server import Hub, hub_server
from tests.tcan_core.published import published_files, some_numbers, write_file

FRAMES, SIDE = 8, 256
FULL_SIZE = [name for name in shipped_presets() if load_preset(name).resolution >= 512]
# Bytes of a number in files whose presets name their sizes; those of MusePose hold other numbers.
BYTES = {"patrolli": 4, "zcxu-eric": 4, "lambdalabs": 4, "ByteDance": 2, "wangfuyun": 4}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that goes with the test, since the files take up to 15 GB."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setenv("TCAN_MODELS", str(Path(name) / "models"))
        yield Path(name)


def write_preset(path: Path, base: str) -> Preset:
    """Write a preset that pulls the files of a shipped one whatever their digests are."""
    shipped = load_preset(base)
    content: dict[str, Any] = {"extends": base, "name": "full", "resolution": SIDE}
    content |= {"description": "without digests", "detector": "puppet"}
    parts = {name: part.pull for name, part in shipped.parts.items()}
    loras = {name: lora.pull for name, lora in shipped.loras.items()}
    for section, pulls in (("parts", parts), ("loras", loras)):
        content[section] = {name: {"pull": unpinned(pull)} for name, pull in pulls.items() if pull}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_preset(str(path))


def unpinned(pull: HubFile) -> dict[str, Any]:
    """Return a file on the hub without its digest and size, which the test's has not."""
    given = {key: value for key, value in asdict(pull).items() if value}
    return {**given, "sha256": None, "size_bytes": None}


def serve(hub: Hub, preset: Preset, base: str, folder: Path) -> None:
    """Put the files on the hub; with the numbers' real type they have the announced sizes."""
    announced = {part.pull for part in load_preset(base).parts.values() if part.pull}
    sizes = {(pull.repo, pull.file): pull.size_bytes for pull in announced}
    numbers = some_numbers()
    for index, (pull, shapes) in enumerate(published_files(preset).items()):
        expected, owner = sizes.get((pull.repo, pull.file)), pull.repo.partition("/")[0]
        if expected is not None and owner in BYTES:
            num_bytes = BYTES[owner] * sum(map(prod, shapes.values()))
            assert num_bytes == pytest.approx(expected, rel=0.01), pull
        content = write_file(folder / f"{index}{Path(pull.file).suffix}", shapes, numbers)
        hub.put(pull.repo, pull.file, content, pull.revision or "1" * 40)


def write_inputs(folder: Path, preset: Preset) -> list[str]:
    """Write an image, and the poses or maps that drive it; return the options."""
    scene = sample_scene(FIRST_TEST_SEED, FRAMES, SIDE)
    write_png(folder / "image.png", scene.source.draw(scene.source_pose)[0])
    poses = scene.driving.poses(scene.motion)
    if preset.condition == "maps":
        with VideoWriter(folder / "maps.mp4", 8, (SIDE, SIDE)) as writer:
            for pose in poses:
                writer.write(scene.driving.draw(pose)[0])
        return ["--image", str(folder / "image.png"), "--driving", str(folder / "maps.mp4")]
    write_pose_file(folder / "source.json", [[scene.source_pose]], 8.0)
    write_pose_file(folder / "driving.json", [[pose] for pose in poses], 8.0)
    words = ["--image", "image.png", "--source-pose", "source.json", "--driving", "driving.json"]
    return [word if word.startswith("--") else str(folder / word) for word in words]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("base", FULL_SIZE)
def test_preset_is_pulled_and_animates_at_full_size(base: str, tcan: Tcan, folder: Path) -> None:
    """Each takes up to 12 GB of memory and of disk; the limit of an hour is for a busy machine."""
    path, out = folder / "preset.yaml", folder / "out.mp4"
    preset = write_preset(path, base)
    with pytest.MonkeyPatch.context() as patch, hub_server() as hub:
        patch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        serve(hub, preset, base, folder)
        pulled = tcan("models", "pull", str(path))
        assert pulled.code == 0, pulled.err
        assert len(hub.requests) == len(hub.files) > 0
    animated = tcan(
        "animate",
        *write_inputs(folder, preset),
        *("--preset", str(path), "--out", str(out), "--num-inference-steps", "1"),
        *("--dtype", "bfloat16", "--any-subject", "--seed", "1", "--json"),
    )
    assert animated.code == 0, animated.err
    assert json.loads(animated.out)["frames"] == FRAMES
    frames = np.stack(list(read_video(out)))
    assert frames.shape == (FRAMES, SIDE, SIDE, 3)
    assert (frames[0] != frames[-1]).any()
