"""What it costs to judge a small PNG by its structure, by Pillow, and in a child process."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from service.contract.limits import InputLimits
from service.inspection.decoder import Decoder
from service.inspection.images import inspect_image, inspect_plain_png
from service.inspection.plain_png import plain_header

ROUNDS = 200


def main() -> None:
    """Print the median milliseconds of each way, in alternating rounds."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    content, limits, decoder = stream.getvalue(), InputLimits(), Decoder()
    ways: dict[str, Callable[[], object]] = {
        "structure": lambda: by_structure(content, limits),
        "Pillow": lambda: inspect_image(io.BytesIO(content), limits),
        "child": lambda: decoder.look("image", content, limits),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    decoder.look("image", content, limits)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began_s = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began_s)
    decoder.close()
    for name, taken in seconds.items():
        print(f"{name}: {1000 * float(np.median(taken)):.2f} ms")


def by_structure(content: bytes, limits: InputLimits) -> str:
    """As the gateway does."""
    header = plain_header(content)
    assert header is not None
    return inspect_plain_png(content, header, limits)


if __name__ == "__main__":
    main()
