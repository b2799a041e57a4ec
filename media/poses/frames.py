"""The frames of a pose file, in the forms that programs write.

Read are: an array of frames; an object with `frames`, `fps` and the canvas; one frame alone; either
of them in an object with one key such as `data`; an array of results as COCO and AlphaPose write
them, one per person with the frame's `image_id`; MMPose's `instance_info`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from media.errors import PoseFileError
from media.poses.people import BODY, has_body, named_parts, squashed
from media.poses.points import number, shown

MIN_FPS, MAX_FPS = 0.1, 1000
MAX_WRAPPERS = 4
MAX_GAPS = 10_000  # frames without people that are filled in between the others
ACCEPTED = (
    'an array of frames, {"fps", "frames"}, or one frame: {"people": [{"pose_keypoints_2d": [...]}]'
    ', "canvas_width", "canvas_height"}'
)
_FRAMES = ("frames", "instanceinfo")
_PEOPLE = ("people", "persons", "instances", "bodies")
_WRAPPERS = ("data", "result", "results", "output", "poses", "predictions", "annotations")
_DIGITS = tuple("0123456789")
_FPS = ("fps", "framerate")
_CANVAS = (("canvaswidth", "canvasheight"), ("imagewidth", "imageheight"), ("width", "height"))
# Objects that describe a document, and fields that have both sides.
_METADATA = ("metadata", "meta", "metainfo", "info", "header", "video", "videoinfo")
_SIZES = ("canvas", "canvassize", "resolution")
_SIZE = re.compile(r"([0-9]{1,5}) ?[xX×] ?([0-9]{1,5})")


@dataclass(frozen=True)
class RawFrames:
    """The frames of a document before their people are read.

    Attributes:
        frames: the people of each frame, and the frame's canvas as the file has it.
        fps: frames per second, or None.
        canvas: canvas of the whole document as the file has it, or None.
        is_coco: whether the format says that 17 joints are COCO's.
        is_cleaned: whether the file says that its poses are to be used as they are.
    """

    frames: list[Any]
    fps: float | None = None
    canvas: Any = None
    is_coco: bool = False
    is_cleaned: bool = False


def raw_frames(name: str, document: Any) -> RawFrames:
    """Find the frames in a JSON document. Raises PoseFileError."""
    fps, canvas, described, is_coco, is_cleaned = None, None, None, False, False
    for _ in range(MAX_WRAPPERS):
        if not isinstance(document, dict):
            break
        keys = {squashed(key): key for key in document}
        fps = fps if fps is not None else _declared_fps(document)
        is_cleaned = is_cleaned or document.get("cleaned") is True
        described = described or _described_canvas(document)
        if any(key in keys for key in _PEOPLE) and "frames" not in keys or has_body(document):
            document = [document]
            break
        canvas = canvas or declared_canvas(document)
        is_coco = is_coco or _is_coco(document)
        inner = [keys[key] for key in (*_FRAMES, *_WRAPPERS) if key in keys]
        document = document[inner[0]] if inner else _numbered(document)
    if isinstance(document, dict):
        document = _numbered(document)
    if not isinstance(document, list):
        raise PoseFileError(f"{name}: not a pose file; it must be {ACCEPTED}")
    rate = _checked_fps(name, fps)
    canvas = canvas or _canvas_of_all(document, described)
    if document and all(_is_result(entry) for entry in document):
        return RawFrames(_by_image(document), rate, canvas, True, is_cleaned)
    return RawFrames(document, rate, canvas, is_coco, is_cleaned)


def people_of(frame: Any, where: str) -> list[Any]:
    """Return the people of one frame as the file has them. Raises PoseFileError."""
    if isinstance(frame, list):
        return frame if _is_array_of_people(frame) else [frame]
    if frame is None or frame == {}:
        return []
    if not isinstance(frame, dict):
        raise PoseFileError(f"{where} is {shown(frame)}; it must be an object with people")
    people = _people_field(frame, where)
    if isinstance(people, dict) and {"candidate", "subset"} <= people.keys():
        return _dwpose_people(people)
    if isinstance(people, dict):
        return [people] if has_body(people) else _in_order(people)
    if people is not None and not isinstance(people, list):
        raise PoseFileError(f"{where}: people is {shown(people)}; it must be an array")
    return people or []


def _people_field(frame: dict[str, Any], where: str) -> Any:
    """Return what a frame has as its people; a frame may be a person itself."""
    if "people" in frame:
        return frame["people"]
    keys = {squashed(key): key for key in frame}
    names = [keys[name] for name in _PEOPLE if name in keys]
    if names:
        return frame[names[0]]
    if not has_body(frame):
        raise PoseFileError(f"{where}: people is missing; it must be an array")
    body = named_parts(frame).get(BODY)
    return body if isinstance(body, list) and _is_array_of_people(body) else [frame]


def _dwpose_people(bodies: dict[str, Any]) -> list[Any]:
    """Return the people of DWPose's own result: points, and for each person their indices or -1.

    Content of another form is returned as a person that cannot be read.
    """
    points, subset = bodies["candidate"], bodies["subset"]
    try:
        people = [
            [[*points[int(index)][:2], 1] if index >= 0 else [0, 0, 0] for index in row[:18]]
            for row in subset
        ]
        return [{BODY: joints} for joints in people]
    except (TypeError, ValueError, LookupError, OverflowError):
        return [{BODY: "candidate and subset that do not match"}]


def declared_canvas(content: Any) -> tuple[Any, Any] | None:
    """Return width and height as a frame or a document has them; None if it has neither."""
    if not isinstance(content, dict):
        return None
    if "canvas_width" in content and "canvas_height" in content:
        size = content["canvas_width"], content["canvas_height"]
        return None if size == (None, None) else size
    keys = {squashed(key): key for key in content}
    for names in _CANVAS:
        if any(name in keys for name in names):
            width, height = (content.get(keys.get(name, "")) for name in names)
            return None if (width, height) == (None, None) else (width, height)
    sizes = [_both_sides(content[keys[name]]) for name in _SIZES if name in keys]
    return next((size for size in sizes if size is not None), None)


def _described_canvas(content: Any) -> tuple[Any, Any] | None:
    """Return the canvas that the metadata of a frame or a document has, or None."""
    found = (declared_canvas(metadata) for metadata in _metadata(content))
    return next((canvas for canvas in found if canvas is not None), None)


def _canvas_of_all(frames: list[Any], described: Any) -> Any:
    """Return the canvas of metadata, which counts where no frame has one of its own."""
    if any(declared_canvas(frame) is not None for frame in frames):
        return None
    return described or next(filter(None, map(_described_canvas, frames)), None)


def _both_sides(size: Any) -> tuple[Any, Any] | None:
    """Return width and height of `{"width", "height"}`, `[width, height]` or `"1280x720"`."""
    if isinstance(size, list) and len(size) == 2:
        return size[0], size[1]
    if isinstance(size, str) and (match := _SIZE.fullmatch(size[:20])):
        return match[1], match[2]
    return declared_canvas(size)


def _declared_fps(content: dict[str, Any]) -> Any:
    """Return the frame rate of a document as it or its metadata has it, or None."""
    for described in (content, *_metadata(content)):
        for key, value in described.items():
            if squashed(key) in _FPS and value is not None:
                return value
    return None


def _metadata(content: Any) -> list[dict[str, Any]]:
    """Return the objects of a frame or a document that describe it."""
    if not isinstance(content, dict):
        return []
    return [
        value
        for key, value in content.items()
        if squashed(key) in _METADATA and isinstance(value, dict)
    ]


def natural_order(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key by which `frame10` follows `frame9`."""
    parts = re.split("([0-9]+)", text[:1000])
    return [(0, int(part), "") if part[:1] in _DIGITS else (1, 0, part) for part in parts]


def _numbered(content: dict[str, Any]) -> Any:
    """Return the frames of an object whose keys are their numbers or file names, or None."""
    frames = {key: frame for key, frame in content.items() if squashed(key) not in _METADATA}
    if frames and all(re.search("[0-9]", key) for key in frames):
        return _in_order(frames)
    return None


def _in_order(content: dict[str, Any]) -> list[Any]:
    return [content[key] for key in sorted(content, key=natural_order)]


def _is_result(entry: Any) -> bool:
    return isinstance(entry, dict) and "image_id" in entry and "keypoints" in entry


def _by_image(results: list[dict[str, Any]]) -> list[Any]:
    """Return the people of each frame; frames between the numbers of others have none."""
    people: dict[str, list[Any]] = {}
    for result in results:
        people.setdefault(str(result["image_id"])[:100], []).append(result)
    names = sorted(people, key=natural_order)
    frames = [{"people": people[names[0]]}]
    for name, missing in zip(names[1:], _missing_before(names), strict=True):
        frames += [{"people": []}] * missing
        frames.append({"people": people[name]})
    return frames


def _missing_before(names: list[str]) -> list[int]:
    """Return how many frames are missing before each name but the first: those without people."""
    numbers = [int(found[-1]) for name in names if (found := re.findall("[0-9]+", name))]
    steps = [after - before for before, after in pairwise(numbers)]
    if len(numbers) < len(names) or min(steps, default=0) != 1 or sum(steps) > MAX_GAPS:
        return [0] * (len(names) - 1)
    return [step - 1 for step in steps]


def _is_coco(document: dict[str, Any]) -> bool:
    """Return whether MMPose says that a model of COCO made the file."""
    about = document.get("meta_info")
    return isinstance(about, dict) and "coco" in str(about.get("dataset_name"))[:100].lower()


def _is_array_of_people(frame: list[Any]) -> bool:
    """Return whether an array holds people, and is not the joints of one person."""
    first = frame[0] if frame else None
    if isinstance(first, dict):
        return has_body(first)
    return frame == [] or (
        isinstance(first, list) and bool(first) and isinstance(first[0], list | dict)
    )


def _checked_fps(name: str, fps: Any) -> float | None:
    if fps is None:
        return None
    rate = number(fps)
    if rate is None or not MIN_FPS <= rate <= MAX_FPS:
        raise PoseFileError(f"{name}: fps is {shown(fps)}; it must be from {MIN_FPS} to {MAX_FPS}")
    return float(rate)
