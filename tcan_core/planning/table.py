"""What was measured, as a table; nothing is in it that was not."""

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
    """The denoising networks at work.

    Attributes:
        preset: the one that was measured.
        architecture: what is the same in all presets that this is true of; see `Architecture`.
        size: (height, width) of the model's pictures, in pixels.
        frames: in a window.
        windows: predicted together, with both halves of guidance.
        dtype, fp8_weights, serial_guidance: see `RuntimeOptions`.
        weights_bytes: of the networks.
        peak_bytes: beyond the weights.
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
    """The codec at work: a picture encoded, then `frames` decoded together; see above."""

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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")

    def plus(self, other: MemoryTable) -> MemoryTable:
        """Both tables' entries; of those of one case the other's."""
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
    """The type in which the denoising networks are looked up: all types of two bytes are one."""
    return "bfloat16" if dtype == "float16" else dtype


def codec_dtype(dtype: str) -> str:
    """The type in which the codec is looked up: under float16 it stays in float32."""
    return "float32" if dtype == "float16" else dtype


def own_table() -> Path:
    """Where `tcan plan --measure` keeps what it measured on this machine; it need not exist."""
    return models_folder() / OWN_NAME


def known_memory() -> MemoryTable:
    """All that is known here: what is shipped, and what was measured on this machine."""
    shipped, own = load_table(), own_table()
    return shipped.plus(load_table(own)) if own.exists() else shipped


def keep(found: MemoryTable) -> None:
    """Add to what was measured on this machine."""
    own = own_table()
    (load_table(own).plus(found) if own.exists() else found).save(own)


def load_table(path: Path = TABLE) -> MemoryTable:
    """Read what `save` wrote; by default the one that is shipped. Raises ConfigError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return MemoryTable(
            content["source"],
            tuple(DenoisingMemory(**_with_size(entry)) for entry in content["denoising"]),
            tuple(CodecMemory(**_with_size(entry)) for entry in content["codec"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{path}: not a table of memory ({error}); remove it, and measure anew"
        ) from error


def _case(entry: DenoisingMemory | CodecMemory) -> tuple[object, ...]:
    """What an entry is about, without what was found."""
    found = ("preset", "weights_bytes", "peak_bytes")
    return tuple(value for name, value in asdict(entry).items() if name not in found)


def _with_size(entry: dict[str, Any]) -> dict[str, Any]:
    height, width = entry["size"]
    return {**entry, "size": (height, width)}


def _lines(entries: Iterable[DenoisingMemory | CodecMemory]) -> str:
    return ",\n  ".join(json.dumps(asdict(entry)) for entry in entries)
