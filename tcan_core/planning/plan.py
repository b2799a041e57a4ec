"""Choose options with which a run fits a device, from measured memory; or raise an error."""

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
# Options that save memory: EXACT ones change results by rounding only, COARSE ones a little.
EXACT, COARSE = ("serial_guidance", "offload"), ("tile_codec", "fp8_weights")


@dataclass(frozen=True)
class Choices:
    """The planner's freedom beyond the caller's options; by default it may choose everything.

    Attributes:
        window_batches: windows predicted together, largest first.
        switches: fields of `RuntimeOptions`, of `EXACT` and `COARSE`.
    """

    window_batches: tuple[int, ...] = WINDOW_BATCHES
    switches: frozenset[str] = frozenset(EXACT + COARSE)


ALL = Choices()


@dataclass(frozen=True)
class Plan:
    """Options with which a run fits, and its memory.

    Attributes:
        window_batch, decode_batch: see `AnimateSettings`.
        window: frames in a window.
        denoise_bytes, codec_bytes: peak device memory of each stage, weights included.
        latents_bytes: one copy of the video's latents in host memory. Host memory grows with the
            video's length, as do the caches of poses (up to 32 MiB) and, with `cache_interval`, of
            deep features (up to 4 GiB); device memory does not.
        measured_size: (height, width) of the table entries used; at least the run's size.
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
        """Peak device memory of the run."""
        return max(self.denoise_bytes, self.codec_bytes)

    @property
    def summary(self) -> str:
        """Memory of each stage and the options, in words."""
        stages = f"denoising {gib(self.denoise_bytes)}, codec {gib(self.codec_bytes)}"
        return f"{stages}, with {switches_of(self.options)}"


@dataclass(frozen=True)
class Run:
    """A run to plan.

    Attributes:
        preset: name of the preset, for messages.
        architecture: digests for the lookup.
        size: (height, width) of the model's images, in pixels.
        num_frames: frames in the whole video.
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
    choices: Choices = ALL,
) -> Plan:
    """Return the fastest plan that fits.

    The order is: windows in batches, single windows, serial guidance, offload, a tiled codec,
    8-bit weights.

    Args:
        limit_bytes: device memory for tensors.
        options: the caller's options, to which the planner adds.

    Raises:
        MemoryLimitError: nothing fits.
        ParameterError: no memory was measured for this size.
    """
    plans = list(_plans(run, options, table, choices))
    if not plans:
        raise ParameterError(
            f"no memory was measured for {run.preset} at {run.size[0]}x{run.size[1]} with windows "
            f"of {run.window} frames in {options.dtype}; {describe_entries(run, table)}. "
            "`tcan plan --measure` measures it here, without a GPU, in minutes"
        )
    fitting = next((plan for plan in plans if plan.peak_bytes <= limit_bytes), None)
    if fitting is None:
        least = min(plans, key=lambda plan: plan.peak_bytes)
        raise MemoryLimitError(
            f"{run.size[0]}x{run.size[1]} with windows of {run.window} frames takes at least "
            f"{gib(least.peak_bytes)} of device memory ({least.summary}); "
            f"the limit is {gib(limit_bytes)}"
        )
    return fitting


def is_measured(run: Run, options: RuntimeOptions, table: MemoryTable) -> bool:
    """Return whether memory was measured for this run with any allowed options."""
    return next(_plans(run, options, table, ALL), None) is not None


def describe_entries(run: Run, table: MemoryTable) -> str:
    """Describe the table's entries for a run's architecture."""
    entries = [
        entry for entry in table.denoising if entry.architecture == run.architecture.denoising
    ]
    if not entries:
        presets = ", ".join(dict.fromkeys(entry.preset for entry in table.denoising))
        return f"measured are {presets}, and presets with networks of the same sizes as theirs"
    cases = sorted({(entry.dtype, entry.frames, entry.size) for entry in entries})
    listed = ", ".join(f"{size[0]}x{size[1]} in {dtype} ({n} frames)" for dtype, n, size in cases)
    return f"measured are, height first, {listed}"


def predict(
    run: Run, options: RuntimeOptions, window_batch: int, decode_batch: int, table: MemoryTable
) -> Plan | None:
    """Return a run's memory with exactly these options, or None if it was not measured."""
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


def _plans(
    run: Run, options: RuntimeOptions, table: MemoryTable, choices: Choices
) -> Iterator[Plan]:
    """Yield the measured plans, fastest first."""
    for candidate, window_batch in _candidates(options, choices):
        for decode_batch in DECODE_BATCHES:
            plan = predict(run, candidate, window_batch, decode_batch, table)
            if plan is not None:
                yield plan


def _candidates(options: RuntimeOptions, choices: Choices) -> Iterator[tuple[RuntimeOptions, int]]:
    """Yield options and windows at a time, fastest first."""
    for window_batch in choices.window_batches:
        yield options, window_batch
    added = [options]
    for name in ("serial_guidance", "offload", "tile_codec"):
        if name in choices.switches:
            switch: dict[str, Any] = {name: True}
            added.append(replace(added[-1], **switch))
            yield added[-1], 1
    if "fp8_weights" in choices.switches:
        for base in added[-2:]:
            yield replace(base, fp8_weights=True), 1


def _in(dtype: str, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of a type; for float32, also bfloat16 entries scaled up to float32."""
    chosen = [entry for entry in entries if entry.dtype == dtype]
    if dtype == "float32":
        # 8-bit weights have the same size with any type, and are not scaled.
        plain = [entry for entry in entries if not getattr(entry, "fp8_weights", False)]
        chosen += [widened(entry) for entry in plain if entry.dtype == "bfloat16"]
    return chosen


def _smallest(run: Run, architecture: str, entries: Sequence[Entry]) -> Entry | None:
    """Return the entry of least memory for images of at least the run's size, or None."""
    pixels = run.size[0] * run.size[1]
    large_enough = [
        entry
        for entry in entries
        if entry.architecture == architecture and entry.size[0] * entry.size[1] >= pixels
    ]
    return min(large_enough, key=lambda entry: entry.peak_bytes, default=None)


def switches_of(options: RuntimeOptions) -> str:
    """Return the type and the memory-saving options, in words."""
    saving = (name for name in EXACT + COARSE if getattr(options, name))
    return ", ".join([options.dtype, *saving])


def gib(num_bytes: int) -> str:
    """Format bytes as GiB."""
    return f"{num_bytes / 2**30:.2f} GiB"
