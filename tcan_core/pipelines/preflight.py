"""Checks of paths, options and weights before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from media.frame_writers import check_sound
from media.poses.archive import is_pose_file
from tcan_core.errors import ParameterError, WeightsError
from tcan_core.models.weights.presets import Preset

DETECTOR_PARTS = ("pose_detector", "subject_head")  # of the puppets' detector, which reads its own


def check_files(driving: Path, outputs: Sequence[Path], *, audio: bool = False) -> None:
    """Raise errors that would otherwise appear only after all work is done.

    Args:
        driving: a video, or pose files.
        outputs: files to write, the result first.
        audio: whether the driving video's sound is copied.

    Raises:
        ParameterError: an output's folder does not exist, the result's format or the driving file
            has no sound.
    """
    for file in outputs:
        if file.is_dir():
            raise ParameterError(f"{file} is a folder; name a file in it")
        if not file.parent.is_dir():
            raise ParameterError(f"{file}: there is no folder {file.parent}; make it first")
    if audio:
        check_sound(outputs[0])
    if audio and is_pose_file(driving):
        raise ParameterError(f"{driving.name} is a pose file, which has no sound; leave audio out")


def check_weights(preset: Preset) -> None:
    """Check that every part that renders has weights, before the inputs are read.

    Raises:
        WeightsError: some have none; the message names all of them, and one command for all that
            can be pulled.
    """
    from tcan_core.models.weights.inventory import missing_parts

    missing = [name for name in missing_parts(preset) if name not in DETECTOR_PARTS]
    if not missing:
        return
    own = [name for name in missing if preset.parts[name].pull is None]
    ways = [f"`tcan models pull {preset.name}`"] if len(own) < len(missing) else []
    if own:
        ways.append(f"`tcan models import FILE --preset {preset.name}`")
    raise WeightsError(
        f"preset {preset.name}: no weights for {', '.join(missing)}; run {' and '.join(ways)}"
    )
