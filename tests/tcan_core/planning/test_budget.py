"""The memory budget chooses how a model runs, and rejects jobs that do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcan_core.errors import MemoryLimitError, ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimateSettings
from tcan_core.planning.budget import Budget, choices_on, run_of
from tcan_core.planning.plan import Choices, plan, predict
from tcan_core.planning.table import load_table
from tests.tcan_core.tiny_weights import tiny_preset

TABLE = load_table()
SD15 = load_preset("sd15")
FULL, HALF = RuntimeOptions(), RuntimeOptions(dtype="bfloat16")
SQUARE, TALL = (512, 512), (1024, 512)


def budget(limit_bytes: int, *, on_host: bool = False) -> Budget:
    return Budget(SD15, TABLE, limit_bytes, on_host)


def required(options: RuntimeOptions, window: int, windows: int = 1, decode_batch: int = 1) -> int:
    """Return the peak memory of square images with exactly these options."""
    memory = predict(run_of(SD15, SQUARE, window, window), options, windows, decode_batch, TABLE)
    assert memory is not None
    return memory.peak_bytes


def test_requested_options_are_kept_if_they_fit() -> None:
    for windows in (1, 2, 4):
        plan = budget(10**12).plan(HALF, windows)
        assert (plan.options, plan.window_batch, plan.window) == (HALF, windows, 32)
    assert budget(10**12).plan(HALF, 3).window_batch == 3


def test_window_batch_is_limited_to_measured_ones() -> None:
    assert budget(10**12).plan(HALF, 64).window_batch == 4
    requested = AnimateSettings(window_batch=64)
    assert budget(10**12).fit_job(requested, HALF, SQUARE, 40).window_batch == 4


def test_serial_guidance_and_offload_are_added_before_windows_are_shortened() -> None:
    serial = replace(HALF, serial_guidance=True)
    offloaded = replace(serial, offload=True)
    plans = [
        budget(limit_bytes).plan(HALF, 1)
        for limit_bytes in (
            required(HALF, 32) - 1,
            required(serial, 32) - 1,
            required(serial, 16),
            required(serial, 16) - 1,
        )
    ]
    assert [plan.options for plan in plans] == [serial, offloaded, serial, offloaded]
    assert [plan.window for plan in plans] == [32, 32, 16, 16]


def test_window_batch_is_reduced_before_guidance_becomes_serial() -> None:
    for windows, fewer in ((4, 2), (2, 1)):
        plan = budget(required(HALF, 32, windows) - 1).plan(HALF, 4)
        assert (plan.options, plan.window_batch, plan.window) == (HALF, fewer, 32)


def test_error_for_a_model_that_cannot_fit_names_options_that_could() -> None:
    with pytest.raises(MemoryLimitError) as error:
        budget(8 * 2**30).plan(FULL, 1)
    message = str(error.value)
    assert "512x512 with windows of 16 frames takes at least" in message
    assert "float32, serial_guidance, offload" in message and "the limit is 8.00 GiB" in message
    assert "; with bfloat16" in message.rpartition("the limit")[2]
    with pytest.raises(MemoryLimitError, match="limit is 5.00 GiB; with .*fp8_weights it takes"):
        budget(5 * 2**30).plan(HALF, 1)
    with pytest.raises(MemoryLimitError, match=r"limit is 1.00 GiB$"):
        budget(2**30).plan(HALF, 1)


def test_offload_is_not_chosen_on_the_host() -> None:
    serial = replace(HALF, serial_guidance=True)
    for options in (HALF, replace(HALF, offload=True)):
        plan = budget(required(serial, 16), on_host=True).plan(options, 1)
        assert plan.options == serial
        with pytest.raises(MemoryLimitError):
            budget(required(serial, 16) - 1, on_host=True).plan(options, 1)
    assert "offload" not in choices_on("cpu").switches
    assert choices_on("cuda") == Choices()


def test_unmeasured_model_is_rejected_and_its_jobs_are_unchanged() -> None:
    unmeasured = replace(budget(10**12), preset=tiny_preset())
    assert not unmeasured.has_measurements(FULL) and budget(1).has_measurements(FULL)
    with pytest.raises(ParameterError, match="no memory was measured for tiny"):
        unmeasured.plan(FULL, 1)
    settings = AnimateSettings()
    assert unmeasured.fit_job(settings, FULL, SQUARE, 40) is settings


def test_host_has_no_budget_without_a_limit() -> None:
    assert Budget.for_device(SD15, "cpu") is None
    limited = Budget.for_device(SD15, "cpu", 2**30)
    assert limited is not None and (limited.limit_bytes, limited.on_host) == (2**30, True)


def test_job_gets_as_many_windows_and_frames_at_a_time_as_fit() -> None:
    requested = AnimateSettings(window_batch=4)
    assert budget(10**12).fit_job(requested, HALF, SQUARE, 40) == requested
    fewer = budget(required(HALF, 16)).fit_job(requested, HALF, SQUARE, 40)
    assert (fewer.window_batch, fewer.decode_batch) == (1, 4)
    assert replace(requested, window_batch=1, decode_batch=4) == fewer


def test_job_that_does_not_fit_is_rejected_with_a_hint() -> None:
    small = budget(max(required(HALF, 16), required(replace(HALF, serial_guidance=True), 32)))
    with pytest.raises(MemoryLimitError, match="windows of 32 frames .* smaller context_size"):
        small.fit_job(AnimateSettings(context_size=32), HALF, SQUARE, 40)
    with pytest.raises(MemoryLimitError, match="1024x512 .* closer to a square"):
        small.fit_job(AnimateSettings(), HALF, TALL, 40)
    # A short video has short windows; one prediction takes less than two.
    assert small.fit_job(AnimateSettings(context_size=32), HALF, SQUARE, 10)
    assert small.fit_job(AnimateSettings(context_size=32, guidance_scale=1), HALF, SQUARE, 40)


def test_every_job_size_of_the_service_is_measured_for_sd15() -> None:
    for picture in (SQUARE, TALL, (2048, 512), (512, 2048)):
        for window in (16, 32):
            assert plan(run_of(SD15, picture, 40, window), 10**12, FULL, TABLE).window == window
