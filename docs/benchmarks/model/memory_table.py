"""Measure the planner's table: memory of the denoising networks and of the codec.

    python docs/benchmarks/model/memory_table.py [--preset NAME ...] [--dtype TYPE ...] [--add]
                                                 [--device cuda] [--out FILE]

On the device "meta", tensors without contents are counted: any machine can measure any model, in
ten seconds per entry, but without the kernels' own memory. On "cuda", the allocator is measured;
write that table to another file. `--add` keeps entries of other cases in the file.
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
MOORE, MUSEPOSE = 24, 48  # windows of these presets
LONGEST_LCM, LONGEST_MAGIC = 64, 24  # the longest that these presets take
SQUARE, PHOTO, WIDE, STRIP = (512, 512), (768, 512), (912, 512), (1536, 512)
LARGE_SQUARE, LARGE_PHOTO, LARGE_WIDE = (768, 768), (1152, 768), (1368, 768)
NARROWEST = (
    2048,
    512,
)  # narrowest of the service: see `InputLimits.max_image_aspect`
SMALL, SMALL_NARROWEST = [(64, 64), (120, 64), (192, 64)], (256, 64)


class Survey(NamedTuple):
    """Sizes to measure; only the number of pixels matters, so that 768x512 covers 512x768."""

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
    Survey("sd15", "float32", [SQUARE, PHOTO]),  # other sizes are derived; see `widened`
    Survey("sd15-official", "bfloat16", [WIDE], (1,)),
    Survey("sd15-official", "bfloat16", [WIDE], (1,), LONG),
    Survey("moore", "bfloat16", [SQUARE, WIDE], window=MOORE),
    Survey("moore", "bfloat16", [SQUARE, WIDE], (1,), LONG),
    Survey("novita", "bfloat16", [SQUARE, WIDE], (1,), MOORE),
    Survey("musepose", "bfloat16", [LARGE_SQUARE, LARGE_PHOTO, LARGE_WIDE], (1,), MUSEPOSE),
    Survey("magicanimate", "bfloat16", [SQUARE]),
    Survey("magicanimate", "bfloat16", [PHOTO, WIDE], (1,)),
    Survey("magicanimate", "bfloat16", [SQUARE], (2, 1), LONGEST_MAGIC),
    Survey("magicanimate", "bfloat16", [PHOTO, WIDE], (1,), LONGEST_MAGIC),
    Survey("sd15-animatelcm", "bfloat16", [SQUARE, PHOTO, WIDE], (2, 1)),
    Survey("sd15-animatelcm", "bfloat16", [SQUARE, WIDE], (1,), LONG),
    Survey("sd15-animatelcm", "bfloat16", [SQUARE, WIDE], (1,), LONGEST_LCM),
    Survey("mini", "float32", [*SMALL, SMALL_NARROWEST]),
    Survey("mini", "float32", [*SMALL, SMALL_NARROWEST], window=LONG),
)


def main() -> None:
    """Measure, and write the table after each survey."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", nargs="*", default=sorted({each.preset for each in SURVEYS}))
    parser.add_argument("--dtype", nargs="*", default=sorted({each.dtype for each in SURVEYS}))
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--device", default=META)
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    loaded = load_table(args.out) if args.add and args.out.exists() else None
    table = loaded or MemoryTable(source_of(args.device), (), ())
    for each in SURVEYS:
        if each.preset in args.preset and each.dtype in args.dtype:
            measured = survey(
                load_preset(each.preset),
                each.dtype,
                each.sizes,
                each.window,
                window_batches=each.window_batches,
                device=args.device,
                report=lambda line: print(line, flush=True),
            )
            table = table.merge(measured)
            table.save(args.out)


if __name__ == "__main__":
    main()
