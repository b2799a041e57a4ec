"""Candidates for clips: stretches of a shot that show one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from media.video import VideoReader
from tcan_core.conditioning.cleaning import clean_poses
from tcan_core.conditioning.cleaning.runs import runs
from tcan_core.conditioning.detectors import NamedDetector
from tcan_core.errors import NoPersonError
from tcan_core.training.prepare.quality import ClipQuality, QualitySettings, measure_clip
from tcan_core.training.prepare.shots import ShotCutter, thumbnail

People: TypeAlias = list[Pose]  # of one frame

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


def look_at_video(
    reader: VideoReader, detector: NamedDetector, settings: QualitySettings
) -> Iterator[Candidate]:
    """Cut a video into shots, follow the main person of each, and judge what there is.

    Candidates come in the order of their frames while the video is read, every frame in one of
    them; the people of one shot are in memory at a time.

    Raises:
        MediaError: the video is damaged.
    """
    for number, (shot, people) in enumerate(_shots(reader, detector)):
        yield from _of_shot(number, shot, people, float(reader.fps), settings)


def _shots(reader: VideoReader, detector: NamedDetector) -> Iterator[tuple[range, list[People]]]:
    """Yield each shot with the people of its frames."""
    cutter, waiting, start = ShotCutter(), list[People](), 0
    for people, small in _detect(reader, detector):
        waiting.append(people)
        for cut in cutter.add(small):
            yield range(start, cut), waiting[: cut - start]
            waiting, start = waiting[cut - start :], cut
    stop = start + len(waiting)
    for cut in (*cutter.end(), stop):
        if cut > start:
            yield range(start, cut), waiting[: cut - start]
            waiting, start = waiting[cut - start :], cut


def _detect(
    reader: VideoReader, detector: NamedDetector
) -> Iterator[tuple[People, NDArray[np.float32]]]:
    """Yield the people and the thumbnail of every frame, a few frames in memory at a time."""
    frames = iter(reader)
    while batch := list(islice(frames, _DETECT_BATCH)):
        yield from zip(detector.detect(np.stack(batch)), map(thumbnail, batch), strict=True)


def _of_shot(
    number: int,
    shot: range,
    inside: Sequence[People],
    fps: float,
    settings: QualitySettings,
) -> list[Candidate]:
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
