"""Measure the planner's table: memory of the denoising networks and of the codec.

    python docs/benchmarks/model/memory_table.py [--preset NAME ...] [--dtype TYPE ...] [--add]
                                                 [--device cuda] [--out FILE]

On the device "meta" tensors are counted that have no contents: any machine measures any model, ten
seconds for each entry, but without what kernels take for themselves. On "cuda" the allocator is
asked, and the table goes to a file of its own. `--add` keeps what the file holds of other cases.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tcan_core.models.weights.presets import load_preset
from tcan_core.planning.measure import META
from tcan_core.planning.plan import WINDOW_BATCHES
from tcan_core.planning.survey import source_of, survey
from tcan_core.planning.table import TABLE, MemoryTable, Size, load_table

WINDOW, LONG = 16, 32
SQUARE, PHOTO, WIDE, STRIP = (512, 512), (768, 512), (912, 512), (1536, 512)
NARROWEST = (2048, 512)  # that the service takes: see `InputLimits.max_image_aspect`
SMALL, SMALL_NARROWEST = [(64, 64), (120, 64), (192, 64)], (256, 64)


class Survey(NamedTuple):
    """What is measured; sizes count by their pixels, so that 768x512 is 512x768 too."""

    preset: str
    dtype: str
    sizes: list[Size]
    window_batches: tuple[int, ...] = WINDOW_BATCHES
    window: int = WINDOW


SURVEYS = (
    Survey("sd15", "bfloat16", [SQUARE, PHOTO, WIDE]),
    Survey("sd15", "bfloat16", [STRIP, NARROWEST], (1,)),
    Survey("sd15", "bfloat16", [SQUARE, PHOTO, WIDE], window=LONG),
    Survey("sd15", "bfloat16", [STRIP, NARROWEST], (1,), LONG),
    Survey("sd15", "float32", [SQUARE, PHOTO]),  # the others follow; see `widened`
    Survey("sd15-official", "bfloat16", [WIDE], (1,)),
    Survey("sd15-official", "bfloat16", [WIDE], (1,), LONG),
    Survey("mini", "float32", [*SMALL, SMALL_NARROWEST]),
    Survey("mini", "float32", [*SMALL, SMALL_NARROWEST], window=LONG),
)


def main() -> None:
    """Measure and write; after each survey, so that none is lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", nargs="*", default=sorted({one.preset for one in SURVEYS}))
    parser.add_argument("--dtype", nargs="*", default=sorted({one.dtype for one in SURVEYS}))
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--device", default=META)
    parser.add_argument("--out", type=Path, default=TABLE)
    asked = parser.parse_args()
    kept = load_table(asked.out) if asked.add and asked.out.exists() else None
    table = kept or MemoryTable(source_of(asked.device), (), ())
    for one in SURVEYS:
        if one.preset in asked.preset and one.dtype in asked.dtype:
            found = survey(
                load_preset(one.preset),
                one.dtype,
                one.sizes,
                one.window,
                window_batches=one.window_batches,
                device=asked.device,
                report=lambda line: print(line, flush=True),
            )
            table = table.merge(found)
            table.save(asked.out)


if __name__ == "__main__":
    main()
