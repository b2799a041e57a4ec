"""Weights that a stage starts from, by the value of an `initial_...` key."""

from __future__ import annotations

from torch import Tensor

from tcan_core.models.weights.part_files import read_part, weights_source
from tcan_core.models.weights.presets import Preset
from tcan_core.training.config import OWN, folder_of


def read_initial(preset: Preset, part: str, place: str) -> dict[str, Tensor] | None:
    """Read the weights of a part, from a folder or from the preset.

    Args:
        place: folder with `<part>.safetensors`, or "preset" for the preset's own weights, where a
            missing part follows the rule of its `absent`.

    Returns:
        The weights, or None if the preset leaves the part out.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    source = weights_source(preset, part) if place == OWN else part
    return None if source is None else read_part(preset, source, folder_of(place))
