"""Data parallelism under `torchrun`: every process takes its own batch, gradients are averaged.

Two processes of one thread each make more of two CPU cores than one process of two threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn


def join_processes() -> None:
    """Join the other processes where `torchrun` started this one (`WORLD_SIZE` above 1)."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def rank() -> int:
    """Return this process's number, from 0; the first one writes files and tells progress."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients of all processes, in one message.

    A parameter without a gradient here counts as zero: which ones have none may differ between
    processes (all references of a batch dropped, say).
    """
    if world_size() == 1:
        return
    trained = list(parameters)
    gradients = [torch.zeros_like(value) if value.grad is None else value.grad for value in trained]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= world_size()
    for value, part in zip(trained, _split(together, gradients), strict=True):
        value.grad = part


def wait_for_all() -> None:
    """Return when every process has come here."""
    if world_size() > 1:
        distributed.barrier()


def _split(together: Tensor, shapes: list[Tensor]) -> list[Tensor]:
    parts = torch.split(together, [tensor.numel() for tensor in shapes])
    return [part.view_as(tensor) for part, tensor in zip(parts, shapes, strict=True)]
