"""Conversion of folders of videos into shards of encoded clips, with a report."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from media.digest import file_sha256
from media.limits import MediaLimits
from media.timing import MAX_FPS
from media.video_reader import VideoReader
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import ConfigError, MediaError, ParameterError
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.loading import find_part, load_codec
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.prepare.candidates import Candidate, find_candidates
from tcan_core.training.prepare.crops import Square, centered_square, square_around
from tcan_core.training.prepare.pictures import SheetRows, draw_clip, put_sheet
from tcan_core.training.prepare.quality import QualitySettings
from tcan_core.training.puppet_data import to_images
from tcan_core.training.shards import ShardIndex, ShardWriter, put_text
from tcan_core.training.storage import Storage

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
REPORT = "report.json"
SPLITS = TRAIN, VALIDATION = "train", "validation"
_ENCODE_BATCH = 8  # a full-size image takes a gigabyte to encode


@dataclass(frozen=True)
class PrepareSettings:
    """Settings of data preparation.

    Attributes:
        preset: preset whose autoencoder encodes the clips.
        weights: folder with the preset's parts; None uses the preset's own.
        size: side of the clips in pixels; None uses the preset's.
        detector: name of the pose detector; None uses the preset's.
        device: torch device of the autoencoder.
        validation_share: fraction of the videos held out for validation, chosen by name, 0..1.
        max_clip_frames: longer clips are cut into parts of about equal length.
        max_duration_s: longer videos are rejected.

    Raises:
        ParameterError: a value is out of its range.
    """

    preset: str = "sd15"
    weights: Path | None = None
    size: int | None = None
    detector: str | None = None
    device: str = "cpu"
    validation_share: float = 0.05
    max_clip_frames: int = 600
    max_duration_s: float = 12 * 3600.0
    quality: QualitySettings = field(default_factory=QualitySettings)

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share < 1:
            raise ParameterError(
                f"validation_share is {self.validation_share}; it must be at least 0 and below 1"
            )
        if not 0 < self.max_duration_s < float("inf"):
            raise ParameterError(f"max_duration_s is {self.max_duration_s}; it must be above 0")
        if self.max_clip_frames < self.quality.min_frames:
            raise ParameterError(
                f"max_clip_frames is {self.max_clip_frames}; it must be at least min_frames, "
                f"{self.quality.min_frames}"
            )

    def limits(self) -> MediaLimits:
        """Return generous limits: the user's own videos are streamed, of any size and rate."""
        frames = max(1, round(self.max_duration_s * MAX_FPS))
        pixels = MediaLimits.max_pixels * frames
        return MediaLimits(
            max_bytes=2**40,
            max_frames=frames,
            max_duration_s=self.max_duration_s,
            max_video_pixels=pixels,
        )


@dataclass
class PrepareReport:
    """Numbers of kept and dropped clips; `clips` has one dictionary per candidate."""

    videos: int = 0
    frames: int = 0
    kept_frames: int = 0
    clips: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Number of kept clips."""
        return sum(not clip["reasons"] for clip in self.clips)

    def splits(self) -> dict[str, int]:
        """Return the number of kept clips per split."""
        counts = Counter(clip["split"] for clip in self.clips if not clip["reasons"])
        return {split: counts[split] for split in SPLITS}

    def dropped(self) -> Counter[str]:
        """Return the number of dropped candidates by the kind of their first reason."""
        return Counter(clip["kind"] for clip in self.clips if clip["reasons"])


Progress = Callable[[int, int, str], None]


def prepare_videos(
    folder: Path,
    storage: Storage,
    settings: PrepareSettings,
    progress: Progress | None = None,
) -> PrepareReport:
    """Prepare every video under a folder.

    Writes shards, `report.json`, `sheet.png` and last the index to the storage. Shards of an
    earlier set are removed only after that, so an interrupted run leaves that set complete.

    Args:
        folder: folder of videos, searched recursively.
        progress: called with the number of finished videos, of all videos, and the next name.

    Raises:
        ConfigError: there is no video, or no clip was kept.
        ParameterError: the detector does not exist.
        WeightsError: weights of the autoencoder or the detector are missing.
        StorageError: the storage is unavailable.
    """
    videos = find_videos(folder)
    preparation = _Preparation(storage, settings)
    for number, video in enumerate(videos):
        name = video.relative_to(folder).as_posix()
        if progress is not None:
            progress(number, len(videos), name)
        preparation.add_video(video, name)
    return preparation.finish()


class _Preparation:
    """Models, writer and report shared by all videos of a call."""

    def __init__(self, storage: Storage, settings: PrepareSettings) -> None:
        preset = load_preset(settings.preset)
        self.storage, self.settings, self.limits = storage, settings, settings.limits()
        self.detector = build_detector(settings.detector or preset.detector)
        self.codec = load_codec(preset, settings.weights).to(settings.device).eval()
        self.size = settings.size or preset.resolution
        if self.size % self.codec.factor:
            raise ParameterError(
                f"size is {self.size}; it must be a multiple of {self.codec.factor}"
            )
        digest = file_sha256(find_part(preset, "vae", settings.weights))
        self.writer = ShardWriter(storage, ShardIndex(self.size, digest, self.detector.name))
        self.report, self.pictures = PrepareReport(), SheetRows()

    def add_video(self, video: Path, name: str) -> None:
        """Find the clips of a video, encode those to keep, and record all in the report.

        The video is read twice in parallel: by detection, and one shot later by the cropping of
        clips. If it is damaged, clips before the damage are kept.
        """
        self.report.videos += 1
        try:
            reader = VideoReader(video, self.limits)
            candidates = find_candidates(reader, self.detector, self.settings.quality)
            clips = split_long_candidates(candidates, self.settings.max_clip_frames)
            for clip, square, frames in _read(reader, clips, self.size):
                self.report.frames += len(clip.frames)
                if not clip.reasons:
                    self._keep(name, float(reader.fps), clip, square, frames)
                self.pictures.add(partial(draw_clip, name, clip, square, frames, self.size))
                self.report.clips.append(_entry(name, self._split(name), clip))
        except MediaError as error:
            self.report.unreadable[name] = str(error)

    def finish(self) -> PrepareReport:
        """Store sheet, report and index.

        Raises:
            ConfigError: no clip was kept.
        """
        if not self.report.kept:
            raise ConfigError(_no_clips_message(self.report))
        put_sheet(self.storage, self.pictures.rows)
        put_text(self.storage, REPORT, json.dumps(_plain(self.report, self.settings), indent=1))
        self.writer.close()
        return self.report

    def _keep(
        self, name: str, fps: float, clip: Candidate, square: Square, frames: NDArray[np.uint8]
    ) -> None:
        self.writer.add(
            _encode(frames, self.codec, self.settings.device),
            [square.move(pose, self.size) for pose in clip.poses],
            name=f"{name}-{clip.frames.start:06d}",  # with the suffix: a.mp4 and a.mov may coexist
            split=self._split(name),
            video=name,
            first_frame=clip.frames.start,
            fps=fps,
        )
        self.report.kept_frames += len(frames)

    def _split(self, name: str) -> str:
        return split_of(name, self.settings.validation_share)


def find_videos(folder: Path) -> list[Path]:
    """Return the videos under a folder, sorted by path.

    Raises:
        ConfigError: there is none.
    """
    videos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise ConfigError(f"{folder}: no videos found; supported are {', '.join(VIDEO_SUFFIXES)}")
    return videos


def split_of(name: str, validation_share: float) -> str:
    """Return the split of a video, which depends only on its name and so never changes."""
    position = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32
    return VALIDATION if position < validation_share else TRAIN


def _read(
    reader: VideoReader, clips: Iterable[Candidate], size: int
) -> Iterator[tuple[Candidate, Square, NDArray[np.uint8]]]:
    """Read a video from its start, and yield each candidate with its square and its frames.

    Candidates must be in frame order. Frames are (frames, size, size, 3); for a dropped candidate
    only some are returned.
    """
    numbered = enumerate(reader)
    for clip in clips:
        square = square_around(clip.poses) if clip.poses else centered_square(reader.size)
        indices = clip.frames[:: max(1, len(clip.frames) // 6)] if clip.reasons else clip.frames
        crops = []
        for index, frame in numbered:
            if index in indices:
                crops.append(square.cut(frame, size))
            if index == clip.frames.stop - 1:
                break
        yield clip, square, np.stack(crops)


def split_long_candidates(candidates: Iterable[Candidate], max_frames: int) -> Iterator[Candidate]:
    """Split candidates to keep that are longer than `max_frames` into about equal parts."""
    return (part for candidate in candidates for part in _parts(candidate, max_frames))


def _parts(candidate: Candidate, max_frames: int) -> list[Candidate]:
    count = -(-len(candidate.frames) // max_frames)
    if count <= 1 or candidate.reasons:
        return [candidate]
    edges = np.linspace(0, len(candidate.frames), count + 1).round().astype(int)
    return [
        replace(candidate, frames=candidate.frames[a:b], poses=candidate.poses[a:b])
        for a, b in zip(edges, edges[1:], strict=False)
    ]


@torch.no_grad()
def _encode(frames: NDArray[np.uint8], codec: ImageCodec, device: str) -> torch.Tensor:
    batches = (
        frames[first : first + _ENCODE_BATCH] for first in range(0, len(frames), _ENCODE_BATCH)
    )
    return torch.cat([codec.encode(to_images(batch).to(device)).cpu() for batch in batches])


def _entry(name: str, split: str, clip: Candidate) -> dict[str, Any]:
    return {
        "video": name,
        "split": split,
        "shot": clip.shot,
        "first_frame": clip.frames.start,
        "frames": len(clip.frames),
        "reasons": clip.reasons,
        "kind": clip.kind,
        "quality": clip.quality and asdict(clip.quality),
    }


def _plain(report: PrepareReport, settings: PrepareSettings) -> dict[str, Any]:
    plain_settings = asdict(settings) | {"weights": settings.weights and str(settings.weights)}
    counts = {
        "kept": report.kept,
        "splits": report.splits(),
        "dropped": dict(report.dropped()),
    }
    return {"settings": plain_settings} | counts | asdict(report)


def _no_clips_message(report: PrepareReport) -> str:
    kinds = [f"{kind} ({count})" for kind, count in report.dropped().most_common()]
    kinds += [f"{name}: {why}" for name, why in list(report.unreadable.items())[:3]]
    return f"no clip of the {report.videos} videos was kept: {', '.join(kinds)}"
