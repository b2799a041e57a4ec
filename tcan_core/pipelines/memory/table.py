"""What was measured, as a table; nothing is in it that was not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Size = tuple[int, int]
TABLE = Path(__file__).parent / "table.json"


@dataclass(frozen=True)
class DenoisingMemory:
    """The denoising networks at work.

    Attributes:
        size: (height, width) of the model's pictures, in pixels.
        frames: in a window.
        windows: predicted together, with both halves of guidance.
        dtype, fp8_weights, serial_guidance: see `RuntimeOptions`.
        weights_bytes: of the networks.
        peak_bytes: beyond the weights.
    """

    preset: str
    size: Size
    frames: int
    windows: int
    dtype: str
    fp8_weights: bool
    serial_guidance: bool
    weights_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class CodecMemory:
    """The codec at work: a picture encoded, then `frames` decoded together; see above."""

    preset: str
    size: Size
    frames: int
    dtype: str
    tile_codec: bool
    weights_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class MemoryTable:
    """All that was measured.

    Attributes:
        source: how, and with what.
    """

    source: str
    denoising: tuple[DenoisingMemory, ...]
    codec: tuple[CodecMemory, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON, an entry per line."""
        lines = [f'"source": {json.dumps(self.source)}']
        for name, entries in (("denoising", self.denoising), ("codec", self.codec)):
            lines.append(f'"{name}": [\n  {_lines(entries)}\n]')
        path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def load_table(path: Path = TABLE) -> MemoryTable:
    """Read what `save` wrote; by default the one that is shipped."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return MemoryTable(
        content["source"],
        tuple(DenoisingMemory(**_with_size(entry)) for entry in content["denoising"]),
        tuple(CodecMemory(**_with_size(entry)) for entry in content["codec"]),
    )


def _with_size(entry: dict[str, Any]) -> dict[str, Any]:
    height, width = entry["size"]
    return {**entry, "size": (height, width)}


def _lines(entries: Iterable[DenoisingMemory | CodecMemory]) -> str:
    return ",\n  ".join(json.dumps(asdict(entry)) for entry in entries)
