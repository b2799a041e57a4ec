"""Conversion between ComfyUI's types and the service's files.

Shapes: b pictures in a batch, h w their size; values 0..1, channels RGB or RGBA.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Video(NamedTuple):
    """Frames (b, h, w, 3) and their rate."""

    frames: Tensor
    fps: float


def png(image: Tensor) -> bytes:
    """Encode the one picture of a batch.

    Args:
        image: (1, h, w, 3 or 4).

    Raises:
        ValueError: there are several pictures.
    """
    if image.shape[0] != 1:
        raise ValueError(
            f"image has {image.shape[0]} pictures; connect one, for example by 'Image From Batch'"
        )
    levels = (image[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def pose_file(poses: Sequence[dict[str, Any]] | dict[str, Any], fps: float | None = None) -> bytes:
    """Return a pose file of the service from a POSE_KEYPOINT: one OpenPose object per frame."""
    frames = [poses] if isinstance(poses, dict) else list(poses)
    document = frames if fps is None else {"fps": fps, "frames": frames}
    return json.dumps(document, default=float).encode()  # some nodes give NumPy's numbers


def video_source(video: Any) -> Path | IO[bytes]:
    """Return the file of a VIDEO, or its content if it is not on the disk."""
    source: str | IO[bytes] = video.get_stream_source()
    return Path(source) if isinstance(source, str) else source


def read_video(file: Path) -> Video:
    """Decode a video."""
    with av.open(str(file)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return Video(torch.from_numpy(np.stack(frames)).float() / 255.0, float(rate or 0.0))
