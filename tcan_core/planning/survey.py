"""Measure all that the planner needs for one architecture at some sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch

from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import Preset
from tcan_core.planning.measure import META, MeasuredModel
from tcan_core.planning.plan import DECODE_BATCHES, WINDOW_BATCHES
from tcan_core.planning.table import (
    CodecMemory,
    DenoisingMemory,
    MemoryTable,
    Size,
    codec_dtype,
    denoising_dtype,
)


def survey(
    preset: Preset,
    dtype: str,
    sizes: Iterable[Size],
    window: int,
    *,
    window_batches: Iterable[int] = WINDOW_BATCHES,
    device: str = META,
    report: Callable[[str], None] = lambda line: None,
) -> MemoryTable:
    """Measure all options that the planner may choose; each takes about ten seconds on "meta".

    Args:
        dtype: type of the networks; measured in the type under which `table` looks it up.
        sizes: (height, width) of the model's images, in pixels.
        window: frames in a window.
        window_batches: windows predicted together.
        report: called with a line of text after each measurement.
    """
    sizes = list(sizes)
    denoising: list[DenoisingMemory] = []
    codec: list[CodecMemory] = []
    for entry in _denoising(preset, denoising_dtype(dtype), sizes, window, window_batches, device):
        denoising.append(entry)
        report(f"{preset.name}: denoising {_describe(entry)}")
    for decoding in _codec(preset, codec_dtype(dtype), sizes, device):
        codec.append(decoding)
        report(f"{preset.name}: codec {_describe(decoding)}")
    return MemoryTable(source_of(device), tuple(denoising), tuple(codec))


def source_of(device: str) -> str:
    """Describe how memory is measured on a device."""
    how = (
        "tensors counted on the meta device, without kernels' own memory"
        if device == META
        else f"torch's allocator on {torch.cuda.get_device_name()}"
    )
    return f"{how}; torch {torch.__version__}"


def _denoising(
    preset: Preset,
    dtype: str,
    sizes: list[Size],
    window: int,
    window_batches: Iterable[int],
    device: str,
) -> Iterator[DenoisingMemory]:
    options = _options(dtype=dtype)
    model = MeasuredModel.build(preset, options, device)
    for size in sizes:
        for count in window_batches:
            yield model.denoising(size, window, count, False)
        yield model.denoising(size, window, 1, True)
    if dtype != "float32":  # 8-bit weights are used with 16-bit arithmetic only
        stored = MeasuredModel.build(preset, replace(options, fp8_weights=True), device)
        for size in sizes:
            yield stored.denoising(size, window, 1, True)


def _codec(preset: Preset, dtype: str, sizes: list[Size], device: str) -> Iterator[CodecMemory]:
    for tiled in (False, True):
        model = MeasuredModel.build(preset, _options(dtype=dtype, tile_codec=tiled), device)
        for size in sizes:
            for frames in DECODE_BATCHES:
                yield model.codec(size, frames)


def _options(**options: Any) -> RuntimeOptions:
    return RuntimeOptions(**options)


def _describe(entry: DenoisingMemory | CodecMemory) -> str:
    height, width = entry.size
    return f"{height}x{width}, {entry.frames} frames, {entry.dtype}"
