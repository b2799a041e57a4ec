"""Presets: a YAML names the parts of a model, their sizes and where their weights come from.

A preset is one of those shipped (`tcan_core/presets/<name>/preset.yaml`) or the path of a
preset.yaml. Files of weights lie beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tcan_core.config import load_config
from tcan_core.errors import ConfigError

PRESETS_FOLDER = Path(__file__).parent.parent / "presets"


@dataclass(frozen=True)
class Part:
    """One network of a preset.

    Attributes:
        config: keyword arguments of its diffusers class.
        file: weights beside the preset, or None where `source` must be pulled first.
        sha256: of the file.
        source: where the weights come from, for people.
    """

    config: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None
    source: str = ""


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
        name: unique among presets.
        resolution: side of the pictures that it was trained on, in pixels.
        prediction_type: what the denoising UNet predicts; "sample" is x0.
        detector: the pose detector for pictures of this preset.
        folder: where the YAML was read.
    """

    name: str
    description: str
    resolution: int
    prediction_type: Literal["epsilon", "v_prediction", "sample"]
    detector: str
    parts: dict[str, Part]
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    folder: str = ""

    @property
    def config_of(self) -> dict[str, dict[str, Any]]:
        """The configuration of each part by name."""
        return {name: part.config for name, part in self.parts.items()}

    @property
    def max_context_size(self) -> int:
        """Frames that the motion modules can see together: their number of positions."""
        return int(self.config_of["motion_modules"].get("motion_max_seq_length", 32))

    def part_file(self, name: str) -> Path | None:
        """Return where the weights of a part lie, or None where the preset names no file."""
        file = self.parts[name].file
        return Path(self.folder) / file if file else None


def load_preset(name: str) -> Preset:
    """Read a shipped preset by name, or any by the path of its YAML.

    Raises:
        ConfigError: no such preset, or its YAML is wrong.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS_FOLDER / name / "preset.yaml"
    if not path.exists():
        raise ConfigError(
            f"no preset {name!r}; shipped are {', '.join(shipped_presets())}, "
            "or give the path of a YAML"
        )
    content = load_config(path, Preset)
    return replace(content, folder=str(path.parent), parts=_with_sums(content.parts, path.parent))


def _with_sums(parts: dict[str, Part], folder: Path) -> dict[str, Part]:
    """Take over files and digests from `SHA256SUMS` beside the YAML, where parts name none."""
    sums = folder / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    digests = {file.removeprefix("*"): digest for digest, file in (line.split() for line in lines)}
    return {
        name: replace(part, file=file, sha256=digests[file])
        if (file := part.file or f"{name}.safetensors") in digests
        else part
        for name, part in parts.items()
    }


def shipped_presets() -> list[str]:
    """Return the names of the presets in this package."""
    return sorted(path.parent.name for path in PRESETS_FOLDER.glob("*/preset.yaml"))
