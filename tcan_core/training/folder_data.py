"""TikTok-style clip folders: frames and poses, encoded on demand.

A clip's poses are images, or the keypoints of a pose file, from which they are drawn at the size of
the crop and may be given errors.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from media.errors import MediaError
from media.image import image_size, read_image
from media.poses.keypoints import Pose, no_pose
from media.poses.pose_file import read_pose_file
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.errors import ConfigError
from tcan_core.training.batches import (
    ClipBatch,
    choose_examples,
    choose_frames,
    choose_size,
    frames_around,
)
from tcan_core.training.clip_folders import IMAGES, KEYPOINTS, POSES, by_number
from tcan_core.training.config import FolderData
from tcan_core.training.damaged_files import DamagedFile, DamagedFiles, too_many
from tcan_core.training.distributed import rank
from tcan_core.training.pose_augmentation import Errors, PoseAugmentation, errors_of
from tcan_core.training.prepare.crops import (
    Crop,
    Pictures,
    Size,
    nearest_size,
    random_crop,
    whole_image,
)
from tcan_core.training.puppet_data import to_images
from tcan_core.training.samples import Samples, numpy_generators

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec

_ASPECT_TOLERANCE = 0.02  # relative; sizes are rounded to pixels
_ENCODE_BATCH = 8  # a full-size image takes a gigabyte to encode
_CACHED_POSE_FILES = 64
_MAX_DRAWS = 100  # for one sample, before data counts as damaged throughout

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One clip folder: its frames in order, and the pose image of each.

    Attributes:
        keypoints: the clip's pose file, which is used in place of the images, or None.
    """

    name: str
    images: list[Path]
    poses: list[Path]
    keypoints: Path | None = None


@dataclass(frozen=True)
class PictureBatch:
    """A drawn batch of pictures.

    Attributes:
        pictures: (b, 1 + f, height, width, 3) uint8 RGB, the source and its targets.
        drawn_poses: (b, f, height, width, 3) uint8 RGB, of the targets.
        damaged: files in whose place others were drawn.
    """

    pictures: Pictures
    drawn_poses: Pictures
    damaged: Sequence[DamagedFile] = ()

    def encoded(self, codec: ImageCodec) -> ClipBatch:
        """Return the batch with latents."""
        latents = torch.stack([_latents(codec, pictures) for pictures in self.pictures])
        return ClipBatch(
            sources=latents[:, 0],
            latents=latents[:, 1:].transpose(1, 2),
            drawn_poses=torch.from_numpy(self.drawn_poses).permute(0, 4, 1, 2, 3),
        )


class FolderClips:
    """Source and consecutive target frames drawn from clip folders, with the same crop.

    A single target frame (stage 1) always differs from its source. Clips that are too short are
    left out.
    """

    def __init__(
        self,
        data: FolderData,
        num_frames: int,
        augmentation: PoseAugmentation | None = None,
    ) -> None:
        """List the clips.

        Raises:
            ConfigError: no clip is usable, a frame has no pose, or the poses shall have errors but
                no clip has keypoints.
        """
        self.data, self.num_frames = data, num_frames
        self.clips = find_clips(data, num_frames + (num_frames == 1))
        self.buckets = clips_by_size(self.clips, data.crop_sizes)
        self._damaged_examples = DamagedFiles()
        self.augmentation = augmentation
        if augmentation is not None:
            _check_keypoints(self.clips, data.root)

    def sample(self, samples: Samples) -> PictureBatch:
        """Draw one row per sample, with one crop for all images of a row.

        Raises:
            ConfigError: a pose image has another aspect ratio than its frame, or all files are
                damaged.
        """
        errors, damaged = errors_of(self.augmentation, samples), list[DamagedFile]()
        size = choose_size(samples, self.sizes)
        rows = [
            self._read(size, rng, damaged, change)
            for rng, change in zip(numpy_generators(samples), errors, strict=True)
        ]
        return _stack(rows, damaged)

    def __len__(self) -> int:
        return len(self.clips)

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `sample` draws for each sample."""
        clips = self.buckets[choose_size(samples, self.sizes)]
        return [_choose(rng, clips).name for rng in numpy_generators(samples)]

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of clips of each size of crops, (height, width) in pixels."""
        return {size: len(clips) for size, clips in self.buckets.items()}

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, Pictures]:
        """Return a batch for sample sheets, and its images (count, 1 + f, height, width, 3).

        The clips are different ones, spread over all of the size of most clips, and the source is
        not one of the targets, as far as there are clips and frames for it. The crop is the
        largest, in the middle.
        """
        size, clips = max(self.buckets.items(), key=lambda bucket: len(bucket[1]))
        lengths = [len(clip.images) for clip in clips]
        crop = Crop(self.data.crop_scale[1])
        samples, damaged = [], list[DamagedFile]()
        for index, source, first in choose_examples(lengths, self.num_frames, count):
            try:
                sample = self._cut_sample(clips[index], source, first, crop, size)
            except MediaError as error:
                damaged.append(self._damaged(clips[index], error))
                sample = self._read(size, np.random.default_rng(index), damaged)
            samples.append(sample)
        self._damaged_examples.note(damaged)
        batch = _stack(samples, damaged)
        return batch.encoded(codec), batch.pictures

    def _read(
        self,
        size: Size,
        rng: np.random.Generator,
        damaged: list[DamagedFile],
        errors: Errors = list,
    ) -> tuple[Pictures, Pictures]:
        """Return a source with its targets, (1 + f, *size, 3), and the targets' pose maps.

        If one of their files is damaged, it is added to `damaged`, and others are drawn.

        Raises:
            ConfigError: the data is damaged throughout.
        """
        for _ in range(_MAX_DRAWS):
            clip = _choose(rng, self.buckets[size])
            source, first = choose_frames(rng, len(clip.images), self.num_frames)
            crop = draw_crop(rng, self.data, clip)
            try:
                return self._cut_sample(clip, source, first, crop, size, errors)
            except MediaError as error:
                damaged.append(self._damaged(clip, error))
        raise too_many(damaged)

    def _damaged(self, clip: Clip, error: MediaError) -> DamagedFile:
        return DamagedFile(self.data.root, self.data.max_damaged, f"{clip.name}: {error}")

    def _cut_sample(
        self,
        clip: Clip,
        source: int,
        first: int,
        crop: Crop,
        size: Size,
        errors: Errors = list,
    ) -> tuple[Pictures, Pictures]:
        targets = range(first, first + self.num_frames)
        images = [read_image(clip.images[frame]) for frame in (source, *targets)]
        if clip.keypoints is not None:
            whole = images[1].shape[:2]
            check_proportions(clip.images[first], whole, clip.keypoints, canvas_of(clip))
            return _cut(images, crop, size), _draw(clip, targets, crop, size, errors)
        poses = [read_image(clip.poses[frame]) for frame in targets]
        for frame, image, pose in zip(targets, images[1:], poses, strict=True):
            check_proportions(
                clip.images[frame], image.shape[:2], clip.poses[frame], pose.shape[:2]
            )
        return _cut(images, crop, size), _cut(poses, crop, size)


def _choose(rng: np.random.Generator, clips: list[Clip]) -> Clip:
    return clips[rng.integers(len(clips))]


def _cut(pictures: list[Pictures], crop: Crop, size: Size) -> Pictures:
    return np.stack([crop.cut(one, whole_image(one.shape[:2]), size) for one in pictures])


def _draw(clip: Clip, targets: range, crop: Crop, size: Size, errors: Errors) -> Pictures:
    """Draw the poses of the targets from keypoints, (f, *size, 3)."""
    poses = read_keypoints(clip)
    around = frames_around(targets.start, targets.stop, len(poses))
    whole = whole_image(poses[0].canvas)
    moved = errors([crop.move(pose, whole, size) for pose in poses[around]])
    return draw_poses(moved[targets.start - around.start :][: len(targets)])


def _stack(rows: list[tuple[Pictures, Pictures]], damaged: list[DamagedFile]) -> PictureBatch:
    pictures, maps = zip(*rows, strict=True)
    return PictureBatch(np.stack(pictures), np.stack(maps), damaged)


def _latents(codec: ImageCodec, pictures: Pictures) -> Tensor:
    device = next(codec.parameters()).device
    batches = torch.split(to_images(pictures), _ENCODE_BATCH)
    # Encode in the codec's own dtype as shards and inference do; the caller uses autocast.
    with torch.autocast(device.type, enabled=False):
        return torch.cat([codec.encode(images.to(device)).cpu() for images in batches])


def clips_by_size(clips: Sequence[Clip], sizes: Sequence[Size]) -> dict[Size, list[Clip]]:
    """Return the clips of each size; a clip has the size of the nearest aspect ratio.

    Raises:
        ConfigError: the first image of a clip is damaged.
    """
    if len(sizes) == 1:
        return {sizes[0]: list(clips)}
    found: dict[Size, list[Clip]] = {size: [] for size in sizes}
    for clip in clips:
        try:
            found[nearest_size(sizes, image_size(clip.images[0]))].append(clip)
        except MediaError as error:
            raise ConfigError(
                f"{clip.name}: {error}; repair it, or name the clip in `left_out`"
            ) from error
    return {size: own for size, own in found.items() if own}


def draw_crop(rng: np.random.Generator, data: FolderData, clip: Clip) -> Crop:
    """Draw the crop of a sample; drawn poses are not mirrored, since their colours mean sides."""
    return random_crop(rng, data.crop_scale, data.flip_share if clip.keypoints else 0.0)


def _check_keypoints(clips: list[Clip], root: str) -> None:
    """Warn of clips without keypoints, whose poses cannot be given errors.

    Raises:
        ConfigError: no clip has any.
    """
    without = [clip.name for clip in clips if clip.keypoints is None]
    advice = f"write <clip>/{KEYPOINTS} with `tcan poses extract`"
    if len(without) == len(clips):
        raise ConfigError(
            f"{root}: no clip has keypoints, which `pose_augmentation` needs; {advice}, or remove "
            "`pose_augmentation`"
        )
    if without and rank() == 0:
        log.warning(
            "%s: %d of %d clips have no keypoints, such as %s; their poses get no errors. To "
            "change that, %s", root, len(without), len(clips), without[0], advice,
        )  # fmt: skip


def read_keypoints(clip: Clip) -> list[Pose]:
    """Return the poses of a clip's pose file, one per frame; of several people the first.

    Raises:
        PoseFileError: the file is damaged.
        ConfigError: it has another number of frames than the clip.
    """
    assert clip.keypoints is not None
    poses = _read_poses(clip.keypoints)
    if len(poses) != len(clip.images):
        raise ConfigError(
            f"{clip.keypoints} has {len(poses)} frames, but {len(clip.images)} images belong to "
            "it; both must have the same number"
        )
    return poses


def canvas_of(clip: Clip) -> tuple[int, int]:
    """Return the (height, width) on which a clip's keypoints lie."""
    return read_keypoints(clip)[0].canvas


@lru_cache(maxsize=_CACHED_POSE_FILES)
def _read_poses(path: Path) -> list[Pose]:
    document = read_pose_file(path)
    return [people[0] if people else no_pose(document.canvas) for people in document.frames]


def check_proportions(
    image_path: Path, image: tuple[int, ...], pose_path: Path, pose: tuple[int, ...]
) -> None:
    """Raise ConfigError if poses of size (height, width) have another aspect ratio than a frame."""
    (height, width), (pose_height, pose_width) = image, pose
    if abs(width * pose_height - pose_width * height) > _ASPECT_TOLERANCE * width * pose_height:
        raise ConfigError(
            f"{image_path} has {width}x{height} pixels, but its pose {pose_path} has "
            f"{pose_width}x{pose_height}; both must have the same aspect ratio. Replace one of "
            "them, or name the clip in `left_out`"
        )


def find_clips(data: FolderData, min_frames: int) -> list[Clip]:
    """Return the clips with at least `min_frames` frames, sorted by name.

    Raises:
        ConfigError: there is no such clip, a named clip is missing, or a frame has no pose.
    """
    folders = sorted(path.parent for path in Path(data.root).glob(f"*/{IMAGES}"))
    if missing := set(data.only) - {folder.name for folder in folders}:
        raise ConfigError(
            f"{data.root}: clips listed in `only` do not exist: {', '.join(sorted(missing))}"
        )
    selected = [path for path in folders if not data.only or path.name in data.only]
    clips = [_open_clip(folder) for folder in selected if folder.name not in data.left_out]
    usable = [clip for clip in clips if len(clip.images) >= min_frames]
    if not usable:
        raise ConfigError(
            f"{data.root}: no clip of {len(folders)} has at least {min_frames} frames; "
            f"expected <clip>/{IMAGES}/* and <clip>/{POSES}/*, or <clip>/{KEYPOINTS}"
        )
    return usable


def _open_clip(folder: Path) -> Clip:
    images = sorted((folder / IMAGES).glob("[!.]*"), key=by_number)
    if (folder / KEYPOINTS).is_file():
        return Clip(folder.name, images, [], folder / KEYPOINTS)
    poses = {path.stem: path for path in (folder / POSES).glob("[!.]*")}
    missing = [path.name for path in images if path.stem not in poses]
    if missing:
        raise ConfigError(
            f"{folder}: {len(missing)} of {len(images)} frames have no pose in {POSES}; "
            f"the first is {missing[0]}"
        )
    return Clip(folder.name, images, [poses[path.stem] for path in images])
