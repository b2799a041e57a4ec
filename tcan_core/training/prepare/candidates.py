"""Candidates for clips: stretches of a shot that show one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tcan_core.conditioning.cleaning import clean_poses
from tcan_core.conditioning.cleaning.runs import runs
from tcan_core.conditioning.detectors import NamedDetector
from tcan_core.conditioning.keypoints import Pose
from tcan_core.errors import NoPersonError
from tcan_core.media.limits import MediaLimits
from tcan_core.media.video import VideoReader
from tcan_core.training.prepare.quality import ClipQuality, QualitySettings, measure_clip
from tcan_core.training.prepare.shots import find_shots, thumbnail

_DETECT_BATCH = 32
NOBODY = "nobody: no person in these frames"


@dataclass(frozen=True)
class Candidate:
    """Some frames of a video, and why they are dropped, if they are.

    Attributes:
        frames: of the video.
        shot: number of the shot in the video.
        poses: of the person, one for each frame; none where nobody is.
        reasons: none for a clip that is kept.
    """

    frames: range
    shot: int
    poses: list[Pose]
    quality: ClipQuality | None
    reasons: list[str]

    @property
    def kind(self) -> str:
        """What became of it, in a word or two: "kept", or the kind of its first reason."""
        return self.reasons[0].split(":")[0] if self.reasons else "kept"


@dataclass(frozen=True)
class LookedAt:
    """A video and what was found in it."""

    fps: Fraction
    num_frames: int
    candidates: list[Candidate]


def look_at_video(
    path: Path, detector: NamedDetector, settings: QualitySettings, limits: MediaLimits
) -> LookedAt:
    """Cut a video into shots, follow the main person of each, and judge what there is.

    Raises:
        MediaError: the video cannot be used.
    """
    reader = VideoReader(path, limits)
    people, thumbnails = _detect(reader, detector)
    candidates = [
        candidate
        for number, shot in enumerate(find_shots(thumbnails))
        for candidate in _of_shot(number, shot, people, float(reader.fps), settings)
    ]
    return LookedAt(reader.fps, len(people), candidates)


def _detect(
    reader: VideoReader, detector: NamedDetector
) -> tuple[list[list[Pose]], list[NDArray[np.float32]]]:
    """Return the people and the thumbnail of every frame, a few frames in memory at a time."""
    people: list[list[Pose]] = []
    thumbnails: list[NDArray[np.float32]] = []
    batch: list[NDArray[np.uint8]] = []
    for frame in reader:
        thumbnails.append(thumbnail(frame))
        batch.append(frame)
        if len(batch) == _DETECT_BATCH:
            people += detector.detect(np.stack(batch))
            batch.clear()
    if batch:
        people += detector.detect(np.stack(batch))
    return people, thumbnails


def _of_shot(
    number: int,
    shot: range,
    people: Sequence[Sequence[Pose]],
    fps: float,
    settings: QualitySettings,
) -> list[Candidate]:
    inside = people[shot.start : shot.stop]
    try:
        cleaned = clean_poses(inside)
    except NoPersonError:
        return [Candidate(shot, number, [], None, [NOBODY])]
    there = np.array([pose.detected.any() for pose in cleaned.poses])
    rejected_share = sum(cleaned.report.rejected.values()) / max(int(there.sum()), 1)
    candidates = []
    for start, stop in sorted(runs(there) + runs(~there)):
        frames = range(shot.start + start, shot.start + stop)
        if not there[start]:
            candidates.append(Candidate(frames, number, [], None, [NOBODY]))
            continue
        poses = cleaned.poses[start:stop]
        counts = [sum(bool(p.detected.any()) for p in frame) for frame in inside[start:stop]]
        rejected = round(rejected_share * len(poses))
        quality = measure_clip(poses, counts, rejected, fps, settings.max_people)
        candidates.append(Candidate(frames, number, poses, quality, quality.reasons(settings)))
    return candidates
