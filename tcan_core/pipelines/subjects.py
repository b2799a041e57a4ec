"""Refusal of inputs that only puppets can stand in for, before any work is done."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from media.limits import MediaLimits
from media.poses.archive import is_pose_file
from media.source import LocalMediaSource, MediaSource
from media.trim import Trim
from tcan_core.errors import NotAPuppetError
from tcan_core.models.weights.presets import Preset, shipped_presets

# Presets for photographs and drawings; the first one that is shipped is recommended.
FOR_PEOPLE = ("moore", "novita", "sd15")
# Every FRAME_STEP-th of the driving video's first frames is looked at.
FIRST_FRAMES, FRAME_STEP = 32, 4
ANYWAY = "to continue anyway: any_subject (--any-subject)"


def check_subjects(
    preset: Preset,
    image: Path | None,
    driving: Path | None,
    detector: str,
    limits: MediaLimits | None = None,
    media: MediaSource | None = None,
    trim: Trim | None = None,
) -> None:
    """Check that a preset for puppets gets a puppet, and their detector a video of puppets.

    Other presets and detectors take anything. An empty driving video passes: no person will be
    found in it.

    Args:
        image: the source image; None for a preview of driving poses.
        driving: a video, or pose files, which are not checked; None for a preview of an image.
        detector: name of the detector that will read the video.
        trim: the part of the driving video; all of it by default.

    Raises:
        NotAPuppetError: an input shows something else.
        MediaError: an input cannot be read.
    """
    media = media or LocalMediaSource()
    if image is not None and "subject_head" in preset.parts:
        _check_image(preset.name, image, limits, media)
    if driving is None:
        return
    if detector.partition("@")[0] == "puppet" and not is_pose_file(driving):
        _check_video(driving, limits, media, trim or Trim())


def _check_image(preset: str, path: Path, limits: MediaLimits | None, media: MediaSource) -> None:
    from tcan_core.conditioning.puppet_detector import puppet_detector
    from tcan_core.models.networks.pose_detector import Subject

    [subject] = puppet_detector().subjects(media.image(path, limits)[None])
    if subject is not Subject.PUPPET:
        other = next(name for name in FOR_PEOPLE if name in shipped_presets())
        raise NotAPuppetError(
            f"{path.name} shows no puppet; the preset {preset} animates only this project's"
            f" puppets (tcan puppets render). For photographs: tcan models pull {other}, then the"
            f" preset {other}; {ANYWAY}"
        )


def _check_video(path: Path, limits: MediaLimits | None, media: MediaSource, trim: Trim) -> None:
    from tcan_core.conditioning.puppet_detector import puppet_detector
    from tcan_core.models.networks.pose_detector import Subject

    with media.video(path, limits) as frames:
        start = trim.frames(frames.fps).start or 0
        seen = list(islice(frames, start, start + FIRST_FRAMES, FRAME_STEP))
    if not seen:
        return
    subjects = puppet_detector().subjects(np.stack(seen))
    if subjects.count(Subject.OTHER) > len(subjects) / 2:
        raise NotAPuppetError(
            f"{path.name} shows no puppet, and the detector puppet finds nothing else. For people:"
            f" the detector auto (--detector, TCAN_DETECTOR), or a pose file; {ANYWAY}"
        )
