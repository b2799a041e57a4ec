"""The planner picks the fastest way that fits, from what was measured, or says what is missing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tcan_core.errors import ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.memory.plan import Plan, Run, plan, predict
from tcan_core.pipelines.memory.table import load_table

TABLE = load_table()
RUN = Run("sd15", (512, 512), num_frames=160, window=16, latent=(4, 8))
HALF = RuntimeOptions(dtype="bfloat16")
GIB = 2**30


def planned(gib: float, run: Run = RUN) -> Plan:
    return plan(run, int(gib * GIB), HALF, TABLE)


def switches(options: RuntimeOptions) -> tuple[bool, bool, bool]:
    """What the planner may add."""
    return options.serial_guidance, options.offload, options.fp8_weights


def test_less_memory_is_met_step_by_step() -> None:
    found = [planned(24)]
    while True:
        try:
            found.append(plan(RUN, found[-1].peak_bytes - 1, HALF, TABLE))
        except ParameterError as refused:
            told = str(refused)
            break
    ways = [(way.window_batch, *switches(way.options)) for way in found]
    assert ways[0] == (4, False, False, False) and ways[-1] == (1, True, True, True)
    assert (1, True, False, False) in ways
    assert all(after.peak_bytes < before.peak_bytes for before, after in pairwise(found))
    assert f"{found[-1].peak_bytes / GIB:.2f} GiB" in told and "the limit is" in told


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(ParameterError, match=r"at least \d+\.\d\d GiB .*the limit is 1\.00 GiB"):
        planned(1)


def test_a_size_is_looked_up_in_one_that_is_not_smaller() -> None:
    between = Run("sd15", (576, 512), num_frames=16, window=16, latent=(4, 8))
    found, square = planned(80, between), planned(80)
    assert found.measured_size == (768, 512) and square.measured_size == (512, 512)
    assert found.peak_bytes > square.peak_bytes


@pytest.mark.parametrize(
    "run",
    [
        Run("sd15", (512, 4096), num_frames=16, window=16, latent=(4, 8)),
        Run("sd15", (512, 512), num_frames=16, window=24, latent=(4, 8)),
        Run("nobody", (512, 512), num_frames=16, window=16, latent=(4, 8)),
    ],
    ids=["size", "window", "preset"],
)
def test_nothing_is_guessed_that_was_not_measured(run: Run) -> None:
    with pytest.raises(ParameterError, match="no memory was measured"):
        planned(1000, run)


def test_the_length_is_met_by_the_host_alone() -> None:
    long = Run("sd15", (512, 512), num_frames=1600, window=16, latent=(4, 8))
    assert planned(24, long).peak_bytes == planned(24).peak_bytes
    assert planned(24, long).latents_bytes == 10 * planned(24).latents_bytes
    assert planned(24).latents_bytes == 160 * 4 * 64 * 64 * 4


def test_offload_keeps_one_stages_networks_on_the_device() -> None:
    together = predict(RUN, HALF, 1, 1, TABLE)
    apart = predict(RUN, RuntimeOptions(dtype="bfloat16", offload=True), 1, 1, TABLE)
    assert together is not None and apart is not None
    [codec] = {entry.weights_bytes for entry in TABLE.codec if entry.preset == "sd15"
               and entry.dtype == "bfloat16"}  # fmt: skip
    assert together.denoise_bytes - apart.denoise_bytes == codec
    assert together.codec_bytes - apart.codec_bytes > 5e9


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "table.json")
    assert load_table(tmp_path / "table.json") == TABLE
    assert "meta device" in TABLE.source
