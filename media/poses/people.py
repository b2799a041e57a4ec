"""The people of a frame in a pose file, under the names that programs give to their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from media.errors import PoseFileError
from media.poses.conversion import selected, to_openpose18
from media.poses.joints import JOINT_ORDERS, NUM_FACE_JOINTS, NUM_HAND_JOINTS, Layout
from media.poses.notes import Notes
from media.poses.points import Points, PointsError, read_points

BODY, HAND_LEFT, HAND_RIGHT, FACE = (
    f"{part}_keypoints_2d" for part in ("pose", "hand_left", "hand_right", "face")
)
BODY_3D, SCORES = "pose_keypoints_3d", "keypoint_scores"
FACE_COUNTS = (NUM_FACE_JOINTS - 2, NUM_FACE_JOINTS)  # without and with pupils
# Other names of the parts, in lower case and without underscores.
_NAMES = {
    BODY: "posekeypoints2d posekeypoints bodykeypoints2d bodykeypoints keypoints2d keypoints body"
    " joints landmarks poselandmarks",
    HAND_LEFT: "handleftkeypoints2d handleftkeypoints lefthandkeypoints2d lefthandkeypoints"
    " lefthandlandmarks handleft lefthand",
    HAND_RIGHT: "handrightkeypoints2d handrightkeypoints righthandkeypoints2d righthandkeypoints"
    " righthandlandmarks handright righthand",
    FACE: "facekeypoints2d facekeypoints facelandmarks",
    BODY_3D: "posekeypoints3d keypoints3d poseworldlandmarks",
    SCORES: "keypointscores keypointsscores scores confidences",
}
_CANONICAL = {name: part for part, names in _NAMES.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame: flat x, y, confidence per joint.

    Attributes:
        body: 18 joints.
        hand_left: 21 joints, or None.
        hand_right: 21 joints, or None.
        face: 70 or 68 joints, or None.
    """

    body: Points
    hand_left: Points | None = None
    hand_right: Points | None = None
    face: Points | None = None

    @property
    def is_detected(self) -> bool:
        """True if a joint of the body was detected."""
        return any(confidence > 0 for confidence in self.body[2::3])

    @property
    def parts(self) -> tuple[Points, ...]:
        """Body, hands and face, as far as the person has them."""
        parts = (self.body, self.hand_left, self.hand_right, self.face)
        return tuple(part for part in parts if part is not None)


@dataclass
class PersonReader:
    """Reads people and counts what it leaves out.

    Attributes:
        layout: layout of the bodies; all but COCO's 17 joints by default.
        notes: receives the counts.
        reads_coco: whether `auto` reads 17 joints as COCO's: other programs have others.
        problem: the first body that cannot be read, with its place.
    """

    layout: Layout
    notes: Notes
    reads_coco: bool = False
    problem: str | None = None
    _layouts: dict[int, Layout] = field(init=False)

    def __post_init__(self) -> None:
        layouts = [self.layout]
        if self.layout is Layout.AUTO:
            layouts = [
                kind for kind in JOINT_ORDERS if kind is not Layout.COCO17 or self.reads_coco
            ]
        self._layouts = {JOINT_ORDERS[layout].count: layout for layout in layouts}

    def read(self, person: Any, where: str) -> Person | None:
        """Return a person, or None if it has no body or a body that cannot be read."""
        if not isinstance(person, dict):
            person = {BODY: person}
        parts = person if BODY in person else named_parts(person)
        body = parts.get(BODY)
        if not body and isinstance(body, list | None):
            self._leave_out(parts, where)
            return None
        notes_before = self.notes.total
        try:
            points = read_points(_with_scores(body, parts), tuple(self._layouts), self.notes, where)
        except PointsError as error:
            self._note_problem(f"{where}: {BODY} {error}; {self._allowed_layouts(body)}")
            return None
        if self.problem is None and self.notes.total > notes_before and not any(points[2::3]):
            reason = "; ".join(self.notes.sentences()[:3])
            self.problem = f"{where}: {BODY} has no joint that can be read; {reason}"
        return self._person(points, parts, where)

    def _person(self, points: Points, parts: Mapping[str, Any], where: str) -> Person:
        layout = self._layouts[len(points) // 3]
        order = JOINT_ORDERS[layout]
        return Person(
            to_openpose18(points, layout),
            self._hand(parts, HAND_LEFT, where) or _included(points, order.hand_left),
            self._hand(parts, HAND_RIGHT, where) or _included(points, order.hand_right),
            self._part(parts, FACE, FACE_COUNTS, where) or _included(points, order.face),
        )

    def _hand(self, parts: Mapping[str, Any], field: str, where: str) -> Points | None:
        return self._part(parts, field, (NUM_HAND_JOINTS,), where)

    def _part(
        self, parts: Mapping[str, Any], field: str, counts: tuple[int, ...], where: str
    ) -> Points | None:
        """Return a hand or a face, or None when it is absent or cannot be read."""
        values = parts.get(field)
        if values is None or values == []:
            return None
        try:
            return read_points(values, counts, self.notes, where)
        except PointsError as error:
            self.notes.add(f"{field} left out because it {error}", where)
            return None

    def _leave_out(self, parts: Mapping[str, Any], where: str) -> None:
        if parts.get(BODY_3D):
            self._note_problem(
                f"{where}: there are 3-D keypoints only; give {BODY}, x and y in the picture"
            )
        else:
            self.notes.add("people left out because they have no body keypoints", where)

    def _allowed_layouts(self, body: Any) -> str:
        if self.layout is not Layout.AUTO:
            return f"the layout is {self.layout}"
        if isinstance(body, list) and len(body) in (17, 34, 51):
            return f"for COCO's 17 joints give layout {Layout.COCO17}"
        return f"layouts are {', '.join(layout for layout in Layout if layout is not Layout.AUTO)}"

    def _note_problem(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem
        self.notes.add("people left out because their body cannot be read", problem)


def named_parts(person: dict[str, Any]) -> dict[str, Any]:
    """Return a person's parts under OpenPose's names."""
    return {_CANONICAL.get(squashed(name), name): value for name, value in person.items()}


def has_body(content: dict[str, Any]) -> bool:
    """Return whether an object is a person."""
    return not {BODY, BODY_3D}.isdisjoint(named_parts(content))


def squashed(name: str) -> str:
    """Return a name in lower case without underscores, so that `canvasWidth` is found too."""
    return name[:40].replace("_", "").lower()


def check_people(people: list[Any], most: int, where: str) -> None:
    """Raise PoseFileError when a frame has too many people."""
    if len(people) > most:
        raise PoseFileError(
            f"{where}: there are {len(people):,} people; at most {most} are allowed"
        )


def _with_scores(body: Any, parts: Mapping[str, Any]) -> Any:
    """Return pairs of x, y with their confidences, which some programs write in another array."""
    scores = parts.get(SCORES)
    if not (isinstance(scores, list) and isinstance(body, list)):
        return body
    if len(body) == 2 * len(scores):
        body = [body[index : index + 2] for index in range(0, len(body), 2)]
    is_pairs = all(isinstance(joint, list) and len(joint) == 2 for joint in body)
    if len(body) != len(scores) or not is_pairs:
        return body
    return [[*joint, score] for joint, score in zip(body, scores, strict=True)]


def _included(points: Points, indices: range | None) -> Points | None:
    """Return a hand or a face that is part of the body's layout."""
    return None if indices is None else selected(points, indices)
