"""Images as people have them: of phones, cameras, scanners and image editors."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

CASES = Path(__file__).parents[1] / "cases"
SIDE = 48


class ImageCase(NamedTuple):
    """An image file and how it must be read.

    Attributes:
        write: writes the file.
        truth: its pixels, uint8 RGB.
        tolerance: largest difference of a level that is accepted.
        warning: part of the only warning; empty if there must be none.
    """

    write: Callable[[Path], object]
    truth: NDArray[np.uint8]
    tolerance: int = 0
    warning: str = ""


def scene() -> NDArray[np.uint8]:
    """Return colours that blend into each other, (height, width, 3) uint8."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    channels = [40 + 180 * columns, 30 + 190 * rows, 200 - 150 * columns * rows]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def grey_scene() -> NDArray[np.uint8]:
    """Return grey levels from 10 to 240, (height, width) uint8."""
    levels = np.linspace(10, 240, SIDE * SIDE).reshape(SIDE, SIDE)
    return levels.round().astype(np.uint8)


def as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat grey levels in three channels."""
    return np.repeat(grey[..., None], 3, axis=-1)


def profile(
    gamma: float,
    primaries: tuple[tuple[float, float, float], ...] | None,
    name: bytes = b"test",
) -> bytes:
    """Make a profile of RGB with these primaries (XYZ of D50), or of grey; version 2."""
    tags = {b"desc": _description(name), b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        for channel, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
            tags[channel + b"XYZ"] = _xyz(primary)
            tags[channel + b"TRC"] = curve
    space = b"GRAY" if primaries is None else b"RGB "
    return _profile_file(space, b"XYZ ", tags)


def _profile_file(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(
        ">I4sI4s4s4s", start + len(data), b"lcms", 0x02400000, kind, space, connection
    )
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + data


def cmyk_profile() -> bytes:
    """Make a CMYK profile in which each ink takes a quarter of the lightness, without colour."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    lab = [[round(255 * (1 - inks.mean())), 128, 128] for inks in corners]
    straight = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * int(i % 4 == 0) for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + straight * 4
    table += bytes(np.array(lab, np.uint8)) + straight * 3
    return _profile_file(b"CMYK", b"Lab ", {b"desc": _description(b"test"), b"A2B0": table})


def _xyz(value: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in value))


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(1 + 12 + 67)


ADOBE_RGB = profile(
    2.2, ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
)
DISPLAY_P3 = profile(
    2.2, ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
)
SRGB_LINEAR = profile(
    1.0,
    ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)),
    b"Linear sRGB",
)
GREY_LINEAR = profile(1.0, None)


def srgb_to_linear(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return light of 0..1 for levels of sRGB."""
    value = levels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def in_profile(pixels: NDArray[np.uint8], icc: bytes) -> NDArray[np.uint8]:
    """Convert sRGB pixels to the profile's colours."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    source = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(pixels), source, target))


def saver(pixels: NDArray[np.generic], kind: str, **options: object) -> Callable[[Path], object]:
    """Return a function that saves pixels in a format of Pillow."""
    return lambda path: Image.fromarray(pixels).save(path, kind, **options)


def copier(name: str) -> Callable[[Path], object]:
    """Return a function that copies a file of `tests/cases`."""
    return lambda path: path.write_bytes((CASES / name).read_bytes())


def _write_phone_photo(path: Path) -> None:
    """Write a JPEG with a second picture, stored sideways."""
    image = Image.fromarray(np.rot90(scene()).copy())
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, "MPO", save_all=True, append_images=[image], exif=exif, quality=98)


def _write_photoshop_cmyk(path: Path) -> None:
    image = Image.fromarray(scene()).convert("CMYK")
    image.save(path, "JPEG", quality=98, icc_profile=b"not a profile")


def _write_cmyk(path: Path) -> None:
    """Write a CMYK JPEG in the grey levels that the scene has by the profile."""
    luminance = srgb_to_linear(grey_scene())
    cube = np.cbrt(luminance)
    lightness = np.where(luminance > 0.008856, 1.16 * cube - 0.16, 9.033 * luminance)
    inks = (255 * (1 - lightness)).round().astype(np.uint8)
    image = Image.fromarray(np.repeat(inks[..., None], 4, axis=-1), "CMYK")
    image.save(path, "JPEG", quality=98, icc_profile=cmyk_profile())


def _write_commented_png(path: Path, kind: str, late: bool) -> None:
    text = PngInfo()
    if kind == "zTXt":
        text.add_text("Comment", "x" * 3_000_000, zip=True)
    else:
        text.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    Image.fromarray(scene()).save(path, "PNG", pnginfo=text)
    if late:
        _move_to_end(path, kind.encode())


def _move_to_end(path: Path, kind: bytes) -> None:
    """Move the only chunk of a kind behind the pixels of a PNG."""
    data = path.read_bytes()
    start = data.index(kind) - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    path.write_bytes(data[:start] + data[end:-12] + data[start:end] + data[-12:])


def _write_palette(path: Path) -> None:
    image = Image.fromarray(in_profile(scene(), ADOBE_RGB)).quantize(256)
    image.save(path, "PNG", icc_profile=ADOBE_RGB)


def _write_transparent(path: Path) -> None:
    alpha = np.zeros((SIDE, SIDE, 1), np.uint8)
    alpha[: SIDE // 2] = 255
    pixels = np.concatenate([in_profile(scene(), ADOBE_RGB), alpha], axis=-1)
    Image.fromarray(pixels).save(path, "PNG", icc_profile=ADOBE_RGB)


def _write_lab(path: Path) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = to_lab.apply(Image.fromarray(scene()))
    lab.save(path, "TIFF")


def _write_negative_16_bits(path: Path) -> None:
    levels = 65_535 - grey_scene().astype("<u2") * 257
    _write_tiff(path, levels.tobytes(), bits=16, photometric=0)


def _write_signed_16_bits(path: Path) -> None:
    levels = grey_scene().astype("<i2") * 128
    _write_tiff(path, levels.tobytes(), bits=16, sample_format=2)


def _write_12_bits(path: Path) -> None:
    levels = (grey_scene().astype(int) * 4095 // 255).reshape(-1, 2)
    first, second = levels.T
    packed = np.stack([first >> 4, ((first & 15) << 4) | (second >> 8), second & 255], axis=-1)
    _write_tiff(path, packed.astype(np.uint8).tobytes(), bits=12)


def _write_tiff(
    path: Path, data: bytes, *, bits: int, sample_format: int = 1, photometric: int = 1
) -> None:
    """Write an uncompressed TIFF of grey levels."""
    tags = [(256, 3, SIDE), (257, 3, SIDE), (258, 3, bits), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 3, SIDE), (279, 4, len(data))]
    tags += [(339, 3, sample_format)]
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    end = struct.pack("<H", len(tags)) + rows + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + end)


def transparent_truth() -> NDArray[np.uint8]:
    """Return the scene with its lower half white."""
    truth = scene()
    truth[SIDE // 2 :] = 255
    return truth


def case_truth(name: str) -> NDArray[np.uint8]:
    """Return the pixels of a file of `tests/cases` that needs no conversion."""
    with Image.open(CASES / name) as image:
        return np.asarray(image.convert("RGB"))


@cache
def image_cases() -> dict[str, ImageCase]:
    """Return all files by what they are."""
    colours, grey = scene(), grey_scene()
    as_linear = (srgb_to_linear(grey) * 255).round().astype(np.uint8)
    with Image.open(CASES / "float01.tiff") as image:
        float_truth = as_rgb((np.asarray(image) * 255).round().astype(np.uint8))
    whites = "black and white; 0 was read as black and {} as white"
    ignored = "its colour profile"
    return {
        "mpo.jpg": ImageCase(copier("mpo.jpg"), case_truth("mpo.jpg")),
        "a phone's photo, turned": ImageCase(_write_phone_photo, colours, 12),
        "icc_adobe.png": ImageCase(copier("icc_adobe.png"), case_truth("TRUTH_icc_adobe.png")),
        "Adobe RGB": ImageCase(
            saver(in_profile(colours, ADOBE_RGB), "PNG", icc_profile=ADOBE_RGB), colours, 5
        ),
        "Display P3": ImageCase(
            saver(in_profile(colours, DISPLAY_P3), "JPEG", quality=98, icc_profile=DISPLAY_P3),
            colours,
            12,
        ),
        "linear sRGB": ImageCase(
            saver(in_profile(colours, SRGB_LINEAR), "PNG", icc_profile=SRGB_LINEAR), colours, 9
        ),
        "sRGB": ImageCase(
            saver(
                colours,
                "PNG",
                icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
            ),
            colours,
        ),
        "palette with a profile": ImageCase(_write_palette, colours, 30),
        "transparency with a profile": ImageCase(_write_transparent, transparent_truth(), 5),
        "linear grey": ImageCase(
            saver(as_linear, "PNG", icc_profile=GREY_LINEAR), as_rgb(grey), 14
        ),
        "LAB": ImageCase(_write_lab, colours, 20),
        "damaged profile": ImageCase(
            saver(colours, "PNG", icc_profile=b"no profile" * 20),
            colours,
            0,
            f"{ignored} is damaged",
        ),
        "profile of another colour space": ImageCase(
            saver(colours, "PNG", icc_profile=GREY_LINEAR), colours, 0, f"{ignored} is for GRAY"
        ),
        "CMYK with a profile": ImageCase(_write_cmyk, as_rgb(grey), 6),
        "CMYK with a damaged profile": ImageCase(
            _write_photoshop_cmyk, colours, 14, f"{ignored} is damaged"
        ),
        "icc_big.png": ImageCase(
            copier("icc_big.png"), case_truth("icc_adobe.png"), 0, "they are too large"
        ),
        **{
            f"{kind} of 3 MB{' at the end' if late else ''}": ImageCase(
                partial(_write_commented_png, kind=kind, late=late),
                colours,
                0,
                "they are too large",
            )
            for kind in ("zTXt", "iTXt")
            for late in (False, True)
        },
        "float01.tiff": ImageCase(copier("float01.tiff"), float_truth, 0, whites.format(1)),
        "floats to 255": ImageCase(
            saver(grey.astype(np.float32), "TIFF"), as_rgb(grey), 0, whites.format(255)
        ),
        "floats above 1": ImageCase(
            saver(np.where(grey > 239, 9, grey / 255).astype(np.float32), "TIFF"),
            as_rgb(np.where(grey > 239, 255, grey)),
            0,
            whites.format(1),
        ),
        "floats from -1": ImageCase(
            saver((grey.astype(np.float32) - 10) / 115 - 1, "TIFF"),
            as_rgb(((grey.astype(float) - 10) * 255 / 230).round().astype(np.uint8)),
            1,
            "-1 was read as black and 1 as white",
        ),
        "floats to 4095": ImageCase(
            saver((grey * (4095 / 255)).astype(np.float32), "TIFF"),
            as_rgb(grey),
            0,
            whites.format(4095),
        ),
        "floats with an infinite one": ImageCase(
            saver(np.where(grey > 239, np.inf, grey / 255).astype(np.float32), "TIFF"),
            as_rgb(np.where(grey > 239, 255, grey)),
            0,
            whites.format(1),
        ),
        "32 bits to 255": ImageCase(
            saver(grey.astype(np.int32), "TIFF"), as_rgb(grey), 0, whites.format(255)
        ),
        "32 bits to 65535": ImageCase(
            saver(grey.astype(np.int32) * 257, "TIFF"), as_rgb(grey), 0, whites.format(65535)
        ),
        "32 bits, all": ImageCase(
            saver((grey.astype(np.int64) << 23).astype(np.int32), "TIFF"),
            as_rgb(grey),
            1,
            whites.format("2.14748e+09"),
        ),
        "16 bits with a sign": ImageCase(
            _write_signed_16_bits, as_rgb(grey), 1, "0 was read as black and 32767 as white"
        ),
        "16 bits, 0 is white": ImageCase(_write_negative_16_bits, as_rgb(grey)),
        "12 bits": ImageCase(_write_12_bits, as_rgb(grey), 1),
        "16 bits of a PNG": ImageCase(saver(grey.astype(np.uint16) * 257, "PNG"), as_rgb(grey)),
    }


UNREADABLE = {
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400), "a HEIC image"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(400), "a JPEG XL image"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "Photoshop": (b"8BPS\0\1" + bytes(400), "a Photoshop document"),
    "TIFF of colours as floats": (
        b"II*\0"
        + struct.pack("<I", 8)
        + struct.pack("<H", 1)
        + struct.pack("<HHII", 256, 3, 1, 64),
        "a TIFF image with this kind of pixels",
    ),
}
