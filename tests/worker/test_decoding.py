"""The worker's child and the gateway's read people's files as the command line does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from media.aac import read_packets
from media.audio import extract_sound
from media.errors import MediaError
from media.image import read_image
from media.limits import PoseFileLimits
from media.video_reader import VideoReader
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.inspection.decoder import Decoder
from tests.media.make_media import make_video, steps
from tests.media.people_images import CASES, UNREADABLE, image_cases
from tests.media.people_videos import video_cases
from worker.decoding import ChildSource
from worker.failures import AnimationError

LIMITS = InputLimits()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Decoder]:
    """The gateway's decoder."""
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[ChildSource]:
    """The worker's decoder."""
    source = ChildSource(LIMITS)
    yield source
    source.close()


@pytest.mark.parametrize("name", image_cases())
def test_image_is_read_alike_everywhere(
    gateway: Decoder, worker: ChildSource, tmp_path: Path, name: str
) -> None:
    case, file = image_cases()[name], tmp_path / "image"
    case.write(file)
    warnings: dict[str, list[str]] = {"command line": [], "worker": []}

    assert gateway.inspect({"image": file}, LIMITS)["image"].suffix in (".png", ".jpg", ".tiff")
    pixels = worker.image(file, LIMITS.image(), warnings["worker"].append)

    assert np.abs(pixels.astype(int) - case.truth).max() <= case.tolerance
    assert np.array_equal(pixels, read_image(file, warn=warnings["command line"].append))
    assert warnings["worker"] == warnings["command line"]
    assert [case.warning in text for text in warnings["worker"]] == [True] * bool(case.warning)


@pytest.mark.parametrize("name", UNREADABLE)
def test_image_that_cannot_be_read_is_named(gateway: Decoder, tmp_path: Path, name: str) -> None:
    content, meaning = UNREADABLE[name]
    file = tmp_path / "image"
    file.write_bytes(content)
    expected = f"^image: {meaning}.* cannot be read; convert it to PNG or JPEG first".replace(
        "(", "\\("
    )
    with pytest.raises(RejectedError, match=expected):
        gateway.inspect({"image": file}, LIMITS)
    with pytest.raises(MediaError, match=expected):
        read_image(file)


@pytest.mark.parametrize("name", video_cases())
def test_video_is_read_alike_everywhere(
    gateway: Decoder, worker: ChildSource, tmp_path: Path, name: str
) -> None:
    case, file = video_cases()[name], tmp_path / "driving"
    case.write(file)
    reader = VideoReader(file)

    declared = gateway.inspect({"driving": file}, LIMITS)["driving"]
    with worker.video(file, LIMITS.image_or_video()) as frames:
        seen = list(frames)

    assert declared.frames == case.frames
    if name.startswith("animated"):
        assert declared.seconds == pytest.approx(reader.info.duration_s)
    assert (len(seen), frames.fps) == (reader.expected, reader.fps) == (case.frames, case.fps)
    assert frames.warnings == reader.warnings
    assert [case.warning in text for text in reader.warnings] == [True] * bool(case.warning)
    for pixels, truth in zip(seen, case.truth or [], strict=bool(case.truth)):
        assert np.abs(pixels.astype(int) - truth).mean() <= case.tolerance
    for pixels, same in zip(seen, reader, strict=True):
        assert np.array_equal(pixels, same)


def test_sound_is_read_alike_everywhere(worker: ChildSource) -> None:
    for name in ("apac_first.mov", "beep.mp4", "f60.mp4"):
        heard: dict[str, list[str]] = {"command line": [], "worker": []}
        sound = worker.sound(CASES / name, heard["worker"].append, 0.5)
        same = extract_sound(CASES / name, heard["command line"].append, 0.5)
        assert (sound is None, same is None) == (name == "f60.mp4", name == "f60.mp4")
        if sound is not None and same is not None:
            assert read_packets(sound) == read_packets(same)
        assert heard["worker"] == heard["command line"]


def test_sound_comes_from_the_child_as_aac(worker: ChildSource, tmp_path: Path) -> None:
    file = make_video(tmp_path / "a.mkv", steps(25), audio="flac")
    content = worker.sound(file, pytest.fail, 0.0)
    assert content is not None
    with av.open(io.BytesIO(content), "r") as container:
        [track] = container.streams.audio
        samples = sum(frame.samples for frame in container.decode(track))
    assert (track.codec_context.name, round(10 * samples / track.rate)) == ("aac", 10)


def test_zip_of_many_pose_files_is_unpacked_in_order(worker: ChildSource, tmp_path: Path) -> None:
    file = tmp_path / "driving.zip"
    contents = [b"%d" % number * 20 for number in range(2000)]
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{'long' * 20}_{number}_keypoints.json", contents[number])
    files = worker.poses(file, PoseFileLimits())
    assert [data for _, data in files] == contents
    assert files[7][0] == "driving.zip: file 7"


def test_zip_over_a_limit_or_damaged_is_refused(worker: ChildSource, tmp_path: Path) -> None:
    file = tmp_path / "driving.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(10_000))
    with pytest.raises(AnimationError, match="its files have over 9,000 bytes, which is the limit"):
        worker.poses(file, PoseFileLimits(max_bytes=9_000))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(AnimationError, match="the zip is damaged; pack it again") as refused:
        worker.poses(file, PoseFileLimits())
    assert refused.value.code is ErrorCode.INVALID_POSE_FILE
