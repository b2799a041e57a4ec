"""A check before a run: it opens data and weights, takes some steps and says what the run needs.

Trained weights change in memory only; what is written are caches of the data, as by the run itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from torch import nn

from tcan_core.errors import MemoryLimitError
from tcan_core.planning.accounting import PeakMemory
from tcan_core.planning.measure import allocated_on_cuda
from tcan_core.training.batches import choose_size, describe_sizes
from tcan_core.training.clip_data import ClipSource, shared_clips
from tcan_core.training.config import RunConfig
from tcan_core.training.disk_space import gigabytes
from tcan_core.training.distributed import rank
from tcan_core.training.folder_check import check_sizes
from tcan_core.training.loaders import open_batches
from tcan_core.training.run_artifacts import RunArtifacts
from tcan_core.training.samples import draw_samples
from tcan_core.training.stages import open_run, read_stage_config
from tcan_core.training.trainer import Trainer

MEASURED_STEPS = 10
_SEARCHED_STEPS = 1000
_SAVING = (
    "less takes `gradient_checkpointing: true`, a smaller `batch_size` with more "
    "`accumulation_steps`, or the optimizer adamw8bit"
)
ReportLine = Callable[[str], None]


class _StepCost(NamedTuple):
    step_s: float
    waiting: float
    peak_bytes: int


def check_stage(
    name: str, config: str, resume: bool, overrides: Sequence[str], report_line: ReportLine
) -> None:
    """Check everything that a run needs, and describe the run.

    Args:
        name, config, resume, overrides: as for `run_stage`.
        report_line: called with each line of the description, in the first process.

    Raises:
        MemoryLimitError: the device has not enough memory.
        ConfigError, ParameterError, StorageError, WeightsError, NotFiniteError: as `run_stage`,
            at its start or in its first steps.
    """
    settings = read_stage_config(name, config, overrides)
    opened = open_run(name, settings, resume)
    if rank() == 0:
        _check_clips(settings, report_line)
    report_line = report_line if rank() == 0 else lambda line: None
    trainer = Trainer(opened.stage, settings.run, settings.optimizer)
    artifacts = RunArtifacts(opened.stage, trainer, settings.run, lambda: None)
    start = artifacts.start(resume)

    for part, file in opened.base.items():
        report_line(f"weights: {part} is {file.path}, sha256 {file.sha256[:12]}")
    _report_length(settings, trainer, len(opened.stage.data), start, report_line)
    sizes = getattr(opened.stage.data, "sizes", {})
    if sizes:
        report_line(f"sizes: {describe_sizes(sizes)}")
    for space in artifacts.spaces():
        report_line(f"disk: {space}")
    cost = _measure(opened.stage, trainer, start)
    report_line(f"memory: {_memory(settings.run.device, opened.stage, trainer, cost.peak_bytes)}")
    left = timedelta(seconds=round(cost.step_s * (settings.run.steps - start)))
    report_line(
        f"time: {cost.step_s:.3g} s per step, the mean of {MEASURED_STEPS}, of which "
        f"{cost.waiting:.0%} wait for data; {left} in all, without sheets, validation and "
        "checkpoints"
    )


def _check_clips(settings: Any, report_line: ReportLine) -> None:
    """Compare the sizes of all images and poses, and name held-out clips that are trained on."""
    if not isinstance(settings, ClipSource):
        return
    validation = getattr(settings, "validation", None)
    for source in (settings, validation, getattr(settings, "regularization", None)):
        if source is not None and source.folders is not None:
            count = check_sizes(source.folders)
            report_line(
                f"data: {source.folders.root}: sizes of {count:,} images equal those of poses"
            )
    if validation is None:
        report_line("validation: none; without it there is no best checkpoint and no early stop")
    elif shared := shared_clips(settings, validation):
        report_line(f"warning: clips of validation are trained on as well: {shared}")
    else:
        report_line(
            f"validation: {validation.clips} held-out clips, every {validation.every} steps"
        )


def _report_length(
    settings: Any, trainer: Trainer, clips: int, start: int, report_line: ReportLine
) -> None:
    run, samples = settings.run, trainer.global_batch
    report_line(
        f"length: steps {start} to {run.steps} of {samples} samples (batch_size {run.batch_size} x "
        f"accumulation_steps {settings.optimizer.accumulation_steps} x "
        f"{trainer.accelerator.num_processes} processes): {run.steps * samples:,} samples, "
        f"{run.steps * samples / clips:,.1f} passes over {clips:,} clip{'s' * (clips > 1)}"
    )


def _measure(stage: Any, trainer: Trainer, start: int) -> _StepCost:
    """Take one step of each size of images for the memory, then the measured ones.

    Raises:
        MemoryLimitError: the device has not enough memory.
    """
    is_cuda = trainer.accelerator.device.type == "cuda"
    run, networks, drawing = trainer.run, networks_of(stage), trainer.step_drawing()
    count = allocated_on_cuda if is_cuda else _counted
    try:
        with open_batches(drawing, start, run.loaders) as batches:

            def take(step: int) -> None:
                step = min(step, run.steps - 1)
                trainer.step(step, batches.next())  # ends with a copy to the host

            def take_each_size() -> None:
                take(start)
                for step in _steps_of_other_sizes(stage, run, min(start, run.steps - 1)):
                    with open_batches(drawing, step, 0) as others:
                        trainer.step(step, others.next())

            peak = count(networks, take_each_size)
            batches.waiting()
            began = time.perf_counter()
            for step in range(start, start + MEASURED_STEPS):
                take(step)
            took_s, waiting = time.perf_counter() - began, batches.waiting()
    except torch.OutOfMemoryError as error:
        raise MemoryLimitError(
            f"a step does not fit into the device's memory; {_SAVING}"
        ) from error
    return _StepCost(took_s / MEASURED_STEPS, waiting, peak)


def _steps_of_other_sizes(stage: Any, run: RunConfig, first: int) -> list[int]:
    """Return a step for each size of images but the first step's; the largest needs most memory."""
    sizes = getattr(stage.data, "sizes", {})
    if len(sizes) < 2:
        return []
    steps = range(first, min(first + _SEARCHED_STEPS, run.steps))
    size_of = {step: choose_size(draw_samples(run.seed, step, range(1)), sizes) for step in steps}
    found = {size: step for step, size in size_of.items() if size != size_of[first]}
    return list(found.values())


def _counted(networks: list[nn.Module], step: Callable[[], object]) -> int:
    """Return a step's peak bytes of tensors on the host, without the weights."""
    allocated = PeakMemory()
    with allocated:
        for network in networks:
            allocated.include([*network.parameters(), *network.buffers()])
        before = int(allocated.now_bytes)
        step()
    return int(allocated.peak_bytes) - before


def networks_of(stage: Any) -> list[nn.Module]:
    """Return all networks of a stage, frozen ones included."""
    tcan = getattr(stage, "tcan", None)
    own = [value for value in vars(stage).values() if isinstance(value, nn.Module)]
    return own if tcan is None else [*tcan.networks, *own]


def _memory(device: str, stage: Any, trainer: Trainer, step_bytes: int) -> str:
    """Return the memory of weights, of a step, and of the device in words."""
    tensors = {value for network in networks_of(stage) for value in network.parameters()}
    weights = sum(value.nbytes for value in tensors)
    averages = sum(value.nbytes for value in trainer.average.averages.values())
    needed = f"{gigabytes(weights + averages)} of weights, {gigabytes(step_bytes)} more in a step"
    if trainer.accelerator.device.type != "cuda":
        return f"{needed}, on the host"
    _, total = torch.cuda.mem_get_info()
    return f"{needed}, of {gigabytes(total)} on {device}"
