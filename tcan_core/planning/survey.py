"""Measure all that the planner asks of one architecture at some sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch

from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import Preset
from tcan_core.planning.measure import META, Measured
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
    tell: Callable[[str], None] = lambda told: None,
) -> MemoryTable:
    """Measure every way of the planner's ladder; on the meta device some ten seconds for each.

    Args:
        dtype: of the networks; it is measured in the one that `table` looks it up in.
        sizes: (height, width) of the model's pictures, in pixels.
        window: frames in a window.
        window_batches: windows predicted together.
        tell: called with what was measured.
    """
    sizes = list(sizes)
    denoising: list[DenoisingMemory] = []
    codec: list[CodecMemory] = []
    for entry in _denoising(preset, denoising_dtype(dtype), sizes, window, window_batches, device):
        denoising.append(entry)
        tell(f"{preset.name}: denoising {_called(entry)}")
    for decoding in _codec(preset, codec_dtype(dtype), sizes, device):
        codec.append(decoding)
        tell(f"{preset.name}: codec {_called(decoding)}")
    return MemoryTable(source_of(device), tuple(denoising), tuple(codec))


def source_of(device: str) -> str:
    """How it is measured there, and with what."""
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
    usual = _options(dtype=dtype)
    model = Measured.build(preset, usual, device)
    for size in sizes:
        for count in window_batches:
            yield model.denoising(size, window, count, False)
        yield model.denoising(size, window, 1, True)
    if dtype != "float32":  # 8-bit weights only beside 16-bit arithmetic
        stored = Measured.build(preset, replace(usual, fp8_weights=True), device)
        for size in sizes:
            yield stored.denoising(size, window, 1, True)


def _codec(preset: Preset, dtype: str, sizes: list[Size], device: str) -> Iterator[CodecMemory]:
    for tiled in (False, True):
        model = Measured.build(preset, _options(dtype=dtype, tile_codec=tiled), device)
        for size in sizes:
            for frames in DECODE_BATCHES:
                yield model.codec(size, frames)


def _options(**options: Any) -> RuntimeOptions:
    return RuntimeOptions(**options)


def _called(entry: DenoisingMemory | CodecMemory) -> str:
    height, width = entry.size
    return f"{height}x{width}, {entry.frames} frames, {entry.dtype}"
