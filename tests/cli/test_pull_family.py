"""Presets of published weights: pulled by the hub's names, converted, and animated with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save
from torch import Tensor

from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from media.video_writer import VideoWriter
from tcan_core.models.weights.presets import Preset, load_preset
from tests.cli.conftest import Tcan
from tests.tcan_core.golden import animate_anyone
from tests.tcan_core.golden.family import MAGICANIMATE, images, weights, with_positions
from tests.tcan_core.hub_server import Hub, hub_server

FRAMES = 8
SYSTEMS = ["moore", "novita", "musepose", "magicanimate", "sd15-magic"]


def small(base: str) -> dict[str, Any]:
    """Return a preset of small networks that pulls the files of a shipped one, digests aside."""
    if base in ("moore", "novita", "musepose"):
        content = yaml.safe_load(animate_anyone.PRESET.format(base=base))
    else:
        content = yaml.safe_load(MAGICANIMATE) | {"extends": base}
    content |= {"detector": "puppet"}
    content["parts"]["preview_decoder"] = None
    for name, part in load_preset(base).parts.items():
        if part.pull is not None and name != "preview_decoder":
            pull = {key: value for key, value in asdict(part.pull).items() if value}
            content["parts"][name]["pull"] = {**pull, "sha256": None, "size_bytes": None}
    return dict(content)


def states(base: str) -> dict[str, dict[str, Tensor]]:
    """Return the official weights by part; parts of one file share them."""
    if base in ("magicanimate", "sd15-magic"):
        unet = with_positions(weights("magicanimate", "unet"), 24)
        wrapped = {f"module.unet.{key}": value for key, value in unet.items()}
        names = {"reference_unet": "appearance_encoder"}
        parts = ("reference_unet", "controlnet", "vae", "text_encoder")
        return {
            "denoising_unet": wrapped,
            **{part: weights("magicanimate", names.get(part, part)) for part in parts},
        }
    unet = weights("moore", "unet")
    motion = {key: value for key, value in unet.items() if ".motion_modules." in key}
    parts = ("reference_unet", "pose_guider", "image_encoder", "vae")
    return {
        "denoising_unet": {key: value for key, value in unet.items() if key not in motion},
        "motion_modules": with_positions(motion, 128 if base == "musepose" else 32),
        **{part: weights("moore", part) for part in parts},
    }


def in_one_buffer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as views of one large buffer in 16 bits, as MusePose's files hold them."""
    buffer, first, views = torch.zeros(200_000, dtype=torch.float16), 0, {}
    for key, value in state.items():
        view = buffer[first : first + value.numel()].view(value.shape)
        view.copy_(value)
        views[key], first = view, first + value.numel()
    return views


def serve(hub: Hub, preset: Preset, base: str) -> None:
    """Put the files of a preset's parts on the hub, under their names there."""
    state_of = states(base)
    if base == "musepose":
        state_of["pose_guider"] = in_one_buffer(state_of["pose_guider"])
    for name, part in preset.parts.items():
        if part.pull is None or name not in state_of:
            continue
        content = save(state_of[name])
        if not part.pull.file.endswith(".safetensors"):
            stream = io.BytesIO()
            torch.save(state_of[name], stream)
            content = stream.getvalue()
        hub.put(part.pull.repo, part.pull.file, content, part.pull.revision or "1" * 40)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    with hub_server() as hub:
        monkeypatch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        yield hub


def write_inputs(folder: Path, preset: Preset) -> list[str]:
    """Write an image and eight frames of what drives it; return the options."""
    write_png(folder / "image.png", images("in/source", (64, 64, 3)))
    words = ["--image", str(folder / "image.png"), "--out", str(folder / "out.mp4")]
    if preset.condition == "maps":
        with VideoWriter(folder / "maps.mp4", 8, (64, 64)) as writer:
            for frame in images("in/control", (32, 64, 64, 3))[:FRAMES]:
                writer.write(frame)
        return [*words, "--driving", str(folder / "maps.mp4")]
    joints = np.linspace(8, 50, 36).reshape(18, 2)
    poses = [Pose(joints + frame, np.ones(18), (64, 64)) for frame in range(FRAMES)]
    write_pose_file(folder / "driving.json", [[pose] for pose in poses], 8.0)
    write_pose_file(folder / "source.json", [[poses[0]]], 8.0)
    driving = ["--driving", str(folder / "driving.json")]
    return [*words, *driving, "--source-pose", str(folder / "source.json")]


@pytest.mark.long
@pytest.mark.parametrize("base", SYSTEMS)
def test_published_weights_are_pulled_and_animate(
    base: str, tcan: Tcan, hub: Hub, tmp_path: Path
) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(small(base)), encoding="utf-8")
    preset = load_preset(str(path))
    serve(hub, preset, base)

    pulled = tcan("models", "pull", str(path))

    assert pulled.code == 0, pulled.err
    files = {part.pull for part in preset.parts.values() if part.pull is not None}
    assert len(hub.requests) == len(files)  # one raw file is fetched once for two parts
    assert ("NOT FOR COMMERCIAL USE" in pulled.err) == (base == "musepose")
    again = tcan("models", "pull", str(path))
    assert "downloaded" not in again.out and len(hub.requests) == len(files)
    words = write_inputs(tmp_path, preset)
    animated = tcan(
        "animate", *words, "--preset", str(path), "--num-inference-steps", "1", "--json"
    )
    assert animated.code == 0, animated.err
    assert json.loads(animated.out)["frames"] == FRAMES


@pytest.mark.long
def test_sizes_and_licences_come_before_the_download(tcan: Tcan, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(small("musepose")), encoding="utf-8")
    preset = load_preset(str(path))
    serve(hub, preset, "musepose")
    hub.cut_after, hub.down_for = 100, 9  # no transfer is completed

    failed = tcan("models", "pull", str(path))

    assert failed.code == 1
    announced = failed.err.partition("error:")[0]
    line = (
        "denoising_unet: TMElyralab/MusePose/MusePose/denoising_unet.pth, licence: non-commercial"
    )
    assert line in announced
    assert "NOT FOR COMMERCIAL USE: non-commercial research only" in announced
    assert "to download in all: " in announced
    assert not list((tmp_path / "models").glob("*/*.safetensors"))


@pytest.mark.long
def test_tensors_in_one_large_buffer_are_stored_alone(tcan: Tcan, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(small("musepose")), encoding="utf-8")
    serve(hub, load_preset(str(path)), "musepose")

    assert tcan("models", "pull", str(path)).code == 0

    stored = tmp_path / "models" / "small" / "pose_guider.safetensors"
    assert stored.stat().st_size < 20_000
    expected = weights("moore", "pose_guider")
    assert all(torch.equal(value, expected[key].half()) for key, value in load_file(stored).items())
