"""The layout of a job's review: one video of several pictures that show the same frame."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

FRACTION = r"^[1-9][0-9]*/[1-9][0-9]*$"


class ReviewCell(BaseModel):
    """The place of a picture in the video, in pixels from the top left corner."""

    model_config = ConfigDict(frozen=True)

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Review(BaseModel):
    """The layout of a review.

    All cells have one size. Frame n of each is frame n of the result and of the driving file as
    trimmed, and is shown from n / fps on; a picture of another aspect has black bars.
    """

    model_config = ConfigDict(frozen=True)

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fps: str = Field(pattern=FRACTION, description="Frames per second, as a fraction.")
    frames: int = Field(gt=0)
    cells: dict[str, ReviewCell] = Field(
        description="Of an animation: source, driver, skeleton and result. Of a pose preview: "
        "driver, driver_skeleton (the skeleton over the driver), and fit with an image."
    )
