"""Conversion of folders of videos into shards of encoded clips, with a report."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from media.digest import file_sha256
from media.video_reader import VideoReader
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import ConfigError, MediaError, ParameterError
from tcan_core.models.weights.loading import find_part, load_codec
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.prepare.candidates import Candidate, find_candidates
from tcan_core.training.prepare.clip_writers import PreparedClip, ShardClipWriter
from tcan_core.training.prepare.crops import (
    Crop,
    Pictures,
    centered_region,
    random_crop,
    region_around,
)
from tcan_core.training.prepare.pictures import SheetRows, cell_numbers, draw_clip, put_sheet
from tcan_core.training.prepare.settings import PrepareSettings
from tcan_core.training.shards import ShardIndex, ShardWriter, put_text
from tcan_core.training.storage import Storage

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
REPORT = "report.json"
SPLITS = TRAIN, VALIDATION = "train", "validation"
_CROP_SCALE = (0.9, 1.0)  # of the method


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
        codec = load_codec(preset, settings.weights).to(settings.device).eval()
        size = settings.size or preset.resolution
        if size % codec.factor:
            raise ParameterError(f"size is {size}; it must be a multiple of {codec.factor}")
        self.size = (size, size)
        digest = file_sha256(find_part(preset, "vae", settings.weights))
        shards = ShardWriter(storage, ShardIndex(size, digest, self.detector.name))
        self.writer = ShardClipWriter(shards, codec)
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
            numbered = enumerate(reader)
            for clip in split_long_candidates(candidates, self.settings.max_clip_frames):
                found = self._prepared(name, reader, clip)
                self._add_clip(clip, found, _frames_of(numbered, clip))
        except MediaError as error:
            self.report.unreadable[name] = str(error)

    def _add_clip(self, clip: Candidate, found: PreparedClip, frames: Iterator[Pictures]) -> None:
        """Read the frames of a clip, write it if it is to be kept, and record it."""
        numbers, cells = cell_numbers(len(clip.frames)), list[Pictures]()
        seen = _with_kept(frames, numbers, cells)
        if clip.reasons:
            deque(seen, maxlen=0)
        else:
            self.writer.add(found, seen)
            self.report.kept_frames += len(clip.frames)
        self.report.frames += len(clip.frames)
        self.pictures.add(partial(draw_clip, clip, found, dict(zip(numbers, cells, strict=True))))
        self.report.clips.append(_entry(found, clip))

    def _prepared(self, video: str, reader: VideoReader, clip: Candidate) -> PreparedClip:
        around = region_around(clip.poses, self.size) if clip.poses else None
        region = around or centered_region(reader.size, self.size)
        name = f"{video}-{clip.frames.start:06d}"  # with the suffix: a.mp4 and a.mov may coexist
        split = split_of(video, self.settings.validation_share)
        number = 0 if clip.reasons or split == VALIDATION else self.settings.crops
        return PreparedClip(
            name,
            split,
            video,
            clip.frames.start,
            float(reader.fps),
            clip.poses,
            [region] * len(clip.frames),
            self.size,
            [Crop(), *random_crops(name, number, self.settings.flips)],
        )

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


def random_crops(name: str, number: int, flips: bool) -> list[Crop]:
    """Return the crops of a clip, which depend only on its name and so never change.

    Args:
        flips: mirror every second one, beginning with the first.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
    return [
        random_crop(rng, _CROP_SCALE, float(flips and index % 2 == 0)) for index in range(number)
    ]


def _frames_of(numbered: Iterator[tuple[int, Pictures]], clip: Candidate) -> Iterator[Pictures]:
    """Yield the frames of a clip; clips must be read in the order of their frames."""
    for index, frame in numbered:
        yield frame
        if index == clip.frames.stop - 1:
            return


def _with_kept(
    frames: Iterable[Pictures], numbers: Sequence[int], kept: list[Pictures]
) -> Iterator[Pictures]:
    """Yield the frames, and append those of these numbers to `kept`."""
    for number, frame in enumerate(frames):
        if number in numbers:
            kept.append(frame)
        yield frame


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


def _entry(found: PreparedClip, clip: Candidate) -> dict[str, Any]:
    return {
        "video": found.video,
        "split": found.split,
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
