"""A part of a driving video or pose file, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from media.errors import ParameterError

# Times are decimal numbers; a frame that is this little before the start belongs to the part.
_TOLERANCE = 1e-6
_LAST_FRAME = 2**53  # a time may be as large as a number can be, even infinite


@dataclass(frozen=True)
class Trim:
    """The frames that are shown from `start_s` on and before `end_s`, at least one.

    Attributes:
        start_s: seconds after the first frame.
        end_s: second at which it ends, exclusive; None for the end of the file.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        end_s = math.inf if self.end_s is None else self.end_s
        if not 0 <= self.start_s < end_s or self.start_s == math.inf:
            raise ParameterError(
                f"trim is from {self.start_s:g} s to {end_s:g} s; the start must be at least 0 "
                f"and before the end"
            )

    @classmethod
    def parse(cls, text: str) -> Trim:
        """Return the part that a text such as `1.5:4`, `1.5:` or `:4` names.

        Raises:
            ParameterError: it is not such a text, or the start is not before the end.
        """
        start, colon, end = text.partition(":")
        try:
            numbers = float(start or 0), float(end) if end else None
        except ValueError:
            colon = ""
        if not colon:
            raise ParameterError(
                f"trim is {text!r}; give START:END in seconds, such as 1.5:4, 1.5: or :4"
            )
        return cls(*numbers)

    def frames(self, fps: Fraction | float) -> slice:
        """Return the indices of the part's frames, of which the file may have fewer."""
        first = _frame_at(self.start_s, fps)
        if self.end_s is None:
            return slice(first, None)
        return slice(first, max(first + 1, _frame_at(self.end_s, fps)))

    def check(self, name: str, num_frames: int, fps: Fraction | float) -> None:
        """Raise ParameterError when the part begins behind the last frame."""
        if self.frames(fps).start >= num_frames:
            raise ParameterError(
                f"trim starts at {self.start_s:g} s, but {name} ends at "
                f"{num_frames / float(fps):g} s; choose an earlier start"
            )


def _frame_at(time_s: float, fps: Fraction | float) -> int:
    """Return the index of the first frame that is shown at this time or later."""
    return math.ceil(min(time_s * float(fps) - _TOLERANCE, _LAST_FRAME))
