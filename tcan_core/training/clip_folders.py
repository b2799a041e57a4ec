"""Names in TikTok's layout of clips: <clip>/images, <clip>/dwpose, <clip>/poses.json."""

from __future__ import annotations

import re
from pathlib import Path

IMAGES, POSES, KEYPOINTS = "images", "dwpose", "poses.json"


def by_number(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that orders 2.png before 10.png."""
    parts = re.split(r"(\d+)", path.stem)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
