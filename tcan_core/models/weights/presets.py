"""Presets: YAML files with the parts of a model, their sizes and the origin of their weights.

A preset is shipped (`tcan_core/presets/<name>/preset.yaml`), in the models folder
(`<models>/<name>/preset.yaml`), or any YAML by its path. It may extend another preset and then
contains only the differences. If a part names a file, its weights are next to the YAML, otherwise
in the preset's store.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from tcan_core.config import build
from tcan_core.errors import ConfigError
from tcan_core.models.weights.hub.files import PRESETS_FOLDER, HubFile
from tcan_core.models.weights.preset_inheritance import preset_content
from tcan_core.models.weights.preset_sections import (
    ReferenceUse,
    SamplingDefaults,
    ScheduleSettings,
    SkeletonStyle,
)
from tcan_core.models.weights.store import models_folder, store_folder

# Rules for a part without weights; any other value names a part that substitutes it.
REFUSE, LEAVE_OUT = "refuse", "leave_out"

NormGrouping = Literal["per_frame", "official", "diffusers"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Part:
    """One network of a preset.

    Attributes:
        config: keyword arguments of its diffusers class.
        file: weights file next to the preset; None for weights in the preset's store.
        sha256: digest of the file.
        source: origin of the weights, for display.
        pull: file on the hub that `tcan models pull` downloads.
        absent: rule for missing weights: "refuse", "leave_out", or the name of a substitute part.
        store: the preset whose store gets pulled weights; set by `load_preset`.
        stores: presets whose stores are searched, this one first, then those that it extends; set
            by `load_preset`.
    """

    config: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None
    source: str = ""
    pull: HubFile | None = None
    absent: str = REFUSE
    store: str = ""
    stores: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergedLora:
    """A LoRA that is merged into the UNets when the model is loaded, in addition to APPA's.

    Attributes:
        weight: scale of the LoRA; 1 is full strength.
        file: file next to the preset, in the format of `tcan models import`; None for the store's.
        sha256: digest of the file.
        source: origin of the LoRA, for display.
        pull: file on the hub that `tcan models pull` downloads.
        into: the UNets that it is merged into.
        store, stores: as of a part.
    """

    weight: float = 1.0
    file: str | None = None
    sha256: str | None = None
    source: str = ""
    pull: HubFile | None = None
    into: tuple[str, ...] = ("denoising_unet",)
    store: str = ""
    stores: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.into) - {"denoising_unet", "reference_unet"}
        if unknown:
            raise ConfigError(
                f"into: {', '.join(unknown)}; allowed: denoising_unet, reference_unet"
            )


@dataclass(frozen=True)
class Preset:
    """A model as a set of parts.

    Attributes:
        name: unique name; also the name of its store.
        description: one line for display.
        resolution: side of the training images in pixels.
        prediction_type: prediction of the denoising UNet; "sample" is x0.
        detector: name of the pose detector for its images; "auto" is the best one installed.
        loras: LoRAs merged into the UNets, by name.
        condition: the driving input: "poses", which are drawn, or a video of "maps" as it is.
        text: what cross-attention sees: the empty "prompt", or an embedding of the "image" (zeros
            in the unconditional half).
        reference: where and when the reference is read.
        schedule: noise schedule of training.
        skeleton: how poses are drawn.
        fit: images keep their aspect ("keep"), or are squeezed to a square ("stretch").
        norm_grouping: the frames that share statistics in group norms; see `networks.norms`.
        folder: folder of its YAML.
    """

    name: str
    description: str
    resolution: int
    prediction_type: Literal["epsilon", "v_prediction", "sample"]
    parts: dict[str, Part]
    detector: str = "auto"
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    loras: dict[str, MergedLora] = field(default_factory=dict)
    condition: Literal["poses", "maps"] = "poses"
    fit: Literal["keep", "stretch"] = "keep"
    text: Literal["prompt", "image"] = "prompt"
    reference: ReferenceUse = field(default_factory=ReferenceUse)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    skeleton: SkeletonStyle = field(default_factory=SkeletonStyle)
    norm_grouping: NormGrouping = "per_frame"
    extends: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.loras):
            check_name(name)
        for name, part in self.parts.items():
            self._check_absent(name, part)

        if {"controlnet", "pose_guider"} <= set(self.parts):
            raise ConfigError(
                "parts: controlnet and pose_guider exclude each other; set one of them to null"
            )
        if self.schedule.zero_terminal_snr and self.prediction_type == "epsilon":
            raise ConfigError(
                "schedule: zero_terminal_snr needs prediction_type v_prediction or sample; epsilon "
                "says nothing about the image at the first timestep"
            )
        if self.text == "image" and "image_encoder" not in self.parts:
            raise ConfigError("text is 'image', which needs the part image_encoder")

    def _check_absent(self, name: str, part: Part) -> None:
        if part.absent in (REFUSE, LEAVE_OUT):
            return
        other = self.parts.get(part.absent)
        if other is None or other.absent not in (REFUSE, LEAVE_OUT):
            raise ConfigError(
                f"parts.{name}: absent is {part.absent!r}; allowed: {REFUSE}, {LEAVE_OUT}, or the "
                "name of a part that has no substitute itself"
            )

    @property
    def config_of(self) -> dict[str, dict[str, Any]]:
        """The configuration of each part by name."""
        return {name: part.config for name, part in self.parts.items()}

    @property
    def max_context_size(self) -> int:
        """Maximum number of frames per window: the motion modules' number of positions."""
        return int(self.config_of["motion_modules"].get("motion_max_seq_length", 32))

    @property
    def store(self) -> Path:
        """Folder of its pulled and imported weights."""
        return store_folder(self.name)

    def part_file(self, name: str) -> Path | None:
        """Return the weights file of a part, or None if none is named or stored."""
        part = self.parts[name]
        return self._file(part.file, f"{name}.safetensors", part.stores)

    def lora_file(self, name: str) -> Path | None:
        """Return the file of a merged LoRA, or None if none is named or stored."""
        lora = self.loras[name]
        return self._file(lora.file, f"loras/{name}.safetensors", lora.stores)

    def _file(self, file: str | None, stored: str, stores: tuple[str, ...]) -> Path | None:
        if file:
            return Path(self.folder) / file
        paths = (store_folder(name) / stored for name in dict.fromkeys((self.name, *stores)))
        return next((path for path in paths if path.exists()), None)


def check_name(name: str) -> None:
    """Raise ConfigError if a preset or a LoRA cannot have this name."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"name is {name!r}; allowed: letters, digits, '.', '_' and '-'")


def load_preset(name: str) -> Preset:
    """Read a preset by name (shipped or in the models folder) or by the path of its YAML.

    Raises:
        ConfigError: there is no such preset, or its YAML is invalid.
    """
    path = preset_path(name)
    preset: Preset = build(Preset, preset_content(path, preset_path), str(path))
    return replace(preset, folder=str(path.parent))


def preset_path(name: str, relative_to: Path | None = None) -> Path:
    """Return the YAML of a preset.

    Args:
        name: name of a preset, or path of a YAML.
        relative_to: base folder of a relative path; None uses the working directory.

    Raises:
        ConfigError: there is none.
    """
    if name.endswith((".yaml", ".yml")):
        paths = [(relative_to or Path()) / name]
    else:
        paths = [folder / name / "preset.yaml" for folder in (PRESETS_FOLDER, models_folder())]
    existing = next((path for path in paths if path.exists()), None)
    if existing is None:
        shipped = shipped_presets()
        nearest = "".join(f"; did you mean {one!r}?" for one in get_close_matches(name, shipped, 1))
        raise ConfigError(
            f"no preset {name!r}; use one of {', '.join(shipped)}, or the path of a YAML{nearest}"
        )
    return existing


def shipped_presets() -> list[str]:
    """Return the names of the shipped presets."""
    return _presets_in(PRESETS_FOLDER)


def own_presets() -> list[str]:
    """Return the names of the user's presets in the models folder."""
    return [name for name in _presets_in(models_folder()) if name not in shipped_presets()]


def _presets_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/preset.yaml"))
