"""Conversion of decoded frames to upright RGB pixels."""

from __future__ import annotations

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from media.icc import to_srgb
from media.image import composite_over_white
from media.image_file import ignore_warning
from media.tone_map import hdr_name, tone_map

# Their frames have no matrix, but PNG's may have a colour profile with a name, which PyAV 18.1.0
# frees twice (av/sidedata/sidedata.py, `wrap_dictionary`): to read their side data crashes later.
_WITHOUT_MATRIX = frozenset({"png", "apng"})


def to_rgb(
    frame: VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    profile: bytes | None = None,
) -> NDArray[np.uint8]:
    """Convert a decoded frame, without its rotation.

    Args:
        frame: decoded frame, any pixel format and colour space; transparent parts become white,
            and HDR becomes SDR.
        size: (height, width) of the result.
        reformatter: the same one for all frames of a video, which is faster.
        profile: ICC profile of the colours; None if they are sRGB.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    if hdr_name(frame) is not None:
        return tone_map(frame, size, reformatter)
    transparent = any(component.is_alpha for component in frame.format.components)
    converted = reformatter.reformat(
        frame, width=size[1], height=size[0], format="rgba" if transparent else "rgb24"
    )
    pixels = converted.to_ndarray().astype(np.uint8, copy=False)
    if profile is not None:
        image = Image.fromarray(pixels)
        if _is_grey(frame):
            image = image.convert("LA" if transparent else "L")
        image.info["icc_profile"] = profile
        pixels = np.asarray(to_srgb("", image, ignore_warning))
    return composite_over_white(pixels) if pixels.shape[-1] == 4 else pixels


def _is_grey(frame: VideoFrame) -> bool:
    colours = [component for component in frame.format.components if not component.is_alpha]
    return len(colours) == 1 and not frame.format.has_palette


def display_matrix(frame: VideoFrame, stream: VideoStream) -> NDArray[np.int32] | None:
    """Return the (3, 3) matrix by which the frame of a stream must be rotated, or None."""
    if stream.codec_context.name in _WITHOUT_MATRIX:
        return None
    matrix: object = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, Buffer):
        return None
    return np.frombuffer(bytes(matrix), dtype=np.int32)[:9].reshape(3, 3)


def turns_sideways(matrix: NDArray[np.int32] | None) -> bool:
    """Return whether the matrix swaps width and height."""
    return matrix is not None and abs(int(matrix[0, 1])) > abs(int(matrix[0, 0]))


def make_upright(pixels: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """Rotate and mirror an image by its display matrix, in quarter turns.

    The matrix maps column x and row y of the stored image to column a x + c y and row
    b x + d y of the displayed one, with a, b in its first row and c, d in its second. The result is
    contiguous; rows that PyAV decodes may have a gap between them.
    """
    if matrix is None:
        return np.ascontiguousarray(pixels)
    (a, b), (c, d) = matrix[:2, :2].tolist()
    if turns_sideways(matrix):
        pixels, flip_rows, flip_columns = pixels.swapaxes(0, 1), b < 0, c < 0
    else:
        flip_rows, flip_columns = d < 0, a < 0
    pixels = pixels[::-1] if flip_rows else pixels
    pixels = pixels[:, ::-1] if flip_columns else pixels
    return np.ascontiguousarray(pixels)


def square_pixel_size(frame: VideoFrame, aspect: float | None) -> tuple[int, int]:
    """Return the (height, width) at which a frame's pixels are square.

    Args:
        aspect: width of a stored pixel over its height, or None when the file does not declare it.
    """
    if not aspect or not 0.1 < aspect < 10 or abs(aspect - 1) < 0.01:
        return frame.height, frame.width
    return frame.height, max(1, round(frame.width * aspect))
