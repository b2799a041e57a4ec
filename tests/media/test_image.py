"""Images are read upright, over white, after a check of their declared size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.image import is_still_image, read_image, write_png
from media.limits import MediaLimits
from tcan_core.errors import MediaError, ParameterError
from tests.media.make_media import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    flag,
    make_png_header,
    make_video,
    steps,
)


def test_png_is_read_back_exactly(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_format_is_detected_by_content(tmp_path: Path, kind: str) -> None:
    Image.fromarray(flag()).save(tmp_path / "picture", format=kind)
    assert corners(read_image(tmp_path / "picture")) == [RED, GREEN, BLUE, WHITE]
    assert is_still_image(tmp_path / "picture")


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_exif_orientation_is_applied(
    tmp_path: Path, orientation: int, expected: list[tuple[int, int, int]]
) -> None:
    image = Image.fromarray(flag())
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert corners(read_image(tmp_path / "a.jpg")) == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparent_pixels_become_white(tmp_path: Path, mode: str) -> None:
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[:16, :, 3] = 255
    image = Image.fromarray(picture)
    if mode == "P":
        image.quantize(4).save(tmp_path / "a.png")
    elif mode == "PA":
        image.save(tmp_path / "a.png")
    else:
        image.convert(mode).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert (read[:16] == 0).all() and (read[16:] == 255).all()


def test_half_transparent_pixels_become_half_white(tmp_path: Path) -> None:
    picture = np.full((16, 16, 4), (0, 100, 200, 128), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [127, 177, 227]


def test_16_bit_grey_levels_are_scaled(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None], 32, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert np.abs(read[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 1


def test_cmyk_and_grey_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    Image.new("L", (32, 32), 77).save(tmp_path / "b.png")
    assert corners(read_image(tmp_path / "a.jpg")) == [RED] * 4
    assert (read_image(tmp_path / "b.png") == 77).all()


@pytest.mark.parametrize("side", [8_000, 10_000, 30_000])
def test_huge_image_is_rejected_by_its_header(tmp_path: Path, side: int) -> None:
    path = make_png_header(tmp_path / "a.png", side, side)
    with pytest.raises(MediaError, match=rf"{side * side:,} pixels; at most 50,000,000"):
        read_image(path)


def test_tiny_image_is_rejected(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(MediaError, match="1x1 pixels; each side must have at least 16"):
        read_image(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", MediaLimits(min_side=1)).shape == (1, 1, 3)


def test_damaged_image_is_rejected(tmp_path: Path) -> None:
    path = make_png_header(tmp_path / "a.png", 64, 64)
    with pytest.raises(MediaError, match=r"^a\.png: the image is damaged"):
        read_image(path)


def test_truncated_image_is_rejected(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "WEBP"):
        Image.fromarray(noise).save(tmp_path / "a", format=kind)
        data = (tmp_path / "a").read_bytes()
        (tmp_path / "a").write_bytes(data[: len(data) // 2])
        with pytest.raises(MediaError, match=r"^a: the image is damaged"):
            read_image(tmp_path / "a")


def test_png_that_declares_a_huge_text_is_rejected(tmp_path: Path) -> None:
    path = make_png_header(tmp_path / "a.png", 64, 64)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"\xff\xff\xff\xf0zTXt" + data[33:])
    with pytest.raises(MediaError, match=r"^a\.png: the image is damaged"):
        read_image(path)


def test_other_file_is_not_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    (tmp_path / "b.png").touch()
    video = make_video(tmp_path / "c.mp4", steps(2))
    with pytest.raises(MediaError, match=r"^a\.png: not an image of a known kind"):
        read_image(tmp_path / "a.png")
    with pytest.raises(MediaError, match=r"^b\.png: the file is empty"):
        read_image(tmp_path / "b.png")
    with pytest.raises(MediaError, match=r"^c\.mp4: not an image"):
        read_image(video)
    with pytest.raises(MediaError, match=r"^d\.png: there is no such file"):
        read_image(tmp_path / "d.png")
    assert not is_still_image(video)


def test_write_png_rejects_other_arrays(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="float64"):
        write_png(tmp_path / "a.png", np.zeros((4, 4, 3)))  # type: ignore[arg-type]
    with pytest.raises(MediaError, match="cannot be written"):
        write_png(tmp_path / "no" / "a.png", np.zeros((4, 4, 3), np.uint8))
