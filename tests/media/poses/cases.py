"""Pose files that people have, with the warning that each gives; all show the same dance."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from media.poses.joints import Layout
from tests.media.poses.programs import BODY, in_layout

FOLDER = Path(__file__).parents[2] / "cases" / "poses"
PIXELS = FOLDER / "pixels.json"
CANVAS = "512x768"


@dataclass(frozen=True)
class Case:
    """A pose file.

    Attributes:
        name: its file name.
        content: returns its bytes.
        warning: a part of the only warning; None if there is none.
        params: parameters that it needs.
        error: largest distance of a joint from the plain file's after cleaning, in pixels; more
            than 0 where a frame without a person, or another neck, changes its neighbours.
    """

    name: str
    content: Callable[[], bytes]
    warning: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    error: float = 1e-9

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_bytes(self.content())
        return path


def image() -> bytes:
    """Return a PNG of the canvas's size."""
    stream = io.BytesIO()
    Image.new("RGB", (512, 768), (90, 120, 60)).save(stream, "PNG")
    return stream.getvalue()


def _case(name: str, warning: str | None, **more: Any) -> Case:
    return Case(name, (FOLDER / name).read_bytes, warning, **more)


def _text() -> str:
    return PIXELS.read_text()


def _coco17() -> bytes:
    content = json.loads(_text())
    for frame in content["frames"]:
        for person in frame["people"]:
            joints = np.reshape(person[BODY], (-1, 3)).tolist()
            # The neck of this file is not the middle of the shoulders, which COCO's readers take.
            person[BODY] = in_layout(joints, Layout.COCO17)
    return json.dumps(content).encode()


def openpose_names() -> list[str]:
    return sorted(path.name for path in (FOLDER / "openpose").iterdir())


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in reversed(openpose_names()):
            archive.writestr(f"out/{name}", (FOLDER / "openpose" / name).read_bytes())
    return stream.getvalue()


def _list() -> bytes:
    files = [json.loads((FOLDER / "openpose" / name).read_text()) for name in openpose_names()]
    return json.dumps(files).encode()


CASES = {
    "0..1": _case("normalized.json", "coordinates are 0..1, not pixels; they were scaled to 512x"),
    "zip of OpenPose": Case("openpose.zip", _zip, None, {"canvas": CANVAS, "fps": 12.0}),
    "list of OpenPose": Case("list.json", _list, None, {"canvas": CANVAS, "fps": 12.0}),
    "COCO-17": Case("coco17.json", _coco17, None, {"layout": "coco17"}, 9.0),
    "face of 69": _case("face69.json", "(69 joints), not 68 or 70 joints: 24, first in frame 0"),
    "confidence over 1": _case("confidence_over_1.json", "(the largest is 6.3) clipped to 1: 432"),
    "empty body": _case("empty_body.json", "they have no body keypoints: 1, first in", error=9.0),
    "empty frame": _case("empty_frame.json", None, error=9.0),
    "UTF-16": Case("utf16.json", lambda: _text().encode("utf-16")),
}
