"""Measure the planner's table: memory of the denoising networks and of the codec.

    python docs/benchmarks/model/memory_table.py [--preset NAME ...] [--device cuda] [--out FILE]

On the device "meta" tensors are counted that have no contents: any machine measures any model, in
a minute, but without what kernels take for themselves. On "cuda" the allocator is asked, and the
table goes to a file of its own.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tcan_core.models.presets import load_preset
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.memory.measure import META, Measured
from tcan_core.pipelines.memory.plan import DECODE_BATCHES, WINDOW_BATCHES
from tcan_core.pipelines.memory.table import TABLE, CodecMemory, DenoisingMemory, MemoryTable

WINDOW = 16
SIZES = {"sd15": [(512, 512), (768, 512), (912, 512)], "mini": [(64, 64), (120, 64)]}
DTYPES = {"sd15": ("bfloat16",), "mini": ("float32",)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", nargs="*", default=list(SIZES))
    parser.add_argument("--device", default=META)
    parser.add_argument("--out", type=Path, default=TABLE)
    asked = parser.parse_args()
    denoising: list[DenoisingMemory] = []
    codec: list[CodecMemory] = []
    for name, dtype in [(one, kind) for one in asked.preset for kind in DTYPES[one]]:
        preset, usual = load_preset(name), RuntimeOptions(dtype=dtype)
        model = Measured.build(preset, usual, asked.device)
        for size in SIZES[name]:
            denoising += [model.denoising(size, WINDOW, count, False) for count in WINDOW_BATCHES]
            denoising.append(model.denoising(size, WINDOW, 1, True))
            codec += [model.codec(size, frames) for frames in DECODE_BATCHES]
            print(f"{name}, {dtype}, {size[0]}x{size[1]}", flush=True)
        if dtype != "float32":  # 8-bit weights only beside 16-bit arithmetic
            stored = Measured.build(preset, replace(usual, fp8_weights=True), asked.device)
            denoising += [stored.denoising(size, WINDOW, 1, True) for size in SIZES[name]]
    how = (
        "tensors counted on the meta device, without kernels' own memory"
        if asked.device == META
        else f"torch's allocator on {torch.cuda.get_device_name()}"
    )
    source = f"{how}; torch {torch.__version__}"
    MemoryTable(source, tuple(denoising), tuple(codec)).save(asked.out)


if __name__ == "__main__":
    main()
