"""The memory budget of a loaded model: planned once, and checked for every job."""

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
    Choices,
    Plan,
    Run,
    gib,
    is_measured,
    plan,
    switches_of,
)
from tcan_core.planning.table import MemoryTable, Size, load_tables

# Frames in a window: the largest number that a job may request.
MAX_WINDOW = 32
# Share of free memory reserved for kernels and the allocator, which are not counted.
UNCOUNTED = 0.1
HINT = "a smaller context_size takes less, and so does an image closer to a square"


def run_of(preset: Preset, picture: Size, frames: int, context_size: int) -> Run:
    """Return the table's key for animating an image of (height, width) pixels."""
    codec = build_codec_on_meta(preset)
    return Run(
        preset.name,
        architecture_of(preset),
        fit_to(picture, preset.resolution, codec.factor, preset.fit).padded,
        frames,
        min(context_size, frames),
        (codec.latent_channels, codec.factor),
    )


def choices_on(device: str) -> Choices:
    """Return all choices for a device of torch; on the host, offload saves nothing."""
    return Choices(switches=frozenset(EXACT + COARSE) - _without_effect(is_host(device)))


def window_batches_up_to(window_batch: int) -> tuple[int, ...]:
    """Return the requested windows at a time, then the smaller numbers that are measured."""
    return (window_batch, *(fewer for fewer in WINDOW_BATCHES if fewer < window_batch))


def is_host(device: str) -> bool:
    """Return whether a device of torch has no memory of its own."""
    return torch.device(device).type == "cpu"


@dataclass(frozen=True)
class Budget:
    """Device memory for the tensors of a preset's model.

    Attributes:
        limit_bytes: limit of device memory.
        on_host: whether the device is the host.
    """

    preset: Preset
    table: MemoryTable
    limit_bytes: int
    on_host: bool

    @classmethod
    def for_device(
        cls, preset: Preset, device: str, limit_bytes: int | None = None, *, idle: bool = False
    ) -> Budget | None:
        """Return the budget on a device; None on the host without a limit.

        Args:
            limit_bytes: default: the free memory of a CUDA device, without `UNCOUNTED`.
            idle: whether memory that is in use now counts as free.
        """
        if limit_bytes is None:
            memory = cuda_memory(device)
            if memory is None:
                return None
            free_bytes = memory.total_bytes - (0 if idle else memory.used_bytes)
            limit_bytes = int(free_bytes * (1 - UNCOUNTED))
        return cls(preset, load_tables(), limit_bytes, is_host(device))

    def has_measurements(self, options: RuntimeOptions) -> bool:
        """Return whether memory was measured for such a model."""
        return any(is_measured(run, options, self.table) for run in self._runs())

    def plan(self, options: RuntimeOptions, window_batch: int) -> Plan:
        """Choose options with which square images fit, for the longest windows possible.

        Only options that change the result by no more than rounding are added, and the number of
        windows at a time is only reduced.

        Args:
            options, window_batch: the operator's choice.

        Raises:
            MemoryLimitError: windows of the default length do not fit; the message says what would.
            ParameterError: no memory was measured for such a model.
        """
        runs = self._runs()
        measured = [run for run in runs if is_measured(run, options, self.table)] or runs
        choices = Choices(window_batches_up_to(window_batch), self._exact)
        for run in measured[:-1]:
            try:
                return self._plan(run, options, choices)
            except MemoryLimitError:
                continue
        try:
            return self._plan(measured[-1], options, choices)
        except MemoryLimitError as error:
            raise MemoryLimitError(f"{error}{self._advice(measured[-1], options)}") from error

    def fit_job(
        self, settings: AnimateSettings, options: RuntimeOptions, picture: Size, num_frames: int
    ) -> AnimateSettings:
        """Return a job's settings, with windows and frames at a time reduced until they fit.

        They are returned unchanged if no memory was measured for such a job.

        Args:
            picture: (height, width) of the job's image.

        Raises:
            MemoryLimitError: the job does not fit.
        """
        sampling = settings.sampling(self.preset)
        run = run_of(self.preset, picture, num_frames, sampling.context_size)
        if sampling.guidance_scale == 1:
            # A single prediction takes no more memory than two in turn.
            options = replace(options, serial_guidance=True)
        if not is_measured(run, options, self.table):
            return settings
        choices = Choices(window_batches_up_to(settings.window_batch), frozenset())
        try:
            fitting = self._plan(run, options, choices)
        except MemoryLimitError as error:
            raise MemoryLimitError(f"{error}; {HINT}") from error
        decode_batch = min(fitting.decode_batch, settings.decode_batch)
        return replace(settings, window_batch=fitting.window_batch, decode_batch=decode_batch)

    def summary(self, fitting: Plan) -> str:
        """Return a plan and its memory in one line."""
        side = self.preset.resolution
        return (
            f"{side}x{side} with windows of {fitting.window} frames takes "
            f"{gib(fitting.peak_bytes)} of {gib(self.limit_bytes)} ({fitting.summary}; "
            f"{fitting.window_batch} windows and {fitting.decode_batch} frames at a time)"
        )

    @property
    def _exact(self) -> frozenset[str]:
        return frozenset(EXACT) - _without_effect(self.on_host)

    def _plan(self, run: Run, options: RuntimeOptions, choices: Choices) -> Plan:
        counted = replace(options, offload=options.offload and not self.on_host)
        return plan(run, self.limit_bytes, counted, self.table, choices)

    def _runs(self) -> list[Run]:
        """Return runs of square images, from the longest windows to the preset's own."""
        side, own = self.preset.resolution, self.preset.sampling.context_size
        windows = dict.fromkeys((max(own, min(MAX_WINDOW, self.preset.max_context_size)), own))
        return [run_of(self.preset, (side, side), window, window) for window in windows]

    def _advice(self, run: Run, options: RuntimeOptions) -> str:
        """Return a hint at options that would fit; an operator must choose them: results change."""
        low = replace(options, dtype="bfloat16") if options.dtype == "float32" else options
        for switches in (self._exact, self._exact | set(COARSE)):
            try:
                fitting = self._plan(run, low, Choices((1,), switches))
            except ParameterError:
                continue
            return f"; with {switches_of(fitting.options)} it takes {gib(fitting.peak_bytes)}"
        return ""


def _without_effect(on_host: bool) -> frozenset[str]:
    return frozenset({"offload"} if on_host else ())
