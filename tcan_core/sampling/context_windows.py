"""Context windows: a video cut into overlapping windows of frames, which the network predicts."""

from __future__ import annotations

from typing import Literal

from tcan_core.errors import ContextWindowError, ParameterError

WindowKind = Literal["shift", "wrap"]


def context_windows(
    num_frames: int, context_size: int = 16, context_overlap: int = 4, kind: WindowKind = "shift"
) -> list[list[int]]:
    """Return the frame indices of each window, in order.

    Every window has the same length: `context_size`, or `num_frames` if the video is shorter.
    Windows start `context_size - context_overlap` frames apart. `shift` moves the last one back to
    end on the last frame. So 32, 64, 160 frames take 3, 5, 13 windows of 16 with overlap 4. `wrap`
    continues it with the first frames, which ties the video's end to its beginning.

    Args:
        num_frames: frames in the whole video, at least 1.
        context_size: frames in a window, at least 1.
        context_overlap: frames that neighbouring windows share at least, 0..context_size - 1.

    Raises:
        ContextWindowError: the video has no frames.
        ParameterError: size or overlap is out of range.

    Source: TCAN, arXiv 2407.09012, long video inference; the official code wraps.
    """
    if num_frames < 1:
        raise ContextWindowError(f"num_frames is {num_frames}; a video needs at least 1 frame")
    if context_size < 1:
        raise ParameterError(f"context_size is {context_size}; it must be at least 1")
    if not 0 <= context_overlap < context_size:
        raise ParameterError(
            f"context_overlap is {context_overlap}; it must lie in 0..{context_size - 1}"
            f" for context_size {context_size}"
        )
    if kind not in ("shift", "wrap"):
        raise ParameterError(f"windows is {kind!r}; it must be 'shift' or 'wrap'")
    if num_frames <= context_size:
        return [list(range(num_frames))]
    stride = context_size - context_overlap
    last = num_frames - context_size
    starts = range(0, num_frames, stride) if kind == "wrap" else [*range(0, last, stride), last]
    return [[n % num_frames for n in range(start, start + context_size)] for start in starts]
