"""`moore` at full size: files of the published names and shapes are pulled and animate."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save
from torch import Tensor

from media.image import write_png
from media.poses.pose_file import write_pose_file
from media.video_reader import read_video
from tcan_core.models.weights.builders import (
    build_codec,
    build_denoising_unet,
    build_image_encoder,
    build_pose_guider,
    build_reference_unet,
)
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene
from tests.cli.conftest import Tcan
from tests.tcan_core.golden.family import weights, with_positions
from tests.tcan_core.hub_server import Hub, hub_server

FRAMES, SIDE = 8, 256
# Sides of motion modules' weights, by those of the small networks.
PUBLISHED = {32: 320, 64: 640, 96: 1280, 128: 1280, 256: 2560, 384: 5120, 512: 5120, 768: 10240}
LARGEST_TENSOR, LARGEST_NORM = 2560 * 1280 * 3 * 3, 2560
Shapes = dict[str, tuple[int, ...]]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that goes with the test, since the converted weights take 5 GB."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setenv("TCAN_MODELS", str(Path(name) / "models"))
        yield Path(name)


def published_shapes(preset: Preset) -> dict[str, Shapes]:
    """Return the names and shapes in the published files, by part."""
    with torch.device("meta"):
        networks = {
            "denoising_unet": build_denoising_unet(preset),
            "reference_unet": build_reference_unet(preset),
            "pose_guider": build_pose_guider(preset),
            "image_encoder": build_image_encoder(preset),
            "vae": build_codec(preset).vae,
        }
        motion = {
            name: torch.empty([PUBLISHED[side] for side in value.shape])
            for name, value in weights("moore", "unet").items()
            if ".motion_modules." in name
        }
    states = {part: network.state_dict() for part, network in networks.items()}
    states["motion_modules"] = with_positions(motion, 32)
    for name in ("conv_norm_out.weight", "conv_norm_out.bias", "conv_out.weight", "conv_out.bias"):
        del states["reference_unet"][name]
    return {
        part: {name.removeprefix("clip."): tuple(value.shape) for name, value in state.items()}
        for part, state in states.items()
    }


def file_of(shapes: Shapes, name: str, numbers: Tensor) -> bytes:
    """Return a file whose tensors are views of the same numbers, a hundredth of its real size.

    Weights of norms are ones, so that signals keep their size.
    """
    ones = torch.ones(LARGEST_NORM, dtype=numbers.dtype)
    state: dict[str, Tensor] = {}
    for key, shape in shapes.items():
        is_norm = len(shape) == 1 and key.endswith("weight")
        state[key] = (ones if is_norm else numbers)[: prod(shape)].view(shape)
    if name.endswith(".safetensors"):
        return save({key: value.clone() for key, value in state.items()})
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def write_preset(path: Path) -> Preset:
    """Write a preset that pulls the files of `moore` whatever their digests are."""
    parts: dict[str, object] = {"preview_decoder": None}
    for name, part in load_preset("moore").parts.items():
        if part.pull is not None and name != "preview_decoder":
            pull = {key: value for key, value in asdict(part.pull).items() if value}
            parts[name] = {"pull": {**pull, "sha256": None, "size_bytes": None}}
    about = {"name": "full", "description": "moore without digests", "detector": "puppet"}
    content = {"extends": "moore", **about, "resolution": SIDE, "parts": parts}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_preset(str(path))


def serve(hub: Hub, preset: Preset) -> None:
    """Put the files on the hub; in 32 bits they would have the sizes that `moore` announces."""
    generator = torch.Generator().manual_seed(0)
    numbers = (0.02 * torch.randn(LARGEST_TENSOR, generator=generator)).half()
    announced = load_preset("moore").parts
    for part, shapes in published_shapes(preset).items():
        pull, expected = preset.parts[part].pull, announced[part].pull
        assert pull is not None and expected is not None
        if expected.size_bytes is not None:
            num_bytes = 4 * sum(prod(shape) for shape in shapes.values())
            assert num_bytes == pytest.approx(expected.size_bytes, rel=0.01), part
        content = file_of(shapes, pull.file, numbers)
        hub.put(pull.repo, pull.file, content, pull.revision or "1" * 40)


def write_inputs(folder: Path) -> list[str]:
    """Write an image and the poses that drive it; return the options."""
    scene = sample_scene(FIRST_TEST_SEED, FRAMES, SIDE)
    write_png(folder / "image.png", scene.source.draw(scene.source_pose)[0])
    write_pose_file(folder / "source.json", [[scene.source_pose]], 8.0)
    poses = scene.driving.poses(scene.motion)
    write_pose_file(folder / "driving.json", [[pose] for pose in poses], 8.0)
    words = ["--image", "image.png", "--source-pose", "source.json", "--driving", "driving.json"]
    return [word if word.startswith("--") else str(folder / word) for word in words]


@pytest.mark.slow
def test_moore_is_pulled_and_animates_at_full_size(tcan: Tcan, folder: Path) -> None:
    """It takes 18 GB of memory, 6 GB of disk and two minutes on two cores."""
    path, out = folder / "preset.yaml", folder / "out.mp4"
    preset = write_preset(path)
    with pytest.MonkeyPatch.context() as patch, hub_server() as hub:
        patch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        serve(hub, preset)
        pulled = tcan("models", "pull", str(path))
        assert pulled.code == 0, pulled.err
        assert len(hub.requests) == len(hub.files) == 6
    animated = tcan(
        "animate",
        *write_inputs(folder),
        *("--preset", str(path), "--out", str(out), "--num-inference-steps", "1"),
        *("--dtype", "bfloat16", "--any-subject", "--seed", "1", "--json"),
    )
    assert animated.code == 0, animated.err
    assert json.loads(animated.out)["frames"] == FRAMES
    frames = np.stack(list(read_video(out)))
    assert frames.shape == (FRAMES, SIDE, SIDE, 3)
    assert (frames[0] != frames[-1]).any()
