"""Checks of clip folders: sizes by their headers, or every file decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.contact_sheet import contact_sheet
from media.errors import MediaError, PoseFileError
from media.image import image_size, read_image, write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import ConfigError
from tcan_core.training.config import FolderData
from tcan_core.training.folder_data import (
    Clip,
    check_proportions,
    clips_by_size,
    draw_crop,
    find_clips,
    read_keypoints,
)
from tcan_core.training.prepare.crops import Crop, Size, whole_image
from tcan_core.training.sheets import with_lines

_SHEET_CLIPS, _SHEET_FRAMES = 8, 4


class Problem(NamedTuple):
    """A frame that cannot be trained on."""

    clip: str
    reason: str


def check_sizes(data: FolderData) -> int:
    """Compare the sizes of all frames and poses by their headers.

    Returns:
        The number of frames.

    Raises:
        ConfigError: there are no clips, or a pose has another aspect ratio than its frame.
        MediaError: the header of a file is damaged.
    """
    frames = list(_frames(find_clips(data, 1)))
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(partial(_compare, size_of=image_size), frames):
            pass
    return len(frames)


def find_problems(clips: list[Clip]) -> Iterator[Problem | None]:
    """Decode every frame and pose; yield what is wrong with each frame, or None."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(_problem, _frames(clips))


def crop_sheet(clips: list[Clip], data: FolderData, path: Path) -> None:
    """Write crops of some clips, drawn as in training, with their poses over them.

    Args:
        data: sizes, range and share of mirrored ones of the crops.
        path: of the PNG.
    """
    rng = np.random.default_rng(0)
    indices = np.linspace(0, len(clips) - 1, min(_SHEET_CLIPS, len(clips))).round().astype(int)
    rows = []
    for clip in (clips[index] for index in indices):
        frames = rng.integers(len(clip.images), size=_SHEET_FRAMES)
        crops = [draw_crop(rng, data, clip) for _ in frames]
        [size] = clips_by_size([clip], data.crop_sizes)
        rows.append([_with_pose(clip, *one, size) for one in zip(frames, crops, strict=True)])
    labels = [clips[index].name for index in indices]
    write_png(
        path, contact_sheet(rows, labels, cell_height=max(height for height, _ in data.crop_sizes))
    )


def _with_pose(clip: Clip, frame: int, crop: Crop, size: Size) -> NDArray[np.uint8]:
    """Return the crop of a darkened frame with its pose over it, (*size, 3)."""
    image = read_image(clip.images[frame])
    if clip.keypoints is not None:
        pose = read_keypoints(clip)[frame]
        lines = draw_pose(crop.move(pose, whole_image(pose.canvas), size))
    else:
        drawn = read_image(clip.poses[frame])
        lines = crop.cut(drawn, whole_image(drawn.shape[:2]), size)
    picture = crop.cut(image, whole_image(image.shape[:2]), size)
    return with_lines(picture, lines)


def _frames(clips: list[Clip]) -> Iterator[tuple[Clip, int]]:
    return ((clip, frame) for clip in clips for frame in range(len(clip.images)))


def _decoded_size(path: Path) -> tuple[int, int]:
    height, width = read_image(path).shape[:2]
    return height, width


def _compare(frame: tuple[Clip, int], size_of: Callable[[Path], tuple[int, int]]) -> None:
    """Raise ConfigError if the pose of a frame has another aspect ratio."""
    clip, index = frame
    image = clip.images[index]
    if clip.keypoints is not None:
        pose, pose_size = clip.keypoints, read_keypoints(clip)[index].canvas
    else:
        pose = clip.poses[index]
        pose_size = size_of(pose)
    check_proportions(image, size_of(image), pose, pose_size)


def _problem(frame: tuple[Clip, int]) -> Problem | None:
    try:
        _compare(frame, _decoded_size)
    except (MediaError, PoseFileError, ConfigError) as error:
        return Problem(frame[0].name, f"{frame[0].images[frame[1]].name}: {error}")
    return None
