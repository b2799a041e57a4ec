"""Conversion of videos, frames and pictures into training clips, with a report."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from media.digest import file_sha256
from media.image import read_image
from media.video_reader import VideoReader
from tcan_core.conditioning.detectors import NamedDetector, build_detector
from tcan_core.errors import ConfigError, MediaError, ParameterError
from tcan_core.models.weights.loading import load_codec
from tcan_core.models.weights.part_files import find_part
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.prepare.candidates import Candidate, find_candidates, picture_candidate
from tcan_core.training.prepare.clip_writers import (
    ClipWriter,
    FolderClipWriter,
    PreparedClip,
    ShardClipWriter,
)
from tcan_core.training.prepare.crops import (
    CROP_SCALE,
    Crop,
    Pictures,
    Region,
    Size,
    centered_region,
    nearest_size,
    random_crop,
    region_around,
)
from tcan_core.training.prepare.pictures import SheetRows, cell_numbers, draw_clip, put_sheet
from tcan_core.training.prepare.settings import PrepareSettings
from tcan_core.training.prepare.sources import FrameFolder, Frames, Source, find_sources
from tcan_core.training.shards import ShardIndex, ShardWriter, put_text
from tcan_core.training.storage import FolderStorage, Storage

REPORT = "report.json"
TOO_FEW = "too few pictures: 1, under 2"
SPLITS = TRAIN, VALIDATION = "train", "validation"


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


ReportLine = Callable[[str], None]


def prepare_shards(
    place: Path,
    storage: Storage,
    settings: PrepareSettings,
    report_line: ReportLine,
    out: Path | None = None,
) -> PrepareReport:
    """Prepare every video and folder of images under a folder as shards of latents.

    Writes shards, `report.json`, `sheet.png` and last the index to the storage. Shards of an
    earlier set are removed only after that, so an interrupted run leaves that set complete.

    Args:
        place: folder of videos and images, searched recursively, or one video.
        report_line: called with each line of the progress.
        out: folder of the storage, if it is one; it is not searched.

    Raises:
        ConfigError: there is nothing to prepare, or no clip was kept.
        ParameterError: the detector does not exist, or a setting does not fit the preset.
        WeightsError: weights of the autoencoder or the detector are missing.
        StorageError: the storage is unavailable.
    """
    sources, preset = find_sources(place, out), load_preset(settings.preset)
    detector = build_detector(settings.detector or preset.detector)
    codec = load_codec(preset, settings.weights).to(settings.device).eval()
    sizes = settings.sizes or ((preset.resolution, preset.resolution),)
    for side in chain(*sizes):
        if side % codec.factor:
            raise ParameterError(f"size is {side}; it must be a multiple of {codec.factor}")
    digest = file_sha256(find_part(preset, "vae", settings.weights))
    index = ShardIndex(sizes[0][0], digest, detector.name)
    writer = ShardClipWriter(ShardWriter(storage, index), codec)
    return _Preparation(storage, writer, detector, settings, sizes, report_line).run(sources)


def prepare_folders(
    place: Path, out: Path, settings: PrepareSettings, report_line: ReportLine
) -> PrepareReport:
    """Prepare the same as `<split>/<clip>/images`, `dwpose` and `poses.json` in a new folder.

    Raises:
        ConfigError: `out` is not empty, there is nothing to prepare, or no clip was kept.
        ParameterError: the detector does not exist.
        WeightsError: weights of the detector are missing.
        StorageError: a file cannot be written.
    """
    sources, preset = find_sources(place, out), load_preset(settings.preset)
    detector = build_detector(settings.detector or preset.detector)
    sizes = settings.sizes or ((preset.resolution, preset.resolution),)
    settings = replace(settings, crops=0)
    writer = FolderClipWriter(out)
    try:
        storage = FolderStorage(writer.partial)
        return _Preparation(storage, writer, detector, settings, sizes, report_line).run(sources)
    except BaseException:
        writer.discard()
        raise


class _Preparation:
    """Detector, writer and report shared by all sources of a call."""

    def __init__(
        self,
        storage: Storage,
        writer: ClipWriter,
        detector: NamedDetector,
        settings: PrepareSettings,
        sizes: tuple[Size, ...],
        report_line: ReportLine,
    ) -> None:
        self.storage, self.writer, self.detector, self.report_line = (
            storage,
            writer,
            detector,
            report_line,
        )
        self.settings, self.limits, self.sizes = settings, settings.limits(), sizes
        self.report, self.pictures = PrepareReport(), SheetRows()

    def run(self, sources: list[Source]) -> PrepareReport:
        """Add all sources; store clips, sheet and report.

        Raises:
            ConfigError: no clip was kept.
        """
        for number, source in enumerate(sources, 1):
            self.report_line(f"{number} of {len(sources)}: {source.name}")
            self.add(source)
        if not self.report.kept:
            is_frames = self.settings.images == "frames"
            has_frames = is_frames and any(source.images for source in sources)
            raise ConfigError(_no_clips_message(self.report, has_frames))
        return self._finish()

    def add(self, source: Source) -> None:
        """Find the clips of a source, write those to keep, and record all in the report.

        Frames are read twice in parallel: by detection, and one shot later by the cropping of
        clips. If one is damaged, clips before it are kept.
        """
        self.report.videos += 1
        try:
            if not source.images:
                self._add_frames(source, VideoReader(source.path, self.limits))
            elif self.settings.images == "frames":
                fps = Fraction(self.settings.fps).limit_denominator(1001)
                self._add_frames(source, FrameFolder(source.images, fps))
            else:
                self._add_pictures(source)
        except MediaError as error:
            self.report.unreadable[source.name] = str(error)
            self.report_line(f"  unreadable: {error}")

    def _add_frames(self, source: Source, reader: Frames) -> None:
        """Add the clips of a video or of a folder of frames."""
        candidates = find_candidates(reader, self.detector, self.settings.quality)
        numbered, size = enumerate(reader), nearest_size(self.sizes, reader.size)
        for clip in split_long_candidates(candidates, self.settings.max_clip_frames):
            around = region_around(clip.poses, size) if clip.poses else None
            regions = [around or centered_region(reader.size, size)] * len(clip.frames)
            # With the suffix of a video: a.mp4 and a.mov may coexist.
            name = f"{source.name}-{clip.frames.start:06d}"
            found = self._prepared(name, source, float(reader.fps), clip, regions, size)
            self._add_clip(clip, found, _frames_of(numbered, clip))
            kind = clip.reasons[0] if clip.reasons else "kept"
            self.report_line(f"  frames {clip.frames.start}-{clip.frames.stop - 1}: {kind}")

    def _add_pictures(self, source: Source) -> None:
        """Add the pictures of a folder, each cropped by itself, as one clip."""
        kept = list[tuple[Path, Candidate, Region]]()
        size: Size | None = None
        for number, path in enumerate(source.images):
            try:
                picture = read_image(path)
            except MediaError as error:
                self.report.unreadable[f"{source.name}/{path.name}"] = str(error)
                self.report_line(f"  unreadable: {error}")
                continue
            image = (picture.shape[0], picture.shape[1])
            size = size or nearest_size(self.sizes, image)
            one = picture_candidate(number, picture, self.detector, self.settings.quality)
            if not one.reasons:
                kept.append((path, one, region_around(one.poses, size)))
                continue
            self.report_line(f"  {path.name}: {one.reasons[0]}")
            regions = [centered_region(image, size)]
            self._add_clip(
                one, self._prepared(path.name, source, 0.0, one, regions, size), iter([picture])
            )
        if kept and size:
            reasons = [] if len(kept) > 1 else [TOO_FEW]
            poses = [one.poses[0] for _, one, _ in kept]
            clip = Candidate(range(len(kept)), 0, poses, None, reasons)
            regions = [each for _, _, each in kept]
            found = self._prepared(source.name, source, 0.0, clip, regions, size)
            self._add_clip(clip, found, (read_image(path) for path, _, _ in kept))
            self.report_line(f"  {len(kept)} pictures: {clip.kind}")

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

    def _prepared(
        self,
        name: str,
        source: Source,
        fps: float,
        clip: Candidate,
        regions: list[Region],
        size: Size,
    ) -> PreparedClip:
        split = split_of(source.name, self.settings.validation_share)
        number = 0 if clip.reasons or split == VALIDATION else self.settings.crops
        crops = [Crop(), *random_crops(name, number, self.settings.flips)]
        first = clip.frames.start
        return PreparedClip(name, split, source.name, first, fps, clip.poses, regions, size, crops)

    def _finish(self) -> PrepareReport:
        put_sheet(self.storage, self.pictures.rows)
        put_text(self.storage, REPORT, json.dumps(_plain(self.report, self.settings), indent=1))
        self.writer.close()
        return self.report


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
        random_crop(rng, CROP_SCALE, float(flips and index % 2 == 0)) for index in range(number)
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


def _no_clips_message(report: PrepareReport, has_frames: bool) -> str:
    kinds = [f"{kind} ({count})" for kind, count in report.dropped().most_common()]
    kinds += [f"{name}: {why}" for name, why in list(report.unreadable.items())[:3]]
    message = f"no clip of the {report.videos} videos and folders was kept: {', '.join(kinds)}"
    advice = ". Give folders of separate pictures with --images pictures"
    return message + advice * has_frames
