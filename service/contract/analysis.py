"""The analysis of a driving file, frame by frame."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.contract.review import FRACTION

EXAMPLE: dict[str, Any] = {
    "fps": "12/1",
    "frames": 3,
    "width": 512,
    "height": 512,
    "confidence": [0.98, 0.61, 0.97],
    "repaired": [{"frame": 1, "rejected": ["left_wrist"], "filled": ["left_wrist"], "dropped": []}],
    "people": [
        {
            "number": 0,
            "is_followed": True,
            "share": 1.0,
            "frame": 0,
            "box": [120.0, 40.0, 380.0, 500.0],
            "color": "#60a0e0",
        }
    ],
    "outside": [],
    "warnings": [],
}


class Repair(BaseModel):
    """A frame in which joints of the followed person were repaired, by their names."""

    frame: int
    rejected: list[str] = Field(description="Joints that jumped.")
    filled: list[str] = Field(description="Joints that were missing and are interpolated.")
    dropped: list[str] = Field(description="Joints that were seen too briefly and are left out.")


class FoundPerson(BaseModel):
    """A person in a driving file."""

    number: int | None = Field(
        None, description="Value of `params.person`; absent for one who comes after the first ones."
    )
    is_followed: bool
    share: float = Field(ge=0.0, le=1.0, description="Share of the frames with this person.")
    frame: int = Field(description="Frame in which the person is seen best.")
    box: tuple[float, float, float, float] = Field(
        description="Left, top, right and bottom of the joints there, in pixels."
    )
    color: str | None = Field(
        None, description="Main colour of the torso, such as #60a0e0; coarse."
    )


class Analysis(BaseModel):
    """Findings in a driving file, as trimmed."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    fps: str = Field(pattern=FRACTION, description="Frames per second, as a fraction.")
    frames: int
    width: int = Field(description="Of the frames in pixels, to which keypoints refer.")
    height: int
    confidence: list[float] = Field(
        description="Of each frame, mean confidence of the followed person's joints before "
        "repairs; a missing joint counts as 0."
    )
    repaired: list[Repair] = Field(description="Frames with repairs.")
    people: list[FoundPerson] = Field(description="Of those who can be chosen, from the left.")
    outside: list[int] | None = Field(
        None,
        description="Frames in which the figure is outside the image but the person is inside the "
        "driving frame; absent without an image.",
    )
    warnings: list[str]
