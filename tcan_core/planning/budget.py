"""What a loaded model may take of its device: planned once for all jobs, looked at for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from tcan_core.errors import MemoryLimitError, ParameterError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.builders import build_codec_on_meta
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimateSettings
from tcan_core.pipelines.device_memory import cuda_memory
from tcan_core.pipelines.fitting import fit_to
from tcan_core.planning.architecture import architecture_of
from tcan_core.planning.plan import (
    COARSE,
    EXACT,
    WINDOW_BATCHES,
    Freedom,
    Plan,
    Run,
    gib,
    is_known,
    plan,
    switches_of,
)
from tcan_core.planning.table import MemoryTable, Size, known_memory

# Frames in a window: the most that a job may ask for, and what it gets where it says nothing.
WINDOWS = (32, 16)
# Of what a device has free: kernels' own memory and the allocator's reserve, which nobody counts.
UNCOUNTED = 0.1
NARROWER = "a smaller context_size takes less, and so does a picture closer to a square"


def run_of(preset: Preset, picture: Size, frames: int, context_size: int) -> Run:
    """The animation of a picture of (height, width) pixels, as it is looked up."""
    codec = build_codec_on_meta(preset)
    return Run(
        preset.name,
        architecture_of(preset),
        fit_to(picture, preset.resolution, codec.factor).padded,
        frames,
        min(context_size, frames),
        (codec.latent_channels, codec.factor),
    )


def freedom_on(device: str) -> Freedom:
    """All that may be chosen on a device of torch; on the host nothing is won by offload."""
    return Freedom(switches=frozenset(EXACT + COARSE) - _useless(is_host(device)))


def up_to(window_batch: int) -> tuple[int, ...]:
    """Windows at a time: as many as are wished, or fewer that are measured."""
    return (window_batch, *(fewer for fewer in WINDOW_BATCHES if fewer < window_batch))


def is_host(device: str) -> bool:
    """Whether a device of torch has no memory of its own."""
    return torch.device(device).type == "cpu"


@dataclass(frozen=True)
class Budget:
    """Memory for the tensors of a preset's model.

    Attributes:
        table: what was measured.
        limit_bytes: of the device.
        on_host: whether the device is the host.
    """

    preset: Preset
    table: MemoryTable
    limit_bytes: int
    on_host: bool

    @classmethod
    def of(
        cls, preset: Preset, device: str, limit_bytes: int | None = None, *, idle: bool = False
    ) -> Budget | None:
        """The budget on a device; None where nothing bounds it: on the host, without a limit.

        Args:
            limit_bytes: by default what a CUDA device has free, but for what nobody counts.
            idle: whether what is in use of the device now counts as free.
        """
        if limit_bytes is None:
            found = cuda_memory(device)
            if found is None:
                return None
            free_bytes = found.total_bytes - (0 if idle else found.used_bytes)
            limit_bytes = int(free_bytes * (1 - UNCOUNTED))
        return cls(preset, known_memory(), limit_bytes, is_host(device))

    def knows(self, options: RuntimeOptions) -> bool:
        """Whether anything was measured of such a model."""
        return any(is_known(run, options, self.table) for run in self._runs())

    def plan(self, options: RuntimeOptions, window_batch: int) -> Plan:
        """Choose how square pictures of the preset's size fit, with the longest windows that do.

        Nothing is chosen that changes pictures beyond rounding, nor more windows at a time.

        Args:
            options, window_batch: what the operator wants.

        Raises:
            MemoryLimitError: not even windows of the usual length fit; it says what would.
            ParameterError: nothing was measured of such a model.
        """
        runs = self._runs()
        known = [run for run in runs if is_known(run, options, self.table)] or runs
        freedom = Freedom(up_to(window_batch), self._exact)
        for run in known[:-1]:
            try:
                return self._plan(run, options, freedom)
            except MemoryLimitError:
                continue
        try:
            return self._plan(known[-1], options, freedom)
        except MemoryLimitError as error:
            raise MemoryLimitError(f"{error}{self._advice(known[-1], options)}") from error

    def fit_job(
        self, settings: AnimateSettings, options: RuntimeOptions, picture: Size, num_frames: int
    ) -> AnimateSettings:
        """Return a job's settings with as many windows and frames at a time as fit.

        They stay as they are where nothing was measured of such a job.

        Args:
            options: of the loaded model.
            picture: (height, width) of the job's image.

        Raises:
            MemoryLimitError: it does not fit.
        """
        run = run_of(self.preset, picture, num_frames, settings.context_size)
        chosen = settings.guidance_scale
        if (self.preset.sampling.guidance_scale if chosen is None else chosen) == 1:
            options = replace(options, serial_guidance=True)  # one half alone takes no more
        if not is_known(run, options, self.table):
            return settings
        freedom = Freedom(up_to(settings.window_batch), frozenset())
        try:
            found = self._plan(run, options, freedom)
        except MemoryLimitError as error:
            raise MemoryLimitError(f"{error}; {NARROWER}") from error
        decode_batch = min(found.decode_batch, settings.decode_batch)
        return replace(settings, window_batch=found.window_batch, decode_batch=decode_batch)

    def told(self, found: Plan) -> str:
        """A plan of `plan`, with the numbers, in one line."""
        side = self.preset.resolution
        return (
            f"{side}x{side} with windows of {found.window} frames takes {gib(found.peak_bytes)} of "
            f"{gib(self.limit_bytes)} ({found.told}; {found.window_batch} windows and "
            f"{found.decode_batch} frames at a time)"
        )

    @property
    def _exact(self) -> frozenset[str]:
        return frozenset(EXACT) - _useless(self.on_host)

    def _plan(self, run: Run, options: RuntimeOptions, freedom: Freedom) -> Plan:
        counted = replace(options, offload=options.offload and not self.on_host)
        return plan(run, self.limit_bytes, counted, self.table, freedom)

    def _runs(self) -> list[Run]:
        """Square pictures, with windows from the longest to the usual."""
        side, most = self.preset.resolution, self.preset.max_context_size
        windows = dict.fromkeys(min(window, most) for window in WINDOWS)
        return [run_of(self.preset, (side, side), window, window) for window in windows]

    def _advice(self, run: Run, options: RuntimeOptions) -> str:
        """What would fit, and is for the operator to choose since it changes pictures."""
        half = replace(options, dtype="bfloat16") if options.dtype == "float32" else options
        for switches in (self._exact, self._exact | set(COARSE)):
            try:
                found = self._plan(run, half, Freedom((1,), switches))
            except ParameterError:
                continue
            return f"; with {switches_of(found.options)} it takes {gib(found.peak_bytes)}"
        return ""


def _useless(on_host: bool) -> frozenset[str]:
    return frozenset({"offload"} if on_host else ())
