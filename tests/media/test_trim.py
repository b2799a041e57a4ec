"""Parts of videos and pose files."""

from __future__ import annotations

from fractions import Fraction

import pytest

from media.errors import ParameterError
from media.trim import Trim


@pytest.mark.parametrize(
    ("text", "fps", "frames"),
    [
        ("0:0.5", 10, [0, 1, 2, 3, 4]),
        ("0.5:", 10, list(range(5, 30))),
        (":0.1", 30, [0, 1, 2]),  # 0.1 * 30 is slightly above 3
        ("0.12:0.31", 10, [2, 3]),
        ("0.51:0.52", 10, [6]),  # at least one frame
        ("1.001:1.1", Fraction(30000, 1001), []),
        ("2:9", 10, list(range(20, 30))),
        ("2.5:inf", 10, list(range(25, 30))),
        ("1e308:", 10, []),
    ],
)
def test_part_has_the_frames_shown_in_it(text: str, fps: Fraction | int, frames: list[int]) -> None:
    assert list(range(30))[Trim.parse(text).frames(fps)] == frames


@pytest.mark.parametrize("text", ["", "1", "a:b", "1:2:3", "2:1", "-1:2", "1:1", "nan:2", "inf:"])
def test_invalid_part_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="trim is "):
        Trim.parse(text)


def test_part_behind_the_end_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"starts at 3 s, but d.mp4 ends at 2.5 s"):
        Trim(3).check("d.mp4", 25, 10)
