"""What a preset consists of: parameters counted on the meta device, files found and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from tcan_core.models.networks.lora import add_lora
from tcan_core.models.networks.motion import TemporalControlNet
from tcan_core.models.weights.builders import (
    build_controlnet,
    build_denoising_unet,
    build_part,
    controlnet_motion,
)
from tcan_core.models.weights.loading import PartFolders, count_parameters, weights_taken
from tcan_core.models.weights.presets import REFUSE, Preset
from tcan_core.models.weights.store import file_sha256, locked_file


@dataclass(frozen=True)
class PartInventory:
    """One part of a preset.

    Attributes:
        parameters: trained or pre-trained numbers in it.
        source: where its weights come from.
        sha256: of its file as the preset or its store's lock says, or None where neither does.
        present: whether its weights are at hand (or none are needed).
        license: of what `tcan models pull` fetches for it.
        absent: what happens without weights, as the preset says.
    """

    name: str
    parameters: int
    source: str
    sha256: str | None
    present: bool
    license: str = ""
    absent: str = REFUSE


def inventory(preset: Preset) -> list[PartInventory]:
    """List the parts of a preset; nothing is loaded."""
    return [_entry(preset, name) for name in preset.parts]


def _entry(preset: Preset, name: str) -> PartInventory:
    part, parameters = preset.parts[name], part_parameters(preset, name)
    path = preset.part_file(name)
    locked = locked_file(path)
    present = path.exists() if path is not None else parameters == 0
    return PartInventory(
        name,
        parameters,
        locked.origin if locked else part.source,
        part.sha256 or (locked.sha256 if locked else None),
        present,
        part.pull.license if part.pull else "",
        part.absent,
    )


def part_parameters(preset: Preset, name: str) -> int:
    """Count the parameters of one part on the meta device."""
    with torch.device("meta"):
        if name == "lora":
            return _lora_parameters(preset)
        if name == "controlnet_motion_modules":
            temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
            return sum(
                value.numel()
                for key, value in temporal.named_parameters()
                if "motion_modules" in key
            )
        network = build_part(preset, name)
        return 0 if network is None else count_parameters(network)


def known_sha256(preset: Preset, name: str) -> str | None:
    """Return the digest of a part's file that the preset or a lock says, without reading it."""
    locked = locked_file(preset.part_file(name))
    return preset.parts[name].sha256 or (locked.sha256 if locked else None)


def without_weights(preset: Preset, folder: PartFolders = None) -> dict[str, str]:
    """Return the parts without weights of their own, and what each has instead.

    Raises:
        WeightsError: a part has none, and its preset refuses that.
    """
    taken = {
        name: weights_taken(preset, name, folder)
        for name, part in preset.parts.items()
        if part.absent != REFUSE
    }
    return {name: one or "nothing" for name, one in taken.items() if one != name}


def is_zero_shot(preset: Preset, folder: PartFolders = None) -> bool:
    """Whether nothing of the model was trained by TCAN: it has no APPA, which stage 1 leaves."""
    return "lora" in preset.parts and without_weights(preset, folder).get("lora") == "nothing"


def damaged_parts(preset: Preset) -> dict[str, str]:
    """Check every file that is at hand and return what is wrong, by part."""
    wrong = {}
    for name, path, wanted in _files(preset):
        locked = locked_file(path)
        if not path.exists():
            wrong[name] = f"{path.name} is missing"
        elif wanted or locked:
            found = file_sha256(path)
            if wanted and found != wanted:
                wrong[name] = f"{path.name} has another sha256 than the preset says"
            elif locked and found != locked.sha256:
                wrong[name] = f"{path.name} has another sha256 than when it was stored"
    return wrong


def checked_files(preset: Preset) -> int:
    """Return how many files `damaged_parts` looks at."""
    return len(list(_files(preset)))


def _files(preset: Preset) -> Iterator[tuple[str, Path, str | None]]:
    for name, part in preset.parts.items():
        path = preset.part_file(name)
        if path is not None:
            yield name, path, part.sha256
    for name, lora in preset.loras.items():
        path = preset.lora_file(name)
        if path is not None:
            yield f"loras/{name}", path, lora.sha256


def _lora_parameters(preset: Preset) -> int:
    unet: UNet2DConditionModel = build_denoising_unet(preset)
    lora = preset.parts["lora"].config
    add_lora(unet, lora["rank"], lora["alpha"])
    return sum(value.numel() for key, value in unet.named_parameters() if "lora_" in key)
