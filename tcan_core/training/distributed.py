"""Processes under `torchrun` through accelerate: devices, precision, DDP and accumulation.

On two CPU cores, two processes with one thread each are faster than one process with two threads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import (  # type: ignore[import-untyped]
    Accelerator,
    DistributedDataParallelKwargs,
    InitProcessGroupKwargs,
)
from accelerate.state import AcceleratorState, PartialState  # type: ignore[import-untyped]
from accelerate.tracking import get_available_trackers  # type: ignore[import-untyped]

from tcan_core.errors import ConfigError
from tcan_core.training.config import OptimizerConfig, RunConfig, Tracker

T = TypeVar("T")
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
# Other processes wait while the first one writes checkpoints and sheets and validates. Over NCCL
# this is also how long they wait for a machine that is lost.
COLLECTIVE_TIMEOUT = timedelta(hours=1)


def join_processes(device: str) -> None:
    """Join the process group if `torchrun` started this process, and select its device.

    Afterwards "cuda" means the GPU of this process.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    kwargs = InitProcessGroupKwargs(timeout=COLLECTIVE_TIMEOUT).to_kwargs()
    PartialState(cpu=device == "cpu", **kwargs)


def build_accelerator(run: RunConfig, optimizer: OptimizerConfig) -> Accelerator:
    """Return the accelerator of this run.

    Raises:
        ConfigError: fp16 on a CPU, or the package of a tracker is not installed.
    """
    if run.precision == "fp16" and run.device == "cpu":
        raise ConfigError("precision is 'fp16' but device is 'cpu'; use 'fp32' or 'bf16' on a CPU")
    # accelerate keeps one state per process and refuses a different precision; reset it so that a
    # second run in the same process (a test, a notebook) is independent.
    AcceleratorState._reset_state(reset_partial_state=True)
    _check_trackers(run.trackers)
    return Accelerator(
        log_with=list(run.trackers) or None,
        project_dir=run.output,
        cpu=run.device == "cpu",
        mixed_precision=PRECISIONS[run.precision],
        gradient_accumulation_steps=optimizer.accumulation_steps,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=COLLECTIVE_TIMEOUT),
            # The set of parameters without a gradient differs between batches: all references of
            # a batch may be dropped, and the reference UNet's output is never used.
            DistributedDataParallelKwargs(
                find_unused_parameters=True, gradient_as_bucket_view=True
            ),
        ],
    )


def _check_trackers(trackers: tuple[Tracker, ...]) -> None:
    """Raise ConfigError if a tracker's package is not installed; accelerate would leave it out."""
    installed = {str(one) for one in get_available_trackers()}
    for name in trackers:
        if name not in installed:
            raise ConfigError(
                f"trackers: {name} is not installed; run pip install {name}, or remove it"
            )


def rank() -> int:
    """Return the rank of this process, from 0; rank 0 writes files and reports progress."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def local_rank() -> int:
    """Return the rank of this process on its machine, from 0."""
    return int(PartialState().local_process_index)


def world_size() -> int:
    """Return the number of processes."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def all_gather(value: T) -> list[T]:
    """Return the value of every process, by rank."""
    values = [value] * world_size()
    if len(values) > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def barrier() -> None:
    """Wait until every process has called this."""
    if world_size() > 1:
        torch.distributed.barrier()
