"""Networks like Moore-AnimateAnyone's run with TCAN's own means; their memory is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.poses.keypoints import Pose
from tcan_core.errors import ConfigError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.loading import load_appearance
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.planning.measure import MeasuredModel
from tcan_core.progress import AnimateProgress, RunState
from tcan_core.sampling.state import DenoiseState
from tests.tcan_core.golden.animate_anyone import imported_preset
from tests.tcan_core.golden.family import images

pytestmark = pytest.mark.long
FAST = AnimateSettings(seed=1, num_inference_steps=2, context_size=4, context_overlap=2)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preset]:
    with imported_preset("moore", tmp_path_factory.mktemp("moore"), 32) as preset:
        yield preset


@pytest.fixture(scope="module")
def pipeline(preset: Preset) -> AnimatePipeline:
    return AnimatePipeline.from_preset(str(Path(preset.folder) / "preset.yaml"))


def poses(count: int) -> list[Pose]:
    joints = np.linspace(8, 56, 36).reshape(18, 2)
    return [Pose(joints + frame, np.ones(18), (64, 64)) for frame in range(count)]


def animate(pipeline: AnimatePipeline, **changes: Any) -> Any:
    image = images("in/source", (64, 64, 3))
    settings = replace(FAST, **changes)
    frames = pipeline.frames(image, poses(6), poses(1)[0], settings)
    return np.stack(list(frames)).astype(int)


@pytest.mark.parametrize(
    "change",
    [
        {"ptm_tau": 0.0},
        {"fusion": "pyramid"},
        {"noise": "freenoise"},
        {"scheduler": "dpm++2m"},
        {"cache_interval": 2},
        {"guidance_scale": 1.0},
    ],
    ids=str,
)
def test_tcans_own_means_change_the_result(
    pipeline: AnimatePipeline, change: dict[str, Any]
) -> None:
    default = {"ptm_tau": 100.0}

    plain, changed = animate(pipeline, **default), animate(pipeline, **(default | change))

    assert plain.shape == (6, 64, 64, 3)
    assert not np.array_equal(plain, changed)


def test_options_change_rounding_only(preset: Preset, pipeline: AnimatePipeline) -> None:
    plain = animate(pipeline)

    together = animate(pipeline, window_batch=3)
    options = RuntimeOptions(serial_guidance=True, channels_last=True)
    path = str(Path(preset.folder) / "preset.yaml")
    in_turn = animate(AnimatePipeline.from_preset(path, options=options))

    assert np.abs(together - plain).max() <= 2 and np.abs(in_turn - plain).max() <= 2


def test_a_checkpoint_resumes_to_the_same_frames(pipeline: AnimatePipeline, tmp_path: Path) -> None:
    states: list[RunState] = []

    def note(progress: AnimateProgress) -> None:
        if progress.state is not None:
            states.append(progress.state())

    image, source = images("in/source", (64, 64, 3)), poses(1)[0]
    whole = list(pipeline.frames(image, poses(6), source, FAST, note))
    states[0].save(tmp_path / "state")
    resume = DenoiseState.load(tmp_path / "state")

    resumed = list(pipeline.frames(image, poses(6), source, FAST, resume=resume))

    assert resume.step == 1
    assert np.array_equal(np.stack(whole), np.stack(resumed))


def test_memory_is_counted_without_weights(preset: Preset) -> None:
    model = MeasuredModel.build(preset, RuntimeOptions())

    one = model.denoising((64, 64), 4, 1, serial_guidance=False)
    in_turn = model.denoising((64, 64), 4, 1, serial_guidance=True)

    assert one.weights_bytes == in_turn.weights_bytes > 0
    assert 0 < in_turn.peak_bytes < one.peak_bytes


def test_training_asks_for_a_controlnet(preset: Preset) -> None:
    with pytest.raises(ConfigError, match="preset small has no ControlNet, which training needs"):
        load_appearance(preset)


def test_motion_modules_cannot_be_left_out(preset: Preset) -> None:
    path = str(Path(preset.folder) / "preset.yaml")
    with pytest.raises(ConfigError, match="was trained with motion modules; keep them"):
        AnimatePipeline.from_preset(path, motion=False)
