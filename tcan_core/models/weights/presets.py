"""Presets: a YAML names the parts of a model, their sizes and where their weights come from.

A preset is one of those shipped (`tcan_core/presets/<name>/preset.yaml`), one in the models folder
(`<models>/<name>/preset.yaml`), or the path of a YAML. It may extend another: it then says only
what differs. Weights lie beside the YAML where a part names a file, else in the preset's store.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tcan_core.config import build
from tcan_core.errors import ConfigError
from tcan_core.models.weights.hub.files import PRESETS_FOLDER, HubFile
from tcan_core.models.weights.preset_inheritance import preset_content
from tcan_core.models.weights.store import models_folder, store_folder

# What happens where a part's weights are not at hand; any other value names a part that stands in.
REFUSE, LEAVE_OUT = "refuse", "leave_out"

NormGrouping = Literal["per_frame", "official", "diffusers"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Part:
    """One network of a preset.

    Attributes:
        config: keyword arguments of its diffusers class.
        file: weights beside the preset, or None where they lie in the preset's store.
        sha256: of the file.
        source: where the weights come from, for people.
        pull: where `tcan models pull` gets them.
        absent: what happens without weights: "refuse", "leave_out", or a part that stands in.
        store: the preset in whose store pulled or imported weights lie; filled in by
            `load_preset`.
    """

    config: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None
    source: str = ""
    pull: HubFile | None = None
    absent: str = REFUSE
    store: str = ""


@dataclass(frozen=True)
class StackedLora:
    """A LoRA that is merged into the UNets when the model is loaded, beside APPA's own.

    Attributes:
        weight: how much of it is added; 1 is all.
        file: as `tcan models import` writes it, beside the preset; None takes the store's.
        sha256: of the file.
        source: where it comes from, for people.
        pull: where `tcan models pull` gets it.
        into: the UNets that it is merged into.
        store: as of a part.
    """

    weight: float = 1.0
    file: str | None = None
    sha256: str | None = None
    source: str = ""
    pull: HubFile | None = None
    into: tuple[str, ...] = ("denoising_unet",)
    store: str = ""

    def __post_init__(self) -> None:
        wrong = set(self.into) - {"denoising_unet", "reference_unet"}
        if wrong:
            raise ConfigError(f"into: {', '.join(wrong)}; allowed: denoising_unet, reference_unet")


@dataclass(frozen=True)
class SamplingDefaults:
    """What `animate` uses where the caller says nothing."""

    num_inference_steps: int = 25
    guidance_scale: float = 7.5
    context_overlap: int = 4
    scheduler: str = "ddim"
    noise: Literal["independent", "freenoise"] = "independent"


@dataclass(frozen=True)
class Preset:
    """A model by its parts.

    Attributes:
        name: unique among presets; also the name of its store.
        resolution: side of the pictures that it was trained on, in pixels.
        prediction_type: what the denoising UNet predicts; "sample" is x0.
        detector: the pose detector for pictures of this preset.
        loras: merged on top, by name.
        norm_grouping: over which frames group norms take their statistics; see `models.norms`.
        extends: the preset that it is made from.
        folder: where the YAML was read.
    """

    name: str
    description: str
    resolution: int
    prediction_type: Literal["epsilon", "v_prediction", "sample"]
    detector: str
    parts: dict[str, Part]
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    loras: dict[str, StackedLora] = field(default_factory=dict)
    norm_grouping: NormGrouping = "per_frame"
    extends: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.loras):
            if not _NAME.fullmatch(name):
                raise ConfigError(f"name is {name!r}; allowed are letters, digits, '.', '_', '-'")
        for name, part in self.parts.items():
            self._check_absent(name, part)

    def _check_absent(self, name: str, part: Part) -> None:
        if part.absent in (REFUSE, LEAVE_OUT):
            return
        other = self.parts.get(part.absent)
        if other is None or other.absent not in (REFUSE, LEAVE_OUT):
            raise ConfigError(
                f"parts.{name}: absent is {part.absent!r}; allowed: {REFUSE}, {LEAVE_OUT}, or a "
                "part that nothing stands in for"
            )

    @property
    def config_of(self) -> dict[str, dict[str, Any]]:
        """The configuration of each part by name."""
        return {name: part.config for name, part in self.parts.items()}

    @property
    def max_context_size(self) -> int:
        """Frames that the motion modules can see together: their number of positions."""
        return int(self.config_of["motion_modules"].get("motion_max_seq_length", 32))

    @property
    def store(self) -> Path:
        """Where its pulled and imported weights lie."""
        return store_folder(self.name)

    def part_file(self, name: str) -> Path | None:
        """Return where the weights of a part lie, or None where none are named nor stored."""
        part = self.parts[name]
        return self._file(part.file, f"{name}.safetensors", part.store)

    def lora_file(self, name: str) -> Path | None:
        """Return where a stacked LoRA lies; as `part_file`."""
        lora = self.loras[name]
        return self._file(lora.file, f"loras/{name}.safetensors", lora.store)

    def _file(self, file: str | None, stored: str, store: str) -> Path | None:
        if file:
            return Path(self.folder) / file
        paths = (store_folder(one) / stored for one in (self.name, store) if one)
        return next((path for path in paths if path.exists()), None)


def load_preset(name: str) -> Preset:
    """Read a preset: a shipped one or one of the models folder by name, any by its YAML's path.

    Raises:
        ConfigError: no such preset, or its YAML is wrong.
    """
    path = preset_path(name)
    preset: Preset = build(Preset, preset_content(path, preset_path), str(path))
    return replace(preset, folder=str(path.parent))


def preset_path(name: str, beside: Path | None = None) -> Path:
    """Return the YAML of a preset.

    Args:
        name: of a preset, or path of a YAML.
        beside: the folder from which a relative path counts.

    Raises:
        ConfigError: there is none.
    """
    if name.endswith((".yaml", ".yml")):
        paths = [(beside or Path()) / name]
    else:
        paths = [folder / name / "preset.yaml" for folder in (PRESETS_FOLDER, models_folder())]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise ConfigError(
            f"no preset {name!r}; shipped are {', '.join(shipped_presets())}, "
            "or give the path of a YAML"
        )
    return found


def shipped_presets() -> list[str]:
    """Return the names of the presets in this package."""
    return _presets_in(PRESETS_FOLDER)


def own_presets() -> list[str]:
    """Return the names of the presets that the user put into the models folder."""
    return [name for name in _presets_in(models_folder()) if name not in shipped_presets()]


def _presets_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/preset.yaml"))
