"""The device and the weights of a worker, where torch is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from cli.checkup import memory
from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

AREA_DEVICE, AREA_WEIGHTS = "device", "weights"
NOT_HERE = "this is no worker's environment; run it in a worker's container"


def look_at_device(settings: Settings) -> Iterator[Finding]:
    """Whether torch can use each of TCAN_DEVICES, or TCAN_DEVICE, by using it, and whether the
    model fits there."""
    for device in settings.all_devices:
        yield from _look_at(device, settings)


def _look_at(device: str, settings: Settings) -> Iterator[Finding]:
    if find_spec("torch") is None:
        yield skipped(AREA_DEVICE, device, NOT_HERE)
        return
    import torch

    if torch.device(device).type != "cuda":
        yield ok(AREA_DEVICE, device, f"{torch.get_num_threads()} threads")
        yield from memory.look(settings, device)
        return
    if not torch.cuda.is_available():
        built = torch.version.cuda
        yield error(
            AREA_DEVICE,
            device,
            f"torch {torch.__version__} (CUDA: {built}) finds no GPU",
            "see that nvidia-smi works here, that the container got a GPU (--gpus, the device "
            "plugin), and that torch is a CUDA build no newer than the driver",
        )
        return
    try:
        total = float(torch.ones(1024, device=device).sum())
    except RuntimeError as failed:
        yield error(AREA_DEVICE, device, f"it cannot compute: {failed}", "see dmesg for Xid errors")
        return
    assert total == 1024
    free, most = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    yield ok(
        AREA_DEVICE,
        device,
        f"{name}, {free / 2**30:.1f} of {most / 2**30:.1f} GiB free, CUDA {torch.version.cuda}",
    )
    if find_spec("xformers") is None:
        yield skipped(AREA_DEVICE, "xformers", "absent; torch's own fused attention is used")
    yield from memory.look(settings, device)


def look_at_weights(settings: Settings) -> Iterator[Finding]:
    """Whether each file of the preset is there, with the sha256 that the preset says."""
    if find_spec("tcan_core") is None:
        yield skipped(AREA_WEIGHTS, settings.preset, NOT_HERE)
        return
    from tcan_core.errors import TcanError
    from tcan_core.models.weights.inventory import damaged_parts
    from tcan_core.models.weights.presets import load_preset

    try:
        preset = load_preset(settings.preset)
        wrong = damaged_parts(preset)
    except TcanError as failed:
        yield error(AREA_WEIGHTS, settings.preset, str(failed), "see tcan models list")
        return
    if settings.weights is not None:
        told = f"TCAN_WEIGHTS={settings.weights} takes the place of the preset's own files"
        yield warning(AREA_WEIGHTS, "folder", told, "nothing, if it is meant")
    for part, told in wrong.items():
        yield error(AREA_WEIGHTS, part, told, pulling(settings.preset))
    if not wrong:
        files = [part for part in preset.parts if preset.part_file(part)]
        yield ok(AREA_WEIGHTS, settings.preset, f"{len(files)} files are as the preset says")


def pulling(name: str) -> str:
    """How to fetch a preset or a detector: workers of a deployment may only read the folder."""
    return (
        f"tcan models pull {name}; with Compose docker compose run --rm models models pull {name} "
        "(models-cpu without a GPU), on Kubernetes delete the Job models and apply it again"
    )
