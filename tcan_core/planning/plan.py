"""Choose how a run fits a device, from what was measured; or refuse, with the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcan_core.errors import MemoryLimitError, ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.planning.architecture import Architecture
from tcan_core.planning.table import (
    Entry,
    MemoryTable,
    Size,
    codec_dtype,
    denoising_dtype,
    widened,
)

WINDOW_BATCHES, DECODE_BATCHES = (4, 2, 1), (16, 4, 1)
# Options that save memory: these change no picture but for rounding, those a little.
EXACT, COARSE = ("serial_guidance", "offload"), ("tile_codec", "fp8_weights")


@dataclass(frozen=True)
class Freedom:
    """What the planner may choose beside what a caller wants in any case; by default all.

    Attributes:
        window_batches: windows predicted together, the most first.
        switches: fields of `RuntimeOptions`, of `EXACT` and `COARSE`.
    """

    window_batches: tuple[int, ...] = WINDOW_BATCHES
    switches: frozenset[str] = frozenset(EXACT + COARSE)


ALL = Freedom()


@dataclass(frozen=True)
class Plan:
    """How a run fits.

    Attributes:
        window_batch, decode_batch: see `AnimateSettings`.
        window: frames in a window.
        denoise_bytes, codec_bytes: the most that each stage has on the device, weights included.
        latents_bytes: one copy of the video's latents, on the host. It grows with the length, as
            there do features of poses (up to 32 MiB) and, with `cache_interval`, of deep blocks (up
            to 4 GiB); nothing on the device does.
        measured_size: (height, width) of the entries that this was looked up in; no smaller than
            what was asked for.
    """

    options: RuntimeOptions
    window_batch: int
    decode_batch: int
    window: int
    denoise_bytes: int
    codec_bytes: int
    latents_bytes: int
    measured_size: Size

    @property
    def peak_bytes(self) -> int:
        """The most that the run has on the device."""
        return max(self.denoise_bytes, self.codec_bytes)

    @property
    def told(self) -> str:
        """What each stage takes, and with what, in words."""
        stages = f"denoising {gib(self.denoise_bytes)}, codec {gib(self.codec_bytes)}"
        return f"{stages}, with {switches_of(self.options)}"


@dataclass(frozen=True)
class Run:
    """What is to be planned.

    Attributes:
        preset: its name, for people.
        architecture: by which it is looked up.
        size: (height, width) of the model's pictures, in pixels.
        num_frames: of the whole video.
        window: frames in a window.
        latent: (channels, factor) of the codec.
    """

    preset: str
    architecture: Architecture
    size: Size
    num_frames: int
    window: int
    latent: tuple[int, int]


def plan(
    run: Run,
    limit_bytes: int,
    options: RuntimeOptions,
    table: MemoryTable,
    freedom: Freedom = ALL,
) -> Plan:
    """Return the fastest way that fits: windows batched, then one, then serial halves, then
    networks off the device between stages, then the codec in tiles, then 8-bit weights.

    Args:
        limit_bytes: of the device, for tensors.
        options: what the caller wants in any case; the planner adds to it.

    Raises:
        MemoryLimitError: nothing fits.
        ParameterError: nothing of this size was measured.
    """
    ways = list(_ways(run, options, table, freedom))
    if not ways:
        raise ParameterError(
            f"no memory was measured for {run.preset} at {run.size[0]}x{run.size[1]} with windows "
            f"of {run.window} frames in {options.dtype}; {measured_of(run, table)}. "
            "`tcan plan --measure` measures it here, without a GPU, in minutes"
        )
    fitting = next((way for way in ways if way.peak_bytes <= limit_bytes), None)
    if fitting is None:
        least = min(ways, key=lambda way: way.peak_bytes)
        raise MemoryLimitError(
            f"{run.size[0]}x{run.size[1]} with windows of {run.window} frames takes at least "
            f"{gib(least.peak_bytes)} of device memory ({least.told}); "
            f"the limit is {gib(limit_bytes)}"
        )
    return fitting


def is_known(run: Run, options: RuntimeOptions, table: MemoryTable) -> bool:
    """Whether any way of the ladder was measured for this run."""
    return next(_ways(run, options, table, ALL), None) is not None


def measured_of(run: Run, table: MemoryTable) -> str:
    """What the table knows of a run's architecture, in words."""
    entries = [one for one in table.denoising if one.architecture == run.architecture.denoising]
    if not entries:
        known = ", ".join(dict.fromkeys(entry.preset for entry in table.denoising))
        return f"measured are {known}, and presets with networks of the same sizes as theirs"
    cases = sorted({(one.dtype, one.frames, one.size) for one in entries})
    told = ", ".join(f"{size[0]}x{size[1]} in {dtype} ({n} frames)" for dtype, n, size in cases)
    return f"measured are, height first, {told}"


def predict(
    run: Run, options: RuntimeOptions, window_batch: int, decode_batch: int, table: MemoryTable
) -> Plan | None:
    """Return what a run takes with these very options, or None where that was not measured."""
    stored = (options.fp8_weights, options.serial_guidance)
    denoising = _smallest(run, run.architecture.denoising, _in(denoising_dtype(options.dtype), [
        entry for entry in table.denoising
        if entry.frames >= run.window and entry.windows >= window_batch
        and (entry.fp8_weights, entry.serial_guidance) == stored
    ]))  # fmt: skip
    codec = _smallest(run, run.architecture.codec, _in(codec_dtype(options.dtype), [
        entry for entry in table.codec
        if (entry.frames, entry.tile_codec) == (decode_batch, options.tile_codec)
    ]))  # fmt: skip
    if denoising is None or codec is None:
        return None
    others = (0, 0) if options.offload else (codec.weights_bytes, denoising.weights_bytes)
    channels, factor = run.latent
    pixels = run.size[0] * run.size[1]
    return Plan(
        options,
        window_batch,
        decode_batch,
        run.window,
        denoise_bytes=denoising.weights_bytes + denoising.peak_bytes + others[0],
        codec_bytes=codec.weights_bytes + codec.peak_bytes + others[1],
        latents_bytes=4 * channels * run.num_frames * pixels // factor**2,
        measured_size=denoising.size,
    )


def _ways(
    run: Run, options: RuntimeOptions, table: MemoryTable, freedom: Freedom
) -> Iterator[Plan]:
    """The measured ways from the fastest on."""
    for wanted, window_batch in _rungs(options, freedom):
        for decode_batch in DECODE_BATCHES:
            found = predict(run, wanted, window_batch, decode_batch, table)
            if found is not None:
                yield found


def _rungs(options: RuntimeOptions, freedom: Freedom) -> Iterator[tuple[RuntimeOptions, int]]:
    """Options and windows at a time, from the fastest on."""
    for window_batch in freedom.window_batches:
        yield options, window_batch
    ways = [options]
    for name in ("serial_guidance", "offload", "tile_codec"):
        if name in freedom.switches:
            added: dict[str, Any] = {name: True}
            ways.append(replace(ways[-1], **added))
            yield ways[-1], 1
    if "fp8_weights" in freedom.switches:
        for way in ways[-2:]:
            yield replace(way, fp8_weights=True), 1


def _in(dtype: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries of a type; float32 takes no more than those of two bytes, widened."""
    found = [entry for entry in entries if entry.dtype == dtype]
    if dtype == "float32":
        # 8-bit weights are as large in any type, and are not widened with it.
        plain = [entry for entry in entries if not getattr(entry, "fp8_weights", False)]
        found += [widened(entry) for entry in plain if entry.dtype == "bfloat16"]
    return found


def _smallest(run: Run, architecture: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry of the least memory whose pictures are no smaller than the run's, or None."""
    pixels = run.size[0] * run.size[1]
    large_enough = [
        entry
        for entry in entries
        if entry.architecture == architecture and entry.size[0] * entry.size[1] >= pixels
    ]
    return min(large_enough, key=lambda entry: entry.peak_bytes, default=None)


def switches_of(options: RuntimeOptions) -> str:
    """The type, and what saves memory, in words."""
    saving = (name for name in EXACT + COARSE if getattr(options, name))
    return ", ".join([options.dtype, *saving])


def gib(num_bytes: int) -> str:
    """Bytes in words."""
    return f"{num_bytes / 2**30:.2f} GiB"
