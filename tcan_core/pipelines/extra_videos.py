"""The videos that are written while a result is: its skeletons, and a review of all pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from media.frame_writers import FrameWriter, open_writer
from tcan_core.conditioning.pose_maps import PoseMaps
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.pipelines.driver_copy import copied_frames, temporary_copy
from tcan_core.pipelines.prepared_input import PreparedInput
from tcan_core.pipelines.review import (
    MAX_SIDE,
    Picture,
    ReviewLayout,
    ReviewWriter,
    fitted_size,
    resized,
)

CELLS = ("source", "driver", "skeleton", "result")


class ExtraVideos:
    """Writes the frames that belong to each frame of a result.

    Args:
        maps: skeletons of the result.
        poses: receives them, if it is given.
        review: receives all pictures, if it is given.
        source: the image of the character.
        driver: frames of the driving video.
    """

    def __init__(
        self,
        maps: PoseMaps,
        poses: FrameWriter | None,
        review: ReviewWriter | None,
        source: Picture,
        driver: Iterator[Picture],
    ) -> None:
        self._maps, self._poses, self._review = maps, poses, review
        self._source = source if review is None else resized(source, review.cell)
        self._driver = driver
        self._count = 0

    def write(self, result: Picture) -> None:
        """Append the pictures of the next frame, of which the result is given."""
        skeleton = self._maps.frame(self._count)
        self._count += 1
        if self._poses is not None:
            self._poses.write(skeleton)
        if self._review is not None:
            pictures = (self._source, next(self._driver), skeleton, result)
            self._review.write(dict(zip(CELLS, pictures, strict=True)))

    @property
    def layout(self) -> ReviewLayout | None:
        """The layout of the review, if there is one."""
        return None if self._review is None else self._review.layout


@contextmanager
def open_extra_videos(
    prepared: PreparedInput, maps: PoseMaps, pose_path: Path | None, review_path: Path | None
) -> Iterator[ExtraVideos]:
    """Open the videos, which appear when the block succeeds.

    Args:
        maps: skeletons of the result.
        pose_path: mp4 of the skeletons.
        review_path: mp4 of source, driver, skeleton and result.
    """
    poses = review = None
    height, width = prepared.image.shape[:2]
    with ExitStack() as stack:
        if pose_path is not None:
            poses = stack.enter_context(open_writer(pose_path, prepared.fps, maps.size))
        if review_path is not None:
            review = stack.enter_context(
                ReviewWriter(review_path, prepared.fps, CELLS, (height, width))
            )
        driver = stack.enter_context(_driver_frames(prepared, maps))
        yield ExtraVideos(maps, poses, review, prepared.image, driver)


@contextmanager
def _driver_frames(prepared: PreparedInput, maps: PoseMaps) -> Iterator[Iterator[Picture]]:
    """Yield the frames of the driving video; of a pose file or an earlier release drawn poses."""
    if prepared.driver is not None:
        with temporary_copy() as copy:
            copy.path.write_bytes(prepared.driver)
            yield copied_frames(copy.path)
    elif prepared.poses:
        size = fitted_size(prepared.poses[0].canvas, (MAX_SIDE // 2, MAX_SIDE // 2))
        yield (draw_pose(pose, size) for pose in prepared.poses)
    else:
        yield (maps.frame(index) for index in range(len(maps)))
