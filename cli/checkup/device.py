"""Checks of a worker's device, memory and weights, which need torch."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

FIX_MEMORY = "change TCAN_RUNTIME__* by these numbers, or TCAN_MEMORY_LIMIT, or the device"
NO_WORKER = "not a worker's environment; run this in a worker's container"


def check_device(settings: Settings) -> Iterator[Finding]:
    """Compute on each of TCAN_DEVICES, or on TCAN_DEVICE, and check that the model fits."""
    for device in settings.all_devices:
        yield from _check_device(device, settings)


def _check_device(device: str, settings: Settings) -> Iterator[Finding]:
    if find_spec("torch") is None:
        yield skipped(device, NO_WORKER)
        return
    import torch

    if torch.device(device).type != "cuda":
        yield ok(device, f"{torch.get_num_threads()} threads")
        yield from _check_memory(settings, device)
        return
    if not torch.cuda.is_available():
        built = torch.version.cuda
        yield error(
            device,
            f"torch {torch.__version__} (CUDA: {built}) finds no GPU",
            "check that nvidia-smi works here, that the container has a GPU (--gpus, the device "
            "plugin), and that torch is a CUDA build no newer than the NVIDIA driver",
        )
        return
    try:
        ones = float(torch.ones(1024, device=device).sum())
    except RuntimeError as failed:
        yield error(device, f"computation failed: {failed}", "look for Xid errors in dmesg")
        return
    assert ones == 1024
    free, total = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    yield ok(
        device,
        f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free, CUDA {torch.version.cuda}",
    )
    if find_spec("xformers") is None:
        yield skipped("xformers", "not installed; torch's own fused attention is used")
    yield from _check_memory(settings, device)


def _check_memory(settings: Settings, device: str) -> Iterator[Finding]:
    """Plan as a rendering worker does; the memory of one running on the device counts as free."""
    if find_spec("tcan_core") is None:
        return  # the check of the weights reports it
    from tcan_core.errors import ConfigError, MemoryLimitError
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import Budget

    options = RuntimeOptions(**settings.runtime.model_dump(exclude={"window_batch"}))
    try:
        preset = load_preset(settings.preset)
        budget = Budget.for_device(preset, device, settings.memory_limit, idle=True)
        if budget is None:
            yield skipped("memory", "no limit here; set TCAN_MEMORY_LIMIT for one")
        elif not budget.has_measurements(options):
            detail = f"the memory use of {preset.name} is unknown, so jobs may run out of memory"
            yield warning("memory", detail, f"tcan plan --preset {preset.name} --measure ...")
        else:
            yield ok("memory", budget.summary(budget.plan(options, settings.runtime.window_batch)))
    except MemoryLimitError as failed:
        yield error("memory", f"{failed}; workers that render do not start", FIX_MEMORY)
    except ConfigError as failed:
        yield skipped("memory", str(failed))


def check_weights(settings: Settings) -> Iterator[Finding]:
    """Check that each part of the preset has weights, with the right sha256."""
    if find_spec("tcan_core") is None:
        yield skipped(settings.preset, NO_WORKER)
        return
    from tcan_core.errors import TcanError
    from tcan_core.models.weights.inventory import damaged_parts, missing_parts
    from tcan_core.models.weights.presets import load_preset

    try:
        preset = load_preset(settings.preset)
        missing = missing_parts(preset, settings.weights)
        damaged = damaged_parts(preset) if settings.weights is None else {}
    except TcanError as failed:
        yield error(settings.preset, str(failed), "choose a preset of tcan models list")
        return
    fix = pull_command(settings.preset)
    if settings.weights is not None:
        detail = f"TCAN_WEIGHTS={settings.weights} replaces the preset's own files"
        yield warning("folder", detail, "unset it, unless that is intended")
        fix = "put the missing files into that folder, or unset TCAN_WEIGHTS"
    for part, problem in (damaged | missing).items():
        yield error(part, f"{problem}; workers that render do not start", fix)
    if not damaged and not missing and settings.weights is None:
        files = [part for part in preset.parts if preset.part_file(part)]
        yield ok(settings.preset, f"{len(files)} files match the preset's sha256")


def pull_command(name: str) -> str:
    """Return how to pull weights; workers of a deployment cannot write to their folder."""
    return (
        f"tcan models pull {name}; with Compose docker compose run --rm models models pull {name} "
        "(models-cpu without a GPU), on Kubernetes delete the Job models and apply it again"
    )
