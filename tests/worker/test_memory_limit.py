"""A worker plans by its device's memory: what fits is chosen, the rest refused with numbers."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cli.plan import read_bytes
from service.contract.errors import ErrorCode
from service.contract.job import Output
from service.contract.params import JobParams
from service.errors import SettingsError
from service.input_limits import InputLimits
from service.settings import RuntimeSettings, load_settings
from tcan_core.errors import ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.planning.budget import run_of
from tcan_core.planning.plan import predict
from tcan_core.planning.table import load_table
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.pairs import render_pair
from tests.tcan_core.tiny_weights import TINY
from tests.worker.paint import count_frames
from worker.animator import TcanAnimator
from worker.failures import AnimationError
from worker.model_info import model_info

FRAMES, MINI = 20, load_preset("mini")


def made(limit_bytes: int, preset: str = "mini") -> TcanAnimator:
    """Return an animator with this memory limit."""
    return TcanAnimator(preset, "cpu", InputLimits(), memory_limit=limit_bytes, detects=False)


def taken(window: int, *, serial: bool) -> int:
    """Return the least memory of `mini`, one window and one frame at a time."""
    options = RuntimeOptions(serial_guidance=serial)
    prediction = predict(run_of(MINI, (64, 64), window, window), options, 1, 1, load_table())
    assert prediction is not None
    return prediction.peak_bytes


@pytest.fixture(scope="module")
def small() -> TcanAnimator:
    """`mini` with room for windows of 16 frames, and for one half of guidance at a time."""
    animator = made(taken(16, serial=True))
    animator.load()
    return animator


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, seed=1_000_000, num_frames=FRAMES, size=64)
    return folder


def test_memory_limit_chooses_options_that_the_fingerprint_shows(small: TcanAnimator) -> None:
    assert small._pipeline is not None and small._pipeline.tcan.serial_guidance
    chosen = RuntimeSettings(serial_guidance=True)
    assert small.describe() == model_info(MINI, None, chosen) != model_info(MINI, None)


def test_ample_memory_keeps_the_options_and_logs_the_numbers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ample = made(2**30)
    with caplog.at_level(logging.INFO, "worker.animator"):
        ample._fit(MINI)
    assert ample._runtime == RuntimeSettings()
    [line] = caplog.messages
    assert line.startswith("mini on cpu: 64x64 with windows of 32 frames takes 0.")
    assert "of 1.00 GiB (denoising 0." in line and "float32; 1 windows" in line


def test_window_batch_beyond_the_measured_one_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wished = RuntimeSettings(window_batch=64)
    ample = TcanAnimator("mini", "cpu", InputLimits(), runtime=wished, memory_limit=2**34)
    with caplog.at_level(logging.WARNING, "worker.animator"):
        ample._fit(MINI)
    assert caplog.messages == ["TCAN_RUNTIME__WINDOW_BATCH is 64, but only 4 fit; using 4"]
    assert ample._runtime.window_batch == 4


def test_model_that_does_not_fit_does_not_start() -> None:
    with pytest.raises(SettingsError) as refused:
        made(20_000_000).load()
    info = str(refused.value)
    assert info.startswith("mini on cpu: 64x64 with windows of 16 frames takes at least 0.")
    assert "the limit is 0.02 GiB" in info and "TCAN_MEMORY_LIMIT" in info


def test_offload_does_not_change_the_fingerprint() -> None:
    """It moves networks and rounds nothing: workers with and without it share their jobs."""
    usual, moved = (model_info(MINI, None, RuntimeSettings(offload=one)) for one in (False, True))
    assert usual == moved


def never() -> bool:
    """Nobody cancels."""
    return False


def test_job_beyond_the_memory_limit_is_rejected_before_it_starts(
    small: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    image, prepared, steps = pair / "source.png", tmp_path / "prepared.zip", list[AnimateProgress]()
    params = JobParams(seed=1, num_inference_steps=1, retarget=False)
    small.prepare(image, pair / "driving_pose.json", prepared, params, steps.append, never)
    done = small.render(image, prepared, tmp_path, params, steps.append, never)
    assert count_frames(done.outputs[Output.RESULT]) == FRAMES
    steps.clear()
    longer = params.model_copy(update={"context_size": 32})
    with pytest.raises(
        AnimationError, match=f"windows of {FRAMES} frames takes at least"
    ) as failed:
        small.render(image, prepared, tmp_path, longer, steps.append, never)
    assert failed.value.code is ErrorCode.OUT_OF_MEMORY and steps == []
    assert "the limit is" in failed.value.detail and "context_size" in failed.value.detail


def test_limit_for_an_unmeasured_preset_is_rejected_with_the_fix() -> None:
    with pytest.raises(ParameterError, match="`tcan plan --measure` measures it"):
        made(2**30, str(TINY)).load()


def test_memory_limit_has_the_format_of_tcan_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, limit_bytes in (("8GiB", 2**33), ("500 MB", 500_000_000), ("1024", 1024)):
        monkeypatch.setenv("TCAN_MEMORY_LIMIT", text)
        assert load_settings().memory_limit == limit_bytes == read_bytes(text)
    for text in ("much", "0", "-1GiB", "8 parsecs"):
        monkeypatch.setenv("TCAN_MEMORY_LIMIT", text)
        with pytest.raises(SettingsError, match="TCAN_MEMORY_LIMIT: "):
            load_settings()
