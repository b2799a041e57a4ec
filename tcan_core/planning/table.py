"""The table of measured memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tcan_core.errors import ConfigError
from tcan_core.models.weights.store import models_folder

Size = tuple[int, int]
TABLE = Path(__file__).parent / "table.json"
OWN_NAME = "memory.json"


@dataclass(frozen=True)
class DenoisingMemory:
    """Memory of the denoising networks.

    Attributes:
        architecture: digest, equal in all presets to which this applies; see `Architecture`.
        size: (height, width) of the model's images, in pixels.
        frames: frames in a window.
        windows: windows predicted together, with guidance.
        dtype, fp8_weights, serial_guidance: see `RuntimeOptions`.
        weights_bytes: weights of the networks.
        peak_bytes: peak without the weights.
    """

    preset: str
    architecture: str
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
    """Memory of the codec: encode an image, then decode `frames` together; see above."""

    preset: str
    architecture: str
    size: Size
    frames: int
    dtype: str
    tile_codec: bool
    weights_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class MemoryTable:
    """All measurements.

    Attributes:
        source: origin of the measurements, for people.
    """

    source: str
    denoising: tuple[DenoisingMemory, ...]
    codec: tuple[CodecMemory, ...]

    def save(self, path: Path) -> None:
        """Write the table as JSON, one entry per line."""
        lines = [f'"source": {json.dumps(self.source)}']
        for name, entries in (("denoising", self.denoising), ("codec", self.codec)):
            lines.append(f'"{name}": [\n  {_lines(entries)}\n]')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")

    def merge(self, other: MemoryTable) -> MemoryTable:
        """Return the entries of both tables; the other's replace those of the same case."""
        denoising = {_case(entry): entry for entry in (*self.denoising, *other.denoising)}
        codec = {_case(entry): entry for entry in (*self.codec, *other.codec)}
        sources = dict.fromkeys((self.source, other.source))
        return MemoryTable("; ".join(sources), tuple(denoising.values()), tuple(codec.values()))


Entry = TypeVar("Entry", DenoisingMemory, CodecMemory)


def widened(entry: Entry) -> Entry:
    """Return an upper bound in float32 for an entry that was measured with two-byte numbers.

    Every tensor has the same shape and at most twice the bytes, and no tensor is copied only to be
    cast to float32.
    """
    return replace(
        entry,
        dtype="float32",
        weights_bytes=2 * entry.weights_bytes,
        peak_bytes=2 * entry.peak_bytes,
    )


def denoising_dtype(dtype: str) -> str:
    """Return the type under which the denoising networks are looked up: bfloat16 for float16."""
    return "bfloat16" if dtype == "float16" else dtype


def codec_dtype(dtype: str) -> str:
    """Return the type under which the codec is looked up: float32 for float16."""
    return "float32" if dtype == "float16" else dtype


def own_table() -> Path:
    """Return the file in which `tcan plan --measure` stores measurements; it may not exist."""
    return models_folder() / OWN_NAME


def load_tables() -> MemoryTable:
    """Return the shipped table, merged with the measurements of this machine."""
    shipped, own = load_table(), own_table()
    return shipped.merge(load_table(own)) if own.exists() else shipped


def save_own(found: MemoryTable) -> None:
    """Add measurements to those of this machine."""
    own = own_table()
    (load_table(own).merge(found) if own.exists() else found).save(own)


def load_table(path: Path = TABLE) -> MemoryTable:
    """Read a table, by default the shipped one. Raises ConfigError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return MemoryTable(
            content["source"],
            tuple(DenoisingMemory(**_with_size(entry)) for entry in content["denoising"]),
            tuple(CodecMemory(**_with_size(entry)) for entry in content["codec"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{path}: not a table of memory ({error}); remove it and measure again"
        ) from error


def _case(entry: DenoisingMemory | CodecMemory) -> tuple[object, ...]:
    """Return what an entry describes, without its measured values."""
    measured = ("preset", "weights_bytes", "peak_bytes")
    return tuple(value for name, value in asdict(entry).items() if name not in measured)


def _with_size(entry: dict[str, Any]) -> dict[str, Any]:
    height, width = entry["size"]
    return {**entry, "size": (height, width)}


def _lines(entries: Iterable[DenoisingMemory | CodecMemory]) -> str:
    return ",\n  ".join(json.dumps(asdict(entry)) for entry in entries)
