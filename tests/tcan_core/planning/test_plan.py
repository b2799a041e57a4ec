"""The planner picks the fastest options that fit, from measured memory, or raises an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest

from tcan_core.errors import ConfigError, ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.planning.architecture import Architecture, architecture_of
from tcan_core.planning.measure import MeasuredModel
from tcan_core.planning.plan import Plan, Run, plan, predict
from tcan_core.planning.table import (
    CodecMemory,
    DenoisingMemory,
    Entry,
    codec_dtype,
    denoising_dtype,
    load_table,
    widened,
)
from tests.tcan_core.tiny_weights import tiny_preset

TABLE = load_table()
SD15 = architecture_of(load_preset("sd15"))
RUN = Run("sd15", SD15, (512, 512), num_frames=160, window=16, latent=(4, 8))
HALF = RuntimeOptions(dtype="bfloat16")
GIB = 2**30


def planned(gib: float, run: Run = RUN) -> Plan:
    return plan(run, int(gib * GIB), HALF, TABLE)


def switches(options: RuntimeOptions) -> tuple[bool, bool, bool]:
    """Return the options that the planner may add."""
    return options.serial_guidance, options.offload, options.fp8_weights


def test_less_memory_adds_options_step_by_step() -> None:
    plans = [planned(24)]
    while True:
        try:
            plans.append(plan(RUN, plans[-1].peak_bytes - 1, HALF, TABLE))
        except ParameterError as error:
            message = str(error)
            break
    chosen = [(plan.window_batch, *switches(plan.options)) for plan in plans]
    assert chosen[0] == (4, False, False, False) and chosen[-1] == (1, True, True, True)
    assert (1, True, False, False) in chosen
    assert all(after.peak_bytes < before.peak_bytes for before, after in pairwise(plans))
    assert f"{plans[-1].peak_bytes / GIB:.2f} GiB" in message and "the limit is" in message


def test_error_names_least_memory_and_the_limit() -> None:
    with pytest.raises(ParameterError, match=r"at least \d+\.\d\d GiB .*the limit is 1\.00 GiB"):
        planned(1)


def test_lookup_uses_the_next_larger_measured_size() -> None:
    between = Run("sd15", SD15, (576, 512), num_frames=16, window=16, latent=(4, 8))
    found, square = planned(80, between), planned(80)
    assert found.measured_size == (768, 512) and square.measured_size == (512, 512)
    assert found.peak_bytes > square.peak_bytes


@pytest.mark.parametrize(
    "run",
    [
        Run("sd15", SD15, (512, 40960), num_frames=16, window=16, latent=(4, 8)),
        Run("sd15", SD15, (512, 512), num_frames=48, window=48, latent=(4, 8)),
        Run(
            "other",
            Architecture("not", "measured"),
            (512, 512),
            num_frames=16,
            window=16,
            latent=(4, 8),
        ),
    ],
    ids=["size", "window", "preset"],
)
def test_unmeasured_run_is_rejected(run: Run) -> None:
    with pytest.raises(ParameterError, match="no memory was measured"):
        planned(1000, run)


def test_architecture_depends_on_network_sizes_only(tmp_path: Path) -> None:
    """Other weights, a LoRA and another name give the same digests; other sizes do not."""
    mine, wider = tmp_path / "mine.yaml", tmp_path / "wider.yaml"
    mine.write_text(
        "extends: sd15\nname: mine\nparts: {denoising_unet: {source: elsewhere}}\n"
        "loras: {style: {weight: 0.5}}\nsampling: {num_inference_steps: 5}\n"
    )
    wider.write_text(
        "extends: sd15\nname: wider\nparts: {vae: {config: {layers_per_block: 3}},"
        " controlnet: {config: {layers_per_block: 3}}}\n"
    )
    assert architecture_of(load_preset(str(mine))) == SD15
    own = architecture_of(load_preset(str(wider)))
    assert own.denoising != SD15.denoising and own.codec != SD15.codec


@pytest.mark.parametrize("name", ["sd15", "sd15-official"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("tiled", [False, True])
def test_full_size_is_measured_in_every_type(
    name: str, dtype: Literal["float32", "float16", "bfloat16"], tiled: bool
) -> None:
    preset, options = load_preset(name), RuntimeOptions(dtype=dtype, tile_codec=tiled)
    for size in [(512, 512), (512, 912), (768, 512)]:
        run = Run(name, architecture_of(preset), size, 16, 16, (4, 8))
        assert plan(run, 10**12, options, TABLE).peak_bytes > 0


def in_both(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Return pairs of the upper bound from bfloat16 and the measurement in float32."""
    empty: dict[str, Any] = {"dtype": "float32", "weights_bytes": 0, "peak_bytes": 0}
    wide = {str(replace(each, **empty)): each for each in entries if each.dtype == "float32"}
    narrow = [each for each in entries if each.dtype == "bfloat16"]
    return [
        (widened(each), wide[case])
        for each in narrow
        if (case := str(replace(each, **empty))) in wide
    ]


def test_scaled_bfloat16_entry_bounds_the_float32_measurement() -> None:
    """Checked for all entries that were measured in both types."""
    denoising, codec = in_both(TABLE.denoising), in_both(TABLE.codec)
    pairs: list[tuple[DenoisingMemory | CodecMemory, DenoisingMemory | CodecMemory]] = []
    pairs += denoising
    pairs += codec
    assert len(pairs) >= 5
    for bound, measured in pairs:
        assert measured.weights_bytes <= bound.weights_bytes < 1.01 * measured.weights_bytes
        assert measured.peak_bytes <= bound.peak_bytes < 1.11 * measured.peak_bytes


@pytest.mark.long
def test_float16_takes_the_same_memory_as_bfloat16() -> None:
    """float16 is looked up under bfloat16, its codec under float32."""
    size, preset = (32, 32), tiny_preset()
    float16, bfloat16, float32 = (
        MeasuredModel.build(preset, options)
        for options in (
            RuntimeOptions(dtype="float16"),
            RuntimeOptions(dtype="bfloat16"),
            RuntimeOptions(dtype="float32"),
        )
    )
    found, same = (model.denoising(size, 4, 2, False) for model in (float16, bfloat16))
    assert replace(found, dtype=denoising_dtype("float16")) == same
    assert float16.codec(size, 2) == float32.codec(size, 2)
    assert float16.codec(size, 2).dtype == codec_dtype("float16") == "float32"


def test_tiled_codec_and_fp8_weights_reduce_memory() -> None:
    tall = Run("sd15", SD15, (912, 512), num_frames=16, window=16, latent=(4, 8))
    whole = predict(tall, replace(HALF, offload=True, serial_guidance=True), 1, 1, TABLE)
    assert whole is not None
    codec_bytes = whole.codec_bytes
    tiled = predict(tall, replace(whole.options, tile_codec=True), 1, 1, TABLE)
    assert tiled is not None and tiled.codec_bytes < 0.7 * codec_bytes
    stored = predict(tall, replace(tiled.options, fp8_weights=True), 1, 1, TABLE)
    assert stored is not None and stored.denoise_bytes < tiled.denoise_bytes


def test_lookup_uses_the_next_longer_measured_window() -> None:
    short = replace(RUN, window=8)
    assert planned(24, short).denoise_bytes == planned(24).denoise_bytes


def test_video_length_changes_host_memory_only() -> None:
    long = Run("sd15", SD15, (512, 512), num_frames=1600, window=16, latent=(4, 8))
    assert planned(24, long).peak_bytes == planned(24).peak_bytes
    assert planned(24, long).latents_bytes == 10 * planned(24).latents_bytes
    assert planned(24).latents_bytes == 160 * 4 * 64 * 64 * 4


def test_offload_keeps_only_one_stages_networks_on_the_device() -> None:
    together = predict(RUN, HALF, 1, 1, TABLE)
    apart = predict(RUN, RuntimeOptions(dtype="bfloat16", offload=True), 1, 1, TABLE)
    assert together is not None and apart is not None
    [codec] = {entry.weights_bytes for entry in TABLE.codec
               if (entry.architecture, entry.dtype) == (SD15.codec, "bfloat16")}  # fmt: skip
    assert together.denoise_bytes - apart.denoise_bytes == codec
    assert together.codec_bytes - apart.codec_bytes > 5e9


def test_table_is_saved_and_loaded(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "table.json")
    assert load_table(tmp_path / "table.json") == TABLE
    assert len(TABLE.merge(TABLE).denoising) == len(TABLE.denoising)
    (tmp_path / "table.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a table of memory"):
        load_table(tmp_path / "table.json")
    assert "meta device" in TABLE.source
