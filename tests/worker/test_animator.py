"""The real pipeline behind the runner, a few channels wide and with random weights."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from media.poses.keypoints import Pose
from media.poses.pose_file import read_pose_file
from service.contract.analysis import Analysis
from service.contract.errors import ErrorCode
from service.contract.job import Output
from service.contract.params import JobParams, ResultFormat, Trim
from service.input_limits import InputLimits
from service.settings import RuntimeSettings
from tcan_core.conditioning.detectors import detectors, register_detector
from tcan_core.progress import AnimateProgress, RunState
from tcan_core.puppets.pairs import render_pair
from tests import samples
from tests.tcan_core.tiny_weights import TINY, tiny_preset, write_tiny_weights
from tests.worker.paint import black_video, count_frames
from worker.animation import Rendering
from worker.animator import TcanAnimator
from worker.failures import (
    AnimationCanceledError,
    AnimationError,
    AnimationOutOfMemoryError,
    CheckpointUnusableError,
)
from worker.model_info import model_info
from worker.outputs.checkpoints import model_fingerprint

FRAMES = 5
DETECTOR = "one-known-pose"
PLAIN = JobParams()


class SmallDevice:
    """A device whose memory holds the activations of one decoded frame at a time."""

    def __init__(self, animator: TcanAnimator) -> None:
        assert animator._pipeline is not None
        self.codec = animator._pipeline.tcan.codec
        self.decoded: list[int] = []

    def __enter__(self) -> SmallDevice:
        self.hook = self.codec.vae.decoder.register_forward_pre_hook(self._allocate)
        return self

    def __exit__(self, *raised: object) -> None:
        self.hook.remove()

    def _allocate(self, module: torch.nn.Module, latents: tuple[torch.Tensor, ...]) -> None:
        if len(latents[0]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        self.decoded.append(len(latents[0]))


class OneKnownPose:
    """Finds the same person in every frame that is not black."""

    def __init__(self, pose: Pose) -> None:
        self.pose = pose

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        return [[self.pose] if frame.max() > 40 else [] for frame in frames]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A puppet's image and another one's video."""
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, seed=1_000_000, num_frames=FRAMES, size=32)
    return folder


@pytest.fixture(scope="session")
def animator(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> TcanAnimator:
    """The animator on the tiny preset, with a detector that knows the puppet's pose."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_weights(folder)
    preset = folder / "preset.yaml"
    preset.write_text(TINY.read_text().replace("detector: puppet", f"detector: {DETECTOR}"))
    [[pose]] = read_pose_file(pair / "source_pose.json").frames
    if DETECTOR not in detectors():
        register_detector(DETECTOR, lambda: OneKnownPose(pose))
    made = TcanAnimator(str(preset), "cpu", InputLimits(), folder)
    made.load()
    return made


class Attempt:
    """A job's folder, and the progress reported for it."""

    def __init__(self, animator: TcanAnimator, pair: Path, folder: Path) -> None:
        self.animator, self.pair, self.folder = animator, pair, folder
        self.prepared = folder / "prepared.zip"
        self.steps: list[AnimateProgress] = []
        self.states: list[RunState] = []
        self.stop_at: str | None = None
        self.stop_behind = 0

    def prepare(
        self,
        driving: Path | None = None,
        params: JobParams = PLAIN,
        image: Path | None = None,
        image_pose: Path | None = None,
    ) -> list[str]:
        return self.animator.prepare(
            image or self.pair / "source.png",
            driving or self.pair / "driving.mp4",
            self.prepared,
            params,
            self.steps.append,
            self.canceled,
            image_pose=image_pose,
        )

    def preview(self, params: JobParams = PLAIN, image: Path | None = None) -> Rendering:
        driving = self.pair / "driving.mp4"
        return self.animator.preview(
            driving, self.folder, params, self.steps.append, self.canceled, image=image
        )

    def render(
        self,
        kind: ResultFormat = ResultFormat.MP4,
        resume: Path | None = None,
        low_memory: bool = False,
    ) -> Rendering:
        image = self.pair / "source.png"
        params = JobParams(seed=1, num_inference_steps=2, format=kind)
        return self.animator.render(
            image,
            self.prepared,
            self.folder,
            params,
            self.note,
            self.canceled,
            resume=resume,
            low_memory=low_memory,
            watermark=7,
        )

    def note(self, step: AnimateProgress) -> None:
        self.steps.append(step)
        if step.state is not None:
            self.states.append(step.state())

    def canceled(self) -> bool:
        info = [step.step for step in self.steps if step.stage == self.stop_at]
        return max(info, default=-1) >= self.stop_behind


@pytest.fixture
def attempt(animator: TcanAnimator, pair: Path, tmp_path: Path) -> Attempt:
    return Attempt(animator, pair, tmp_path)


def test_a_preset_that_takes_maps_renders_the_video_without_a_detector(
    animator: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    folder = Path(animator.preset).parent
    preset = folder / "maps.yaml"
    preset.write_text(
        TINY.read_text().replace("detector: puppet", "detector: none\ncondition: maps")
    )
    made = TcanAnimator(str(preset), "cpu", InputLimits(), folder)
    made.load()
    attempt = Attempt(made, pair, tmp_path)

    assert attempt.prepare(params=JobParams(seed=1)) == []

    outputs = attempt.render().outputs
    assert count_frames(outputs[Output.RESULT]) == FRAMES
    assert Output.KEYPOINTS not in outputs
    with pytest.raises(AnimationError, match="person cannot be used with a preset that takes"):
        attempt.prepare(params=JobParams(seed=1, person=0))
    attempt.prepare(params=JobParams(seed=1, ptm_tau=0))
    with pytest.raises(AnimationError, match="ptm_tau is 3.0; it must be 0") as failed:
        attempt.prepare(params=JobParams(seed=1, ptm_tau=3))
    assert failed.value.code is ErrorCode.INVALID_PARAMETER and made.describe().ptm_tau == 0


def test_window_beyond_the_positions_ends_the_job_before_rendering(
    animator: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    folder = Path(animator.preset).parent
    preset = folder / "short.yaml"
    preset.write_text(f"""
extends: {animator.preset}
name: short
description: four positions
sampling: {{context_size: 3, context_overlap: 1}}
parts: {{motion_modules: {{config: {{motion_max_seq_length: 4}}}}}}
""")
    made = TcanAnimator(str(preset), "cpu", InputLimits(), folder, renders=False)
    made.load()
    attempt = Attempt(made, pair, tmp_path)

    attempt.prepare()

    assert (made.describe().context_size, made.describe().context_overlap) == (3, 1)
    with pytest.raises(AnimationError, match="context_size is 5; the motion modules") as failed:
        attempt.prepare(params=JobParams(seed=1, context_size=5))
    assert failed.value.code is ErrorCode.INVALID_PARAMETER


def test_a_job_is_prepared_and_rendered(attempt: Attempt) -> None:
    assert attempt.prepare() == []
    rendering = attempt.render()
    assert count_frames(rendering.outputs[Output.RESULT]) == FRAMES
    assert count_frames(rendering.outputs[Output.POSE]) == FRAMES
    assert len(read_pose_file(rendering.outputs[Output.KEYPOINTS]).frames) == FRAMES
    with Image.open(rendering.outputs[Output.POSTER]) as poster:
        assert poster.size == (32, 32)
    report = json.loads(json.dumps(rendering.report))
    assert (report["frames"], report["seed"]) == (FRAMES, 1)
    assert rendering.no_watermark_reason.startswith("32x32 is too small for")
    assert set(rendering.seconds) == {"prepare", "encode", "denoise", "decode"}


def test_result_has_the_requested_format(attempt: Attempt) -> None:
    attempt.prepare()
    moving = attempt.render(ResultFormat.WEBM).outputs[Output.RESULT]
    assert (moving.suffix, count_frames(moving)) == (".webm", FRAMES)
    pictures = attempt.render(ResultFormat.ZIP).outputs[Output.RESULT]
    with zipfile.ZipFile(pictures) as archive:
        assert archive.namelist()[-1] == f"{FRAMES - 1:05d}.png"


def test_preview_writes_a_pose_video_and_a_pose_file(attempt: Attempt) -> None:
    rendering = attempt.preview()
    assert count_frames(rendering.outputs[Output.POSE]) == FRAMES
    keypoints = rendering.outputs[Output.KEYPOINTS]
    assert len(read_pose_file(keypoints).frames) == FRAMES
    assert attempt.prepare(keypoints) == []
    assert {step.stage for step in attempt.steps} == {"prepare"}


def test_preview_shows_how_the_poses_fit_the_image(attempt: Attempt) -> None:
    params = JobParams(retarget=False, trim=Trim(end_s=0.2))
    rendering = attempt.preview(params, attempt.pair / "source.png")
    analysis = Analysis.model_validate_json(rendering.outputs[Output.ANALYSIS].read_text())
    assert rendering.review is not None
    assert analysis.frames == rendering.review.frames == rendering.report["frames"] == 3
    assert count_frames(rendering.outputs[Output.FIT]) == 3
    assert rendering.outputs[Output.POSTER].name == "poster.png"
    assert analysis.outside == [] and analysis.warnings == rendering.warnings
    image_pose = rendering.outputs[Output.IMAGE_KEYPOINTS]
    assert attempt.prepare(image_pose=image_pose) == []


def test_review_has_the_frames_of_the_result(attempt: Attempt) -> None:
    attempt.prepare(params=JobParams(trim=Trim(end_s=0.2)))
    for kind in (ResultFormat.MP4, ResultFormat.ZIP):
        rendering = attempt.render(kind)
        assert rendering.review is not None
        assert rendering.review.frames == rendering.report["frames"] == 3
        assert set(rendering.review.cells) == {"source", "driver", "skeleton", "result"}
        assert count_frames(rendering.outputs[Output.REVIEW]) == 3


def test_preview_and_prepare_use_the_part_and_the_person(attempt: Attempt) -> None:
    part = JobParams(trim=Trim(end_s=0.01))
    assert attempt.preview(part).report["frames"] == 1
    attempt.prepare(params=part)
    with zipfile.ZipFile(attempt.prepared) as archive:
        assert len(json.loads(archive.read("prepared.json"))["poses"]) == 1
    with pytest.raises(AnimationError, match="trim starts at 60 s, but driving.mp4 ends") as late:
        attempt.prepare(params=JobParams(trim=Trim(start_s=60)))
    assert late.value.code is ErrorCode.INVALID_PARAMETER
    with pytest.raises(AnimationError, match="person is 1"):
        attempt.preview(JobParams(person=1))


def test_the_model_is_described_with_its_weights(animator: TcanAnimator) -> None:
    model = animator.describe()
    assert {"vae", "denoising_unet", "motion_modules"} <= set(model.weights)
    assert all(len(digest) == 64 for digest in model.weights.values())
    assert {"tcan", "torch", "diffusers", "python"} <= set(model.versions)
    assert model.num_inference_steps > 0
    assert (model.stand_ins, model.zero_shot) == ({}, False)


def test_model_without_tcan_weights_is_described_as_such(tmp_path: Path) -> None:
    write_tiny_weights(tmp_path)
    preset = tiny_preset()
    absent = {"lora": "leave_out", "reference_unet": "denoising_unet"}
    for name in absent:
        (tmp_path / f"{name}.safetensors").unlink()
    lent = {name: replace(preset.parts[name], absent=what) for name, what in absent.items()}

    model = model_info(replace(preset, parts=preset.parts | lent), tmp_path)

    assert model.zero_shot
    assert model.stand_ins == {"lora": "nothing", "reference_unet": "denoising_unet"}
    assert "lora" not in model.weights


def test_runtime_options_change_the_fingerprint(animator: TcanAnimator) -> None:
    """A checkpoint of one is none of the other's."""
    usual = animator.describe()
    preset, folder = animator._pipeline.preset, animator.weights  # type: ignore[union-attr]
    same = model_info(preset, folder, RuntimeSettings())
    halved = model_info(preset, folder, RuntimeSettings(dtype="bfloat16"))
    assert model_fingerprint(same) == model_fingerprint(usual) != model_fingerprint(halved)
    assert halved.versions["runtime.dtype"] == "bfloat16"


def test_job_runs_with_the_configured_options(
    pair: Path, animator: TcanAnimator, tmp_path: Path
) -> None:
    runtime = RuntimeSettings(dtype="bfloat16", serial_guidance=True, offload=True, window_batch=2)
    made = TcanAnimator(animator.preset, "cpu", InputLimits(), animator.weights, runtime)
    made.load()
    attempt = Attempt(made, pair, tmp_path)
    attempt.prepare()
    assert count_frames(attempt.render().outputs[Output.RESULT]) == FRAMES


def test_every_stage_reports_progress(attempt: Attempt) -> None:
    attempt.prepare()
    attempt.render()
    stages = list(dict.fromkeys(step.stage for step in attempt.steps))
    assert stages == ["prepare", "encode", "denoise", "decode"]
    assert all(0 <= step.fraction <= 1 for step in attempt.steps)


def test_video_without_a_person_has_its_error_code(attempt: Attempt, tmp_path: Path) -> None:
    with pytest.raises(AnimationError, match="no person was found in any of the 3") as failed:
        attempt.prepare(black_video(tmp_path / "black.mp4"))
    assert failed.value.code is ErrorCode.NO_PERSON


def test_image_pose_replaces_the_detector(attempt: Attempt, tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    Image.new("RGB", (32, 32)).save(black)
    with pytest.raises(AnimationError, match="no person was found in the image; give its pose"):
        attempt.prepare(image=black)
    pose = attempt.pair / "source_pose.json"
    assert attempt.prepare(image=black, image_pose=pose) == []
    other = tmp_path / "image_pose.json"
    other.write_bytes(samples.poses(1))
    with pytest.raises(AnimationError, match=r"image_pose.json: the canvas is 64x64; the image is"):
        attempt.prepare(image_pose=other)


def test_broken_video_has_its_error_code(attempt: Attempt, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    with pytest.raises(AnimationError) as failed:
        attempt.prepare(tmp_path / "text.mp4")
    assert failed.value.code is ErrorCode.INVALID_MEDIA


def test_a_cancel_stops_the_rendering(attempt: Attempt) -> None:
    attempt.prepare()
    attempt.stop_at = "denoise"
    with pytest.raises(AnimationCanceledError):
        attempt.render()
    assert not (attempt.folder / "result.mp4").exists()


def test_render_resumes_from_a_saved_state(attempt: Attempt, tmp_path: Path) -> None:
    attempt.prepare()
    whole = attempt.render().outputs[Output.RESULT].read_bytes()
    assert len(attempt.states) == 2
    attempt.states[0].save(tmp_path / "state")
    attempt.steps.clear()
    rest = attempt.render(resume=tmp_path / "state").outputs[Output.RESULT].read_bytes()
    assert {step.step for step in attempt.steps if step.stage == "denoise"} == {2}
    assert rest == whole


def black_png(png: bytes) -> bytes:
    """Return a black image of the same size."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        Image.new("RGB", image.size).save(stream, "PNG")
    return stream.getvalue()


def test_drawn_pose_maps_are_stored_and_read_by_a_resumed_render(
    attempt: Attempt, tmp_path: Path
) -> None:
    attempt.prepare()
    with zipfile.ZipFile(attempt.prepared) as archive:
        assert sorted(archive.namelist())[:FRAMES] == [f"{i:05d}.png" for i in range(FRAMES)]
        members = {name: archive.read(name) for name in archive.namelist()}
    whole = attempt.render().outputs[Output.RESULT].read_bytes()
    attempt.states[0].save(tmp_path / "state")

    rest = attempt.render(resume=tmp_path / "state").outputs[Output.RESULT].read_bytes()
    with zipfile.ZipFile(attempt.prepared, "w") as archive:  # as if drawn otherwise
        for name, content in members.items():
            archive.writestr(name, black_png(content) if name.endswith(".png") else content)
    other = attempt.render(resume=tmp_path / "state").outputs[Output.RESULT].read_bytes()

    assert rest == whole and other != whole


def test_image_without_a_person_is_prepared_without_retargeting(
    attempt: Attempt, tmp_path: Path
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    with pytest.raises(AnimationError, match="no person was found in the image"):
        attempt.prepare(image=tmp_path / "black.png")
    assert attempt.prepare(params=JobParams(retarget=False), image=tmp_path / "black.png") == []


def test_cancel_is_noticed_while_a_file_is_decoded(attempt: Attempt, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    attempt.stop_at = "prepare"
    with pytest.raises(AnimationCanceledError):
        attempt.prepare(image=tmp_path / "black.png")  # contains no person
    attempt.stop_at = None
    attempt.prepare()
    attempt.stop_at = "prepare"
    with pytest.raises(AnimationCanceledError):
        attempt.render()
    assert not any(step.stage == "encode" for step in attempt.steps)


def test_cancel_is_noticed_while_pose_maps_are_drawn(attempt: Attempt) -> None:
    attempt.stop_at, attempt.stop_behind = "prepare", 1
    driving = attempt.pair / "driving_pose.json"  # nothing is detected in it
    with pytest.raises(AnimationCanceledError):
        attempt.prepare(driving)
    assert not attempt.prepared.exists()


def test_invalid_state_file_has_its_error(attempt: Attempt, tmp_path: Path) -> None:
    attempt.prepare()
    (tmp_path / "state").write_bytes(b"{}")
    with pytest.raises(CheckpointUnusableError, match="state"):
        attempt.render(resume=tmp_path / "state")


def test_out_of_memory_is_raised_and_low_memory_helps(attempt: Attempt) -> None:
    attempt.prepare()
    with SmallDevice(attempt.animator) as device:
        with pytest.raises(AnimationOutOfMemoryError):
            attempt.render()
        assert device.decoded == []
        rendering = attempt.render(low_memory=True)
        assert device.decoded == FRAMES * [1]
    assert count_frames(rendering.outputs[Output.RESULT]) == FRAMES
