"""An animator without a model: it writes real mp4 files, to test the rest of the worker."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from service.contract.errors import ErrorCode
from service.contract.job import Output
from service.contract.params import JobParams
from service.contract.workers import DeviceMemory, ModelInfo
from tcan_core.progress import AnimateProgress, Picture, ProgressCallback
from tests import samples
from worker.animation import Rendering
from worker.failures import (
    AnimationCanceledError,
    AnimationError,
    AnimationOutOfMemoryError,
    CheckpointUnusableError,
)
from worker.memory import process_memory


@dataclass(frozen=True)
class PaintState:
    """The state after a painted step."""

    step: int

    def save(self, file: Path) -> None:
        file.write_text(json.dumps({"step": self.step}))

    @classmethod
    def load(cls, file: Path) -> PaintState:
        try:
            return cls(**json.loads(file.read_text()))
        except ValueError as error:
            raise CheckpointUnusableError(str(error)) from error


@dataclass
class PaintAnimator:
    """Paints as many frames as the driving video has, in the number of steps of the parameters.

    An entirely black driving video shows no person.

    Attributes:
        step_s: duration of a step.
        on_step: called before each step with its number.
        on_prepare: called while the job is prepared.
        picture: makes the images of previews.
        needs_low_memory: run out of memory unless asked to use less.
        weights_sha256: digest of its weights.
        done: numbers of the painted steps.
        poison_steps: a job with this many steps kills this process.
    """

    step_s: float = 0.0
    on_step: Callable[[int], None] = lambda step: None
    on_prepare: Callable[[int], None] = lambda step: None
    picture: Picture = lambda: None
    loaded: int = 0
    rendered: list[int] = field(default_factory=list)
    needs_low_memory: bool = False
    weights_sha256: str = "0" * 64
    done: list[int] = field(default_factory=list)
    poison_steps: int = 0

    def load(self) -> None:
        self.loaded += 1

    def memory(self) -> DeviceMemory:
        return process_memory()

    def describe(self) -> ModelInfo:
        return ModelInfo(
            preset="paint",
            description="paints",
            resolution=samples.SIDE,
            num_inference_steps=5,
            guidance_scale=1.0,
            weights={"brush": self.weights_sha256},
            versions={"paint": "1"},
        )

    def preview(
        self,
        driving: Path | None,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image: Path | None = None,
        image_pose: Path | None = None,
    ) -> Rendering:
        assert driving is not None
        prepared = folder / "prepared.json"
        warnings = self.prepare(driving, driving, prepared, params, report, is_canceled)
        frames = json.loads(prepared.read_text())["frames"]
        (folder / "keypoints.json").write_bytes(samples.poses(frames))
        outputs = {
            Output.POSE: samples.write_video(folder / "pose.mp4", frames=frames),
            Output.KEYPOINTS: folder / "keypoints.json",
        }
        return Rendering(outputs, report={"frames": frames}, warnings=warnings)

    def prepare(
        self,
        image: Path,
        driving: Path,
        prepared: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image_pose: Path | None = None,
    ) -> list[str]:
        report(AnimateProgress("prepare", 0, 1, fraction=0.0))
        self.on_prepare(0)
        with av.open(str(driving)) as container:
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        if all(int(frame.max()) < 40 for frame in frames):
            raise AnimationError(ErrorCode.NO_PERSON, f"no person in {len(frames)} frames")
        prepared.write_text(json.dumps({"frames": len(frames)}))
        return ["painted, not animated"]

    def render(
        self,
        image: Path,
        prepared: Path,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        resume: Path | None = None,
        low_memory: bool = False,
        watermark: int | None = None,
    ) -> Rendering:
        if not low_memory and self.needs_low_memory:
            raise AnimationOutOfMemoryError
        steps = params.num_inference_steps or 5
        if steps == self.poison_steps:
            os.kill(os.getpid(), signal.SIGKILL)
        for step in range(0 if resume is None else PaintState.load(resume).step, steps):
            self.on_step(step)
            if is_canceled():
                raise AnimationCanceledError
            report(
                AnimateProgress("denoise", step, steps, fraction=step / steps, picture=self.picture)
            )
            time.sleep(self.step_s)
            self.done.append(step + 1)
            state = partial(PaintState, step + 1)
            report(
                AnimateProgress(
                    "denoise",
                    step + 1,
                    steps,
                    fraction=(step + 1) / steps,
                    picture=self.picture,
                    state=state,
                )
            )
        frames = json.loads(prepared.read_text())["frames"]
        result = samples.write_video(folder / "result.mp4", frames=frames)
        self.rendered.append(params.seed or 0)
        return Rendering({Output.RESULT: result}, {"denoise": 0.5}, {"frames": frames})


def black_video(file: Path, frames: int = 3) -> Path:
    """Write a black video, without a person."""
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = samples.SIDE
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            picture = np.zeros((samples.SIDE, samples.SIDE, 3), dtype=np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file


def count_frames(file: Path) -> int:
    """Count the frames that can be decoded."""
    with av.open(str(file)) as container:
        return sum(1 for _ in container.decode(video=0))
