"""The ComfyUI nodes in this environment: conversions, inputs, and a run on the whole service."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from integrations.comfyui import NODE_CLASS_MAPPINGS
from integrations.comfyui.host import SavedFile
from integrations.comfyui.media import png, pose_file, read_video, video_source
from integrations.comfyui.nodes import TcanAnimate, TcanPoses, connect, driving, params
from media.video_reader import read_video as read_frames
from tcan_client import Client, JobState, ProblemError
from tests import samples
from tests.cli.conftest import Up
from tests.service.web import web_server

SIDE = samples.SIDE
EXAMPLE = "integrations/comfyui/example_workflows/animate.json"


class CanceledError(Exception):
    """The user has canceled the run."""


@dataclass
class Recorder:
    """A host that records what a node shows, and cancels after some looks."""

    folder: Path
    cancel_after: int | None = None
    shown: list[float] = field(default_factory=list)

    def report(self, fraction: float) -> None:
        self.shown.append(fraction)
        if self.cancel_after is not None and len(self.shown) > self.cancel_after:
            raise CanceledError

    def new_file(self, prefix: str, suffix: str) -> SavedFile:
        return SavedFile(self.folder / f"{prefix}{suffix}", {"filename": f"{prefix}{suffix}"})


@dataclass
class FileVideo:
    """A video as ComfyUI's nodes give it."""

    source: str | io.BytesIO

    def get_stream_source(self) -> str | io.BytesIO:
        return self.source


def picture() -> torch.Tensor:
    """Return the sample image as an IMAGE."""
    pixels = np.asarray(Image.open(io.BytesIO(samples.png())))
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)[None]


def inputs(**chosen: Any) -> dict[str, Any]:
    """Return the inputs of TcanAnimate with their defaults."""
    required = TcanAnimate.INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in required.items() if name != "image"}
    return {**defaults, **chosen}


def test_every_level_survives_the_conversion_to_png() -> None:
    levels = torch.arange(256).reshape(16, 16, 1).expand(16, 16, 3)
    decoded = np.asarray(Image.open(io.BytesIO(png(levels[None].float() / 255.0))))
    assert np.array_equal(decoded, levels.numpy())


def test_several_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="image has 2 pictures; connect one"):
        png(torch.zeros(2, 4, 4, 3))


def test_poses_become_a_pose_file() -> None:
    frames = json.loads(samples.poses(2))
    assert json.loads(pose_file(frames, 12.0)) == {"fps": 12.0, "frames": frames}
    assert json.loads(pose_file(frames[0])) == frames[:1]
    assert json.loads(pose_file({"canvas_width": np.float32(64)})) == [{"canvas_width": 64.0}]


def test_video_is_sent_from_its_file_or_its_content() -> None:
    content = io.BytesIO(b"video")
    assert video_source(FileVideo("/videos/dance.mp4")) == Path("/videos/dance.mp4")
    assert video_source(FileVideo(content)) is content


def test_decoded_frames_equal_those_of_the_file(tmp_path: Path) -> None:
    file = samples.write_video(tmp_path / "a.mp4", frames=3)
    video = read_video(file)
    assert video.fps == 10.0
    assert np.array_equal(
        (video.frames * 255).round().byte().numpy(), np.stack([*read_frames(file)])
    )


@pytest.mark.parametrize("connected", [{}, {"driving_video": 1, "driving_poses": []}])
def test_one_driving_input_is_required(connected: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="connect either driving_video or driving_poses"):
        driving(inputs(**connected))


def test_parameters_left_to_the_preset_are_absent() -> None:
    assert params(inputs()) == {"seed": 0, "retarget": True, "format": "mp4"}
    chosen = inputs(steps=4, guidance_scale=1.0, person=0, more_params='{"ptm_tau": 2, "seed": 9}')
    assert params(chosen) == {
        "seed": 0,
        "retarget": True,
        "format": "mp4",
        "num_inference_steps": 4,
        "guidance_scale": 1.0,
        "person": 0,
        "ptm_tau": 2,
    }


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_invalid_parameters_are_named(text: str) -> None:
    with pytest.raises(ValueError, match="more_params"):
        params(inputs(more_params=text))


def test_key_is_not_sent_to_a_url_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as web:
        web.page("/usage", b"{}", 401)
        monkeypatch.setenv("TCAN_URL", web.url)
        monkeypatch.setenv("TCAN_API_KEY", "secret")
        for url in ("", web.url):
            with connect(url) as client, pytest.raises(ProblemError):
                client.usage()
    assert web.keys == ["Bearer secret", None]


def test_example_graph_fits_the_nodes(repository: Path) -> None:
    graph = json.loads((repository / EXAMPLE).read_text("utf-8"))
    [node] = [node for node in graph.values() if node["class_type"] in NODE_CLASS_MAPPINGS]
    spec = NODE_CLASS_MAPPINGS[node["class_type"]].INPUT_TYPES()
    assert spec["required"].keys() <= node["inputs"].keys()
    assert node["inputs"].keys() <= {**spec["required"], **spec["optional"]}.keys()


@pytest.mark.e2e
@pytest.mark.long
def test_nodes_animate_and_detect_poses_on_the_service(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_URL", up.url)
    host = Recorder(tmp_path)
    video = FileVideo(str(samples.write_video(tmp_path / "dance.mp4", frames=6)))
    poses, skeletons, fps = TcanPoses().detect(video, -1, "", host=host)
    assert (len(poses), tuple(skeletons.shape), fps) == (6, (6, SIDE, SIDE, 3), 10.0)
    chosen = inputs(seed=3, filename_prefix="tcan")
    made = TcanAnimate().animate(host, image=picture(), driving_video=video, **chosen)
    frames, _, path = made["result"]
    assert tuple(frames.shape) == (6, SIDE, SIDE, 3)
    assert made["ui"]["images"] == [{"filename": "tcan.mp4"}]
    with Client() as client:
        [job] = [job for job in client.jobs() if job.kind == "animate"]
        client.download(job.id, tmp_path / "own.mp4")
    assert job.params.seed == 3
    assert Path(path).read_bytes() == (tmp_path / "own.mp4").read_bytes()
    assert host.shown.count(1.0) == 2


@pytest.mark.e2e
@pytest.mark.long
def test_cancel_of_the_run_cancels_the_job(up: Up, tmp_path: Path) -> None:
    host = Recorder(tmp_path, cancel_after=1)
    chosen = inputs(steps=200, service_url=up.url)
    video = FileVideo(io.BytesIO(samples.video(tmp_path)))
    with pytest.raises(CanceledError):
        TcanAnimate().animate(host, image=picture(), driving_video=video, **chosen)
    with Client(up.url) as client:
        newest = client.jobs(1)[0]
        assert client.wait(newest.id).status is JobState.CANCELED
