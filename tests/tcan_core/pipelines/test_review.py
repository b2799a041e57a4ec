"""Reviews: frame n of each picture is frame n of the result and of the driver as trimmed.

Frames show their number as a level of grey.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from media.image import read_image
from media.trim import Trim
from media.video_reader import read_video
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import PreparedInput, prepare, render
from tcan_core.pipelines.detect_people import detect_people
from tcan_core.pipelines.driver_copy import DriverCopy, copied_frames
from tcan_core.pipelines.extra_videos import CELLS
from tcan_core.pipelines.review import Cell, ReviewLayout, ReviewWriter, fitted_size, resized
from tests.media.make_media import make_video
from tests.tcan_core.pipelines.conftest import DETECTOR, FRAMES, SIZE

Picture = NDArray[np.uint8]
FPS = Fraction(30000, 1001)
NTSC = "30000/1001"
FIRST, STEP = 40, 9  # levels of grey; the detector of these tests sees nobody in black frames


def numbered(index: int, size: tuple[int, int] = (48, 64)) -> Picture:
    return np.full((*size, 3), FIRST + STEP * index, np.uint8)


def number_of(picture: Picture) -> int:
    """Return the number that the middle of a picture shows."""
    height, width = picture.shape[:2]
    middle = float(picture[height // 3 : -height // 3, width // 3 : -width // 3].mean())
    assert abs(middle - FIRST - STEP * round((middle - FIRST) / STEP)) < STEP / 2 - 0.5
    return round((middle - FIRST) / STEP)


def cut(frame: Picture, cell: Cell) -> Picture:
    return frame[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width]


def numbers_in(path: Path, cell: Cell) -> list[int]:
    return [number_of(cut(frame, cell)) for frame in read_video(path)]


def write_review(path: Path, count: int) -> ReviewLayout:
    """Write a review whose cells show numbers that are 1 apart."""
    with ReviewWriter(path, FPS, CELLS, (48, 64)) as review:
        for index in range(count):
            pictures = [numbered(index + shift) for shift in range(len(CELLS))]
            review.write(dict(zip(CELLS, pictures, strict=True)))
    return review.layout


def test_each_cell_shows_the_frame_of_its_number(tmp_path: Path) -> None:
    layout = write_review(tmp_path / "review.mp4", 20)
    assert (layout.width, layout.height, layout.fps, layout.frames) == (128, 96, NTSC, 20)
    assert layout.cells["source"] == Cell(0, 0, 64, 48)
    assert layout.cells["result"] == Cell(64, 48, 64, 48)
    for shift, name in enumerate(CELLS):
        found = numbers_in(tmp_path / "review.mp4", layout.cells[name])
        assert found == [index + shift for index in range(20)]


def test_players_find_each_frame_by_its_number(tmp_path: Path) -> None:
    """The file has a constant rate, no reordered frames, key frames and its index at the front."""
    write_review(tmp_path / "review.mp4", 20)
    with av.open(str(tmp_path / "review.mp4")) as container:
        [stream] = container.streams
        assert isinstance(stream, VideoStream) and stream.average_rate == FPS
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
        assert times == [index / FPS for index in range(20)]
        assert [packet.dts for packet in packets] == [packet.pts for packet in packets]
        keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    assert keys[0] == 0 and max(np.diff([*keys, 20])) <= 8
    content = (tmp_path / "review.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "names", "expected"),
    [
        ((1000, 2000), CELLS, (640, 1280)),
        ((3000, 1000), CELLS, (1280, 428)),
        ((99, 101), ("driver", "fit"), (100, 200)),
        ((720, 1280), ("driver",), (720, 1280)),
        ((20, 2000), ("driver",), (14, 1280)),
    ],
)
def test_review_has_at_most_1280_pixels_on_a_side(
    tmp_path: Path, size: tuple[int, int], names: tuple[str, ...], expected: tuple[int, int]
) -> None:
    with ReviewWriter(tmp_path / "r.mp4", Fraction(25), names, size) as review:
        review.write({name: numbered(0, size) for name in names})
    layout = review.layout
    assert (layout.height, layout.width) == pytest.approx(expected, abs=2)
    with av.open(str(tmp_path / "r.mp4")) as container:
        stored = container.streams.video[0]
        assert (stored.height, stored.width) == (layout.height, layout.width)


def test_picture_of_another_aspect_has_bars(tmp_path: Path) -> None:
    with ReviewWriter(tmp_path / "r.mp4", Fraction(25), ("driver",), (64, 64)) as review:
        review.write({"driver": numbered(20, (32, 64))})
    [frame] = read_video(tmp_path / "r.mp4")
    assert number_of(frame[16:48]) == 20
    assert frame[:14].max() < 16 and frame[-14:].max() < 16


def test_sizes_keep_their_aspect() -> None:
    assert fitted_size((100, 50), (640, 640)) == (100, 50)
    assert fitted_size((2000, 1000), (640, 640)) == (640, 320)
    assert resized(numbered(0, (30, 40)), (60, 100)).shape == (60, 80, 3)


@pytest.mark.parametrize("is_variable", [False, True])
def test_copy_has_the_frames_that_are_detected(tmp_path: Path, is_variable: bool) -> None:
    """A video of variable rate is copied as it is read, with repeated frames."""
    count = 20
    times_ms = [40 * index + 400 * (index > 9) for index in range(count)] if is_variable else None
    frames = [numbered(index) for index in range(count)]
    video = make_video(tmp_path / "d.mp4", frames, fps=Fraction(25), times_ms=times_ms)
    part = Trim(0.2, 0.7).frames(25)
    read = [number_of(frame) for frame in read_video(video)]
    assert (read == list(range(count))) is not is_variable
    with DriverCopy(tmp_path / "copy.mp4") as copy:
        detect_people(video, detector=DETECTOR, trim=Trim(0.2, 0.7), keep=copy.keep)
    assert [number_of(frame) for frame in copied_frames(copy.path)] == read[part]
    assert copy.content() == copy.path.read_bytes()


def test_copy_without_frames_has_no_file(tmp_path: Path) -> None:
    with DriverCopy(tmp_path / "copy.mp4") as copy:
        pass
    assert copy.content() is None and not copy.path.exists()


class Stamp:
    """A frame filter that replaces each frame of a result by its number."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: Picture) -> Picture:
        self.count += 1
        return numbered(self.count - 1, (frame.shape[0], frame.shape[1]))


def rendered(
    pipeline: AnimatePipeline, prepared: PreparedInput, folder: Path
) -> tuple[Path, ReviewLayout]:
    """Render a result of numbered frames with its review."""
    settings = AnimateSettings(num_inference_steps=1, context_size=4, context_overlap=1)
    report = render(
        pipeline, prepared, folder / "result.mp4", settings, pose_path=folder / "pose.mp4",
        review_path=folder / "review.mp4", frame_filter=Stamp(),
    )  # fmt: skip
    assert report.review is not None and report.review.frames == report.frames
    return folder / "review.mp4", report.review


def test_review_of_an_animation_is_in_step(
    pipeline: AnimatePipeline, pair: Path, tmp_path: Path
) -> None:
    frames = [numbered(index) for index in range(20)]
    driving = make_video(tmp_path / "d.mp4", frames, fps=FPS)
    trim = Trim(0.1, 0.4)
    first = trim.frames(FPS).start
    made = prepare(pair / "source.png", driving, detector=DETECTOR, keep_driver=True, trim=trim)
    made.save(tmp_path / "prepared.zip")
    stored = PreparedInput.load(tmp_path / "prepared.zip", pair / "source.png")
    assert stored.driver == made.driver
    review, layout = rendered(pipeline, stored, tmp_path)
    count = len(made.poses)
    assert (layout.fps, layout.frames, layout.width) == (NTSC, count, 2 * SIZE)
    assert numbers_in(review, layout.cells["result"]) == list(range(count))
    assert numbers_in(tmp_path / "result.mp4", Cell(0, 0, SIZE, SIZE)) == list(range(count))
    assert numbers_in(review, layout.cells["driver"]) == list(range(first, first + count))
    source = read_image(pair / "source.png").astype(int)
    for shown, skeleton in zip(read_video(review), read_video(tmp_path / "pose.mp4"), strict=True):
        assert np.abs(cut(shown, layout.cells["source"]) - source).mean() < 6
        assert np.abs(cut(shown, layout.cells["skeleton"]).astype(int) - skeleton).mean() < 6


def test_driver_of_a_pose_file_is_drawn(
    pipeline: AnimatePipeline, pair: Path, tmp_path: Path
) -> None:
    """So is that of a job which a worker of an earlier release prepared."""
    made = prepare(
        pair / "source.png", pair / "driving_pose.json", detector=DETECTOR, keep_driver=True
    )
    assert made.driver is None
    review, layout = rendered(pipeline, made, tmp_path)
    drawn = [cut(frame, layout.cells["driver"]) for frame in read_video(review)]
    assert len(drawn) == FRAMES and min(frame.max() for frame in drawn) > 100
