"""A render that resumes from a checkpoint writes the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcan_core.errors import CanceledError, CheckpointError
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import PreparedInput, prepare, render
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tcan_core.sampling.state import DenoiseState

FRAMES = 20


@pytest.fixture(scope="module")
def mini() -> AnimatePipeline:
    return AnimatePipeline.from_preset("mini")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedInput:
    folder = tmp_path_factory.mktemp("puppets")
    render_pair(folder, seed=FIRST_TEST_SEED + 600, num_frames=FRAMES, size=64)
    return prepare(folder / "source.png", folder / "driving_pose.json")


class Checkpoints:
    """Saves each step's state to a file, and cancels after some step."""

    def __init__(self, folder: Path, stop_after: int = 10**6) -> None:
        self.folder, self.stop_after = folder, stop_after
        self.done: list[int] = []

    def __call__(self, now: AnimateProgress) -> None:
        if now.state is not None:
            self.done.append(now.step)
            now.state().save(self.folder / f"{now.step}.safetensors")

    def is_canceled(self) -> bool:
        return len(self.done) >= self.stop_after


@pytest.mark.parametrize(
    "scheduler",
    [
        pytest.param("ddim", marks=pytest.mark.long),
        pytest.param("dpm++2m", marks=pytest.mark.long),
        "EulerAncestralDiscreteScheduler",
    ],
)
def test_resumed_render_writes_the_same_bytes(
    mini: AnimatePipeline, prepared: PreparedInput, tmp_path: Path, scheduler: str
) -> None:
    settings = AnimateSettings(seed=4, num_inference_steps=3, scheduler=scheduler)
    whole, cut, rest = (tmp_path / name for name in ("whole.mp4", "cut.mp4", "rest.mp4"))
    render(mini, prepared, whole, settings)
    first = Checkpoints(tmp_path, stop_after=2)
    with pytest.raises(CanceledError, match="step 3 of 3"):
        render(mini, prepared, cut, settings, progress=first, is_canceled=first.is_canceled)
    assert not cut.exists()

    second = Checkpoints(tmp_path)
    state = DenoiseState.load(tmp_path / "2.safetensors")
    render(mini, prepared, rest, settings, progress=second, resume=state)

    assert rest.read_bytes() == whole.read_bytes()
    assert (first.done, second.done) == ([1, 2], [3])


@pytest.mark.long
def test_checkpoint_of_the_last_step_skips_denoising(
    mini: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    settings = AnimateSettings(seed=4, num_inference_steps=2)
    render(mini, prepared, tmp_path / "whole.mp4", settings, progress=Checkpoints(tmp_path))
    stages: list[str] = []
    render(
        mini,
        prepared,
        tmp_path / "rest.mp4",
        settings,
        progress=lambda now: stages.append(now.stage),
        resume=DenoiseState.load(tmp_path / "2.safetensors"),
    )
    assert (tmp_path / "rest.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert set(stages) == {"encode", "decode"}


@pytest.mark.long
def test_render_with_cached_features_resumes_after_every_interval(
    mini: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    settings = AnimateSettings(seed=4, num_inference_steps=3, cache_interval=2)
    whole, rest = tmp_path / "whole.mp4", tmp_path / "rest.mp4"
    checkpoints = Checkpoints(tmp_path)
    render(mini, prepared, whole, settings, progress=checkpoints)
    assert checkpoints.done == [2, 3]

    state = DenoiseState.load(tmp_path / "2.safetensors")
    render(mini, prepared, rest, settings, resume=state)
    assert rest.read_bytes() == whole.read_bytes()


@pytest.mark.long
def test_checkpoint_of_other_settings_is_rejected(
    mini: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    two, three = (AnimateSettings(num_inference_steps=steps) for steps in (2, 3))
    render(mini, prepared, tmp_path / "out.mp4", two, progress=Checkpoints(tmp_path))
    state = DenoiseState.load(tmp_path / "1.safetensors")
    with pytest.raises(CheckpointError, match="with 2 timesteps"):
        render(mini, prepared, tmp_path / "out.mp4", three, resume=state)


def test_cancel_stops_between_decoded_frames(
    mini: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    reports: list[AnimateProgress] = []
    settings = AnimateSettings(num_inference_steps=1, decode_batch=4)
    with pytest.raises(CanceledError, match="frame 9 of 20"):
        render(
            mini,
            prepared,
            tmp_path / "out.mp4",
            settings,
            progress=reports.append,
            is_canceled=lambda: [now.step for now in reports if now.stage == "decode"] == [4, 8],
        )
