"""controlnet-aux's classes: built from files, and on known heatmaps.

Needs the extra: `make pose`, then `make test ARGS="-m pose"`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.openpose_detector import FILES, SHORTER_SIDE, OpenposeDetector
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import WeightsError
from tests.tcan_core.conditioning.make_poses import standing

pytestmark = pytest.mark.pose

# OpenPose's part affinity fields: limbs in the order of their channels, two each (x, y).
FIELDS = [
    (Joint.NECK, Joint.RIGHT_HIP), (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE), (Joint.NECK, Joint.LEFT_HIP),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE), (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
    (Joint.NECK, Joint.RIGHT_SHOULDER), (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST), (Joint.RIGHT_SHOULDER, Joint.RIGHT_EAR),
    (Joint.NECK, Joint.LEFT_SHOULDER), (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST), (Joint.LEFT_SHOULDER, Joint.LEFT_EAR),
    (Joint.NECK, Joint.NOSE), (Joint.NOSE, Joint.RIGHT_EYE), (Joint.NOSE, Joint.LEFT_EYE),
    (Joint.RIGHT_EYE, Joint.RIGHT_EAR), (Joint.LEFT_EYE, Joint.LEFT_EAR),
]  # fmt: skip
CANVAS = (360, 640)


def bump(places: np.ndarray, height: int, width: int, peak: float = 0.9) -> Tensor:
    """Return the maximum of Gaussians of one cell around points (n, 2), (height, width)."""
    y, x = np.mgrid[:height, :width]
    squares = [(x - place[0]) ** 2 + (y - place[1]) ** 2 for place in places]
    if not squares:
        return torch.zeros(height, width)
    return torch.from_numpy(peak * np.exp(-np.min(squares, axis=0) / 2)).float()


class KnownBodies(nn.Module):
    """A body network with the output of OpenPose's for these people."""

    def __init__(self, people: list[Pose]) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))  # controlnet-aux asks where the network is
        self.people = people

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return fields (1, 38, h, w) and heatmaps (1, 19, h, w) for images (1, 3, 8 h, 8 w)."""
        height, width = images.shape[2] // 8, images.shape[3] // 8
        scale = 184 / CANVAS[0]  # controlnet-aux shows it the frame 184 pixels high
        heat = torch.zeros(19, height, width)
        for joint in Joint:
            places = [
                pose.keypoints[joint] * scale / 8 - 0.5
                for pose in self.people
                if pose.detected[joint]
            ]
            heat[joint] = bump(np.array(places), height, width)
        fields = torch.zeros(38, height, width)
        for index, (start, end) in enumerate(FIELDS):
            along = self.people[0].keypoints[end] - self.people[0].keypoints[start]
            fields[2 * index : 2 * index + 2] += torch.tensor(
                along / np.linalg.norm(along)
            ).float()[:, None, None]
        return fields[None], heat[None]


class KnownHand(nn.Module):
    """A hand network that finds point i at (0.3 + 0.02 i, 0.5) of its crop, but not point 5."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        """Return (1, 22, h, w)."""
        side = images.shape[2] // 8
        maps = [
            bump(np.array([[(0.3 + 0.02 * i) * side - 0.5, 0.5 * side - 0.5]]), side, side)
            for i in range(22)
        ]
        maps[5] = torch.zeros(side, side)
        return torch.stack(maps)[None]


class KnownFace(nn.Module):
    """A face network that finds every point in the middle of its crop, but not point 10."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return (1, 71, h, w) per stage, of which the last one is used."""
        side = images.shape[2] // 8
        maps = bump(np.array([[(side - 1) / 2] * 2]), side, side).repeat(71, 1, 1)
        maps[10] = 0.0
        return [torch.zeros(1, 71, side, side), maps[None]]


@pytest.fixture(scope="module")
def library() -> Any:
    """Import controlnet-aux, whose other annotators warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux import open_pose
    return open_pose


@pytest.fixture(scope="module")
def folder(library: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the three files with their real keys and shapes, and random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("openpose")

    def without_block(network: nn.Module) -> dict[str, Tensor]:
        """Remove the block's name from the keys, as in the files of body and hand."""
        return {key.partition(".")[2]: value for key, value in network.state_dict().items()}

    torch.save(without_block(library.body.bodypose_model()), path / "body_pose_model.pth")
    torch.save(without_block(library.hand.handpose_model()), path / "hand_pose_model.pth")
    torch.save(library.face.FaceNet().state_dict(), path / "facenet.pth")
    return path


@pytest.fixture
def known(folder: Path) -> Callable[[list[Pose]], OpenposeDetector]:
    """Build the real detector with networks of known outputs."""

    def build(people: list[Pose]) -> OpenposeDetector:
        detector = OpenposeDetector(folder)
        detector._networks.body_estimation.model = KnownBodies(people)
        detector._networks.hand_estimation.model = KnownHand()
        detector._networks.face_estimation.model = KnownFace()
        return detector

    return build


@pytest.fixture
def person() -> Pose:
    return standing(40.0, neck=(200.0, 80.0), canvas=CANVAS)


def test_random_weights_are_loaded_and_find_no_people(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 72, 64, 3), np.uint8)
    assert OpenposeDetector(folder).detect(noise) == [[]]


@pytest.mark.parametrize("damaged", FILES)
def test_damaged_file_is_rejected(folder: Path, tmp_path: Path, damaged: str) -> None:
    for name in FILES:
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / damaged).unlink()
    (tmp_path / damaged).write_bytes(b"half of a file")
    with pytest.raises(WeightsError, match=f"{damaged}: not a network of OpenPose"):
        OpenposeDetector(tmp_path)


def test_known_heatmaps_become_these_keypoints(
    known: Callable[[list[Pose]], OpenposeDetector], person: Pose
) -> None:
    [people] = known([person]).detect(np.zeros((1, *CANVAS, 3), np.uint8))
    [pose] = people
    assert pose.canvas == CANVAS and pose.detected.all()
    # A cell of the heatmaps is 16 pixels of this frame.
    np.testing.assert_allclose(pose.keypoints, person.keypoints, atol=2.5)
    assert abs(np.mean(pose.keypoints - person.keypoints)) < 1.0
    assert 0.6 < pose.confidence.min() <= pose.confidence.max() <= 1.0


def test_two_people_are_separated(
    known: Callable[[list[Pose]], OpenposeDetector], person: Pose
) -> None:
    other = person.with_keypoints(person.keypoints + [260.0, 5.0])
    [people] = known([person, other]).detect(np.zeros((1, *CANVAS, 3), np.uint8))
    assert len(people) == 2
    for found, true in zip(
        sorted(people, key=lambda one: one.keypoints[0, 0]), [person, other], strict=True
    ):
        np.testing.assert_allclose(found.keypoints, true.keypoints, atol=2.5)


def test_hands_are_at_their_wrists_in_order(
    known: Callable[[list[Pose]], OpenposeDetector], person: Pose
) -> None:
    [[pose]] = known([person]).detect(np.zeros((1, *CANVAS, 3), np.uint8))
    for side, hand in (("LEFT", pose.hand_left), ("RIGHT", pose.hand_right)):
        assert hand is not None
        shoulder, elbow, wrist = (
            person.keypoints[Joint[f"{side}_{part}"]] for part in ("SHOULDER", "ELBOW", "WRIST")
        )
        reach = max(np.linalg.norm(wrist - elbow), 0.9 * np.linalg.norm(elbow - shoulder))
        middle = wrist + 0.33 * (wrist - elbow)
        seen = [index for index in range(21) if index != 5]
        parts = np.array([0.3 + 0.02 * index for index in seen])
        across = middle[0] + (parts - 0.5) * 1.5 * reach
        np.testing.assert_allclose(hand[seen, 0], across, atol=3.0)
        np.testing.assert_allclose(hand[seen, 1], middle[1], atol=3.0)
        assert hand[:, 2].tolist() == [float(index != 5) for index in range(21)]


def test_missing_point_of_a_face_does_not_shift_others(
    known: Callable[[list[Pose]], OpenposeDetector], person: Pose
) -> None:
    [[pose]] = known([person]).detect(np.zeros((1, *CANVAS, 3), np.uint8))
    assert pose.face is not None
    assert [index for index in range(70) if pose.face[index, 2] == 0] == [10]
    seen = pose.face[pose.face[:, 2] > 0]
    np.testing.assert_allclose(seen[:, :2] - person.keypoints[Joint.NOSE], 0.0, atol=3.0)


def test_bodies_and_faces_are_drawn_like_controlnet_aux(library: Any) -> None:
    """The ControlNet's training maps were drawn by an earlier version of this code."""
    random = np.random.default_rng(0)
    side = SHORTER_SIDE
    pose = standing(50.0, neck=(256.0, 120.0), canvas=(side, side))
    face = np.column_stack([random.uniform(300, 420, (70, 2)), np.ones(70)])
    keypoint = library.Keypoint
    # Without hands, which need matplotlib.
    drawn = library.draw_poses(
        [
            library.PoseResult(
                library.BodyResult([keypoint(*p / side) for p in pose.keypoints], 18.0, 18),
                None,
                None,
                [keypoint(*p / side) for p in face[:, :2]],
            )
        ],
        side,
        side,
        draw_hand=False,
    )
    ours = draw_pose(Pose(pose.keypoints, pose.confidence, pose.canvas, face=face))
    either = drawn.any(axis=-1) | ours.any(axis=-1)
    same = np.abs(drawn.astype(int) - ours).max(axis=-1) <= 2
    assert same[either].mean() > 0.8, "of what either draws; edges differ by half a pixel"
    white = [(picture == 255).all(axis=-1).sum() for picture in (drawn, ours)]
    assert white[0] == pytest.approx(white[1], rel=0.1)
