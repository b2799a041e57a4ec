"""Clip candidates: parts of a shot that show one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.cleaning.clean import clean_poses
from tcan_core.conditioning.cleaning.gaps import find_runs
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.detectors import NamedDetector
from tcan_core.errors import NoPersonError
from tcan_core.training.prepare.quality import ClipQuality, QualitySettings, measure_clip
from tcan_core.training.prepare.shots import ShotCutter, thumbnail
from tcan_core.training.prepare.sources import Frames

People: TypeAlias = list[Pose]  # the people in one frame

_DETECT_BATCH = 32
_STILL = CleaningSettings(reject_jumps=False, fill_gaps=False, smooth=False, min_shown_s=0.0)
_OVER_TIME = ("too short", "too still")  # kinds of reasons that a picture cannot have
NO_PERSON = "no person: none was detected in these frames"


@dataclass(frozen=True)
class Candidate:
    """A range of frames of a video, and the reasons to drop it, if any.

    Attributes:
        frames: frame indices in the video.
        shot: index of the shot in the video.
        poses: the person's poses, one per frame; empty if there is no person.
        quality: measured quality; None if there is no person.
        reasons: reasons to drop the clip; empty for a clip to keep.
    """

    frames: range
    shot: int
    poses: list[Pose]
    quality: ClipQuality | None
    reasons: list[str]

    @property
    def kind(self) -> str:
        """Either "kept" or the kind of the first reason."""
        return self.reasons[0].split(":")[0] if self.reasons else "kept"


def find_candidates(
    reader: Frames, detector: NamedDetector, settings: QualitySettings
) -> Iterator[Candidate]:
    """Cut a video into shots, track the main person of each, and check the quality.

    Candidates are yielded in frame order while the video is read; each frame belongs to exactly
    one. Only the poses of one shot are in memory at a time.

    Raises:
        MediaError: the video is damaged.
    """
    for number, (shot, people) in enumerate(_shots(reader, detector)):
        yield from _shot_candidates(number, shot, people, float(reader.fps), settings)


def picture_candidate(
    number: int, picture: NDArray[np.uint8], detector: NamedDetector, settings: QualitySettings
) -> Candidate:
    """Find the main person of a separate picture, and check what does not depend on time.

    Args:
        number: index of the picture.
        picture: (height, width, 3).
    """
    frames, people = range(number, number + 1), detector.detect(picture[None])
    try:
        poses = clean_poses(people, _STILL).poses
    except NoPersonError:
        return Candidate(frames, 0, [], None, [NO_PERSON])
    count = sum(bool(pose.detected.any()) for pose in people[0])
    quality = measure_clip(poses, [count], 0, 1.0, settings.max_people)
    reasons = [one for one in quality.reasons(settings) if not one.startswith(_OVER_TIME)]
    return Candidate(frames, 0, poses, quality, reasons)


def _shots(reader: Frames, detector: NamedDetector) -> Iterator[tuple[range, list[People]]]:
    """Yield each shot with the people in its frames."""
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
    reader: Frames, detector: NamedDetector
) -> Iterator[tuple[People, NDArray[np.float32]]]:
    """Yield the people and the thumbnail of every frame, with one batch in memory at a time."""
    frames = iter(reader)
    while batch := list(islice(frames, _DETECT_BATCH)):
        yield from zip(detector.detect(np.stack(batch)), map(thumbnail, batch), strict=True)


def _shot_candidates(
    number: int,
    shot: range,
    people: Sequence[People],
    fps: float,
    settings: QualitySettings,
) -> list[Candidate]:
    try:
        cleaned = clean_poses(people, fps=fps)
    except NoPersonError:
        return [Candidate(shot, number, [], None, [NO_PERSON])]
    present = np.array([pose.detected.any() for pose in cleaned.poses])
    rejected_share = sum(cleaned.report.rejected.values()) / max(int(present.sum()), 1)
    candidates = []
    for start, stop in sorted(find_runs(present) + find_runs(~present)):
        frames = range(shot.start + start, shot.start + stop)
        if not present[start]:
            candidates.append(Candidate(frames, number, [], None, [NO_PERSON]))
            continue
        poses = cleaned.poses[start:stop]
        counts = [sum(bool(p.detected.any()) for p in frame) for frame in people[start:stop]]
        rejected = round(rejected_share * len(poses))
        quality = measure_clip(poses, counts, rejected, fps, settings.max_people)
        candidates.append(Candidate(frames, number, poses, quality, quality.reasons(settings)))
    return candidates
