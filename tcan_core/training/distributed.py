"""Processes under `torchrun`, by accelerate: devices, precision, DDP and accumulation.

Two processes of one thread each make more of two CPU cores than one process of two threads.
"""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import (  # type: ignore[import-untyped]
    Accelerator,
    DistributedDataParallelKwargs,
    InitProcessGroupKwargs,
)
from accelerate.state import AcceleratorState, PartialState  # type: ignore[import-untyped]

from tcan_core.errors import ConfigError
from tcan_core.training.config import OptimizerConfig, RunConfig

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
# The others wait while the first one writes a checkpoint, draws sheets and validates. So long they
# may wait over NCCL for a machine that is lost, too.
PATIENCE = timedelta(hours=1)


def join_processes(device: str) -> None:
    """Join the other processes where `torchrun` started this one, and take this one's device.

    From here on "cuda" is the GPU that belongs to this process.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState(cpu=device == "cpu", **InitProcessGroupKwargs(timeout=PATIENCE).to_kwargs())


def build_accelerator(run: RunConfig, optimizer: OptimizerConfig) -> Accelerator:
    """Return what brings a loss to all processes of the run.

    Raises:
        ConfigError: fp16 on a CPU.
    """
    if run.precision == "fp16" and run.device == "cpu":
        raise ConfigError("precision is 'fp16' and device 'cpu'; a CPU trains in fp32 or bf16")
    # accelerate keeps one state per process and refuses another precision; a second run of this
    # process (a test, a notebook) is a run of its own.
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        cpu=run.device == "cpu",
        mixed_precision=PRECISIONS[run.precision],
        gradient_accumulation_steps=optimizer.accumulation_steps,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=PATIENCE),
            # Which parameters have no gradient differs from batch to batch: all references of
            # one may be dropped, and the reference UNet's output is never looked at.
            DistributedDataParallelKwargs(
                find_unused_parameters=True, gradient_as_bucket_view=True
            ),
        ],
    )


def rank() -> int:
    """Return this process's number, from 0; the first one writes files and tells progress."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def local_rank() -> int:
    """Return this process's number on its machine, from 0."""
    return int(PartialState().local_process_index)


def world_size() -> int:
    """Return the number of processes."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def gathered(value: int) -> list[int]:
    """Return the value of every process, in order."""
    values = [value] * world_size()
    if len(values) > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Return when every process has come here."""
    if world_size() > 1:
        torch.distributed.barrier()
