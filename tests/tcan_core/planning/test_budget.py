"""How a loaded model runs is chosen by the memory there is; a job that does not fit is told so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcan_core.errors import MemoryLimitError, ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimateSettings
from tcan_core.planning.budget import Budget, freedom_on, run_of
from tcan_core.planning.plan import Freedom, plan, predict
from tcan_core.planning.table import load_table
from tests.tcan_core.tiny_weights import tiny_preset

TABLE = load_table()
SD15 = load_preset("sd15")
FULL, HALF = RuntimeOptions(), RuntimeOptions(dtype="bfloat16")
SQUARE, TALL = (512, 512), (1024, 512)


def budget(limit_bytes: int, *, on_host: bool = False) -> Budget:
    return Budget(SD15, TABLE, limit_bytes, on_host)


def taken(options: RuntimeOptions, window: int, windows: int = 1, decode_batch: int = 1) -> int:
    """What square pictures take with these very options."""
    found = predict(run_of(SD15, SQUARE, window, window), options, windows, decode_batch, TABLE)
    assert found is not None
    return found.peak_bytes


def test_where_there_is_room_the_model_runs_as_it_is_wished() -> None:
    for windows in (1, 2, 4):
        found = budget(10**12).plan(HALF, windows)
        assert (found.options, found.window_batch, found.window) == (HALF, windows, 32)
    assert budget(10**12).plan(HALF, 3).window_batch == 3


def test_more_windows_than_are_measured_are_as_many_as_are() -> None:
    assert budget(10**12).plan(HALF, 64).window_batch == 4
    wished = AnimateSettings(window_batch=64)
    assert budget(10**12).fit_job(wished, HALF, SQUARE, 40).window_batch == 4


def test_less_room_costs_time_first_and_then_the_longest_windows() -> None:
    serial = replace(HALF, serial_guidance=True)
    offloaded = replace(serial, offload=True)
    found = [
        budget(limit_bytes).plan(HALF, 1)
        for limit_bytes in (
            taken(HALF, 32) - 1,
            taken(serial, 32) - 1,
            taken(serial, 16),
            taken(serial, 16) - 1,
        )
    ]
    assert [one.options for one in found] == [serial, offloaded, serial, offloaded]
    assert [one.window for one in found] == [32, 32, 16, 16]


def test_fewer_windows_are_predicted_together_before_guidance_is_serial() -> None:
    for windows, fewer in ((4, 2), (2, 1)):
        found = budget(taken(HALF, 32, windows) - 1).plan(HALF, 4)
        assert (found.options, found.window_batch, found.window) == (HALF, fewer, 32)


def test_what_cannot_fit_is_refused_with_what_could() -> None:
    with pytest.raises(MemoryLimitError) as refused:
        budget(8 * 2**30).plan(FULL, 1)
    told = str(refused.value)
    assert "512x512 with windows of 16 frames takes at least" in told
    assert "float32, serial_guidance, offload" in told and "the limit is 8.00 GiB" in told
    assert "; with bfloat16" in told.rpartition("the limit")[2]
    with pytest.raises(MemoryLimitError, match="limit is 5.00 GiB; with .*fp8_weights it takes"):
        budget(5 * 2**30).plan(HALF, 1)
    with pytest.raises(MemoryLimitError, match=r"limit is 1.00 GiB$"):
        budget(2**30).plan(HALF, 1)


def test_offload_wins_nothing_on_the_host() -> None:
    serial = replace(HALF, serial_guidance=True)
    for options in (HALF, replace(HALF, offload=True)):
        found = budget(taken(serial, 16), on_host=True).plan(options, 1)
        assert found.options == serial
        with pytest.raises(MemoryLimitError):
            budget(taken(serial, 16) - 1, on_host=True).plan(options, 1)
    assert "offload" not in freedom_on("cpu").switches
    assert freedom_on("cuda") == Freedom()


def test_what_was_not_measured_is_not_guessed() -> None:
    unknown = replace(budget(10**12), preset=tiny_preset())
    assert not unknown.knows(FULL) and budget(1).knows(FULL)
    with pytest.raises(ParameterError, match="no memory was measured for tiny"):
        unknown.plan(FULL, 1)
    settings = AnimateSettings()
    assert unknown.fit_job(settings, FULL, SQUARE, 40) is settings


def test_the_host_has_no_bound_but_one_that_is_given() -> None:
    assert Budget.of(SD15, "cpu") is None
    given = Budget.of(SD15, "cpu", 2**30)
    assert given is not None and (given.limit_bytes, given.on_host) == (2**30, True)


def test_a_job_takes_as_many_windows_and_frames_at_a_time_as_fit() -> None:
    wished = AnimateSettings(window_batch=4)
    assert budget(10**12).fit_job(wished, HALF, SQUARE, 40) == wished
    fewer = budget(taken(HALF, 16)).fit_job(wished, HALF, SQUARE, 40)
    assert (fewer.window_batch, fewer.decode_batch) == (1, 4)
    assert replace(wished, window_batch=1, decode_batch=4) == fewer


def test_a_job_that_does_not_fit_is_refused_with_the_numbers() -> None:
    small = budget(max(taken(HALF, 16), taken(replace(HALF, serial_guidance=True), 32)))
    with pytest.raises(MemoryLimitError, match="windows of 32 frames .* smaller context_size"):
        small.fit_job(AnimateSettings(context_size=32), HALF, SQUARE, 40)
    with pytest.raises(MemoryLimitError, match="1024x512 .* closer to a square"):
        small.fit_job(AnimateSettings(), HALF, TALL, 40)
    # A short video has short windows, and one half of guidance takes less than two.
    assert small.fit_job(AnimateSettings(context_size=32), HALF, SQUARE, 10)
    assert small.fit_job(AnimateSettings(context_size=32, guidance_scale=1), HALF, SQUARE, 40)


def test_every_job_that_the_service_takes_of_sd15_is_known() -> None:
    for picture in (SQUARE, TALL, (2048, 512), (512, 2048)):
        for window in (16, 32):
            assert plan(run_of(SD15, picture, 40, window), 10**12, FULL, TABLE).window == window
