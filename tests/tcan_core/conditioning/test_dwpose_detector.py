"""rtmlib's classes on networks with known outputs: every keypoint is at its known position."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.detectors import detectors
from tcan_core.conditioning.dwpose_detector import (
    JOINTS_FILE,
    JOINTS_SIZE,
    PEOPLE_FILE,
    PEOPLE_SIDE,
    DwposeDetector,
)
from tcan_core.errors import WeightsError
from tests.tcan_core.conditioning.onnx_file import Node, write_onnx

WIDTH, HEIGHT = JOINTS_SIZE
ANCHORS = sum((PEOPLE_SIDE // stride) ** 2 for stride in (8, 16, 32))
STRIDE, CELLS, FIRST = 32, PEOPLE_SIDE // 32, ANCHORS - (PEOPLE_SIDE // 32) ** 2
PERSON, DOG = 0, 16
Box = tuple[float, float, float, float]  # x, y of the middle, width, height, in YOLOX's input


def write_people(path: Path, boxes: list[tuple[Box, int]]) -> None:
    """Write an exported YOLOX that detects these boxes of these classes in blue images."""
    answer = np.zeros((1, ANCHORS, 85), np.float32)
    for (x, y, width, height), kind in boxes:
        column, row = int(x // STRIDE), int(y // STRIDE)
        anchor = answer[0, FIRST + row * CELLS + column]
        anchor[:2] = x / STRIDE - column, y / STRIDE - row
        anchor[2:4] = np.log([width / STRIDE, height / STRIDE])
        anchor[[4, 5 + kind]] = 1.0
    # The image is BGR, 0..255; the brightest blue is the score.
    certain = np.ones((1, 1, 85), np.float32)
    certain[..., 4] = 0.0
    nodes = [
        Node("Gather", ["images", "blue"], "channel", {"axis": 1}),
        Node("ReduceMax", ["channel"], "brightest", {"axes": [1, 2], "keepdims": 1}),
        Node("Div", ["brightest", "white"], "part"),
        Node("Mul", ["part", "score"], "scored"),
        Node("Add", ["scored", "certain"], "weights"),
        Node("Mul", ["answer", "weights"], "output"),
    ]
    constants: dict[str, np.ndarray] = {
        "blue": np.array(0, np.int64),
        "white": np.array(255.0, np.float32),
        "score": 1.0 - certain,
        "certain": certain,
        "answer": answer,
    }
    picture = [1, 3, PEOPLE_SIDE, PEOPLE_SIDE]
    write_onnx(path, nodes, constants, {"images": picture}, {"output": [1, ANCHORS, 85]})


def write_known_joints(path: Path, columns: np.ndarray, rows: np.ndarray, sure: float) -> None:
    """Write a DWPose with fixed peaks at these half pixels of its input, (133,) each."""
    simcc_x, simcc_y = np.zeros((1, 133, 2 * WIDTH)), np.zeros((1, 133, 2 * HEIGHT))
    simcc_x[0, np.arange(133), columns] = sure
    simcc_y[0, np.arange(133), rows] = sure
    nodes = [Node("Identity", ["x"], "simcc_x"), Node("Identity", ["y"], "simcc_y")]
    write_onnx(
        path,
        nodes,
        {"x": simcc_x, "y": simcc_y},
        {"input": [1, 3, HEIGHT, WIDTH]},
        {"simcc_x": [1, 133, 2 * WIDTH], "simcc_y": [1, 133, 2 * HEIGHT]},
    )


def write_red_finder(path: Path) -> None:
    """Write a DWPose that puts every keypoint on the reddest column and row of its input."""
    nodes = [Node("Gather", ["input", "red"], "channel", {"axis": 1})]
    for name, axis in (("x", 1), ("y", 2)):
        nodes += [
            Node("ReduceMax", ["channel"], f"line_{name}", {"axes": [axis], "keepdims": 0}),
            Node("Reshape", [f"line_{name}", f"tall_{name}"], f"once_{name}"),
            Node("Concat", [f"once_{name}", f"once_{name}"], f"twice_{name}", {"axis": 2}),
            Node("Reshape", [f"twice_{name}", f"flat_{name}"], f"halves_{name}"),
            Node("Mul", [f"halves_{name}", "all"], f"simcc_{name}"),
        ]
    constants: dict[str, np.ndarray] = {
        "red": np.array(0, np.int64),
        "all": np.ones((1, 133, 1), np.float32),
    }
    for name, length in (("x", WIDTH), ("y", HEIGHT)):
        constants[f"tall_{name}"] = np.array([1, length, 1], np.int64)
        constants[f"flat_{name}"] = np.array([1, 1, 2 * length], np.int64)
    write_onnx(
        path,
        nodes,
        constants,
        {"input": [1, 3, HEIGHT, WIDTH]},
        {"simcc_x": [1, 133, 2 * WIDTH], "simcc_y": [1, 133, 2 * HEIGHT]},
    )


def in_frame(box: Box, scale: float, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Convert half pixels of the input to the frame; the box is enlarged by 1.25 and padded."""
    x, y, width, height = (side / scale for side in box)
    width, height = (
        1.25 * max(width, height * WIDTH / HEIGHT),
        1.25 * max(height, width * HEIGHT / WIDTH),
    )
    across = x - width / 2 + columns / 2 * width / WIDTH
    down = y - height / 2 + rows / 2 * height / HEIGHT
    return np.column_stack([across, down]) + 0.5


def everything(pose: Pose) -> np.ndarray:
    """Return all points of a pose, (n, 2)."""
    assert pose.face is not None and pose.hand_left is not None and pose.hand_right is not None
    parts = [pose.keypoints, pose.face[:, :2], pose.hand_left[:, :2], pose.hand_right[:, :2]]
    return np.concatenate(parts)


BLUE = np.full((480, 320, 3), (0, 0, 255), np.uint8)
SCALE = PEOPLE_SIDE / 480
ADULT: Box = (200.0, 300.0, 120.0, 400.0)
CHILD: Box = (330.0, 420.0, 90.0, 150.0)


def test_known_peaks_become_exactly_these_keypoints(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns, rows = random.integers(0, 2 * WIDTH, 133), random.integers(0, 2 * HEIGHT, 133)
    write_people(tmp_path / PEOPLE_FILE, [(ADULT, PERSON), (CHILD, PERSON)])
    write_known_joints(tmp_path / JOINTS_FILE, columns, rows, 0.8)

    [people] = DwposeDetector(tmp_path).detect(BLUE[None])

    assert len(people) == 2
    for pose, box in zip(
        sorted(people, key=lambda one: one.keypoints[0, 0]), (ADULT, CHILD), strict=True
    ):
        truth = in_frame(box, SCALE, columns, rows)
        near = partial(np.testing.assert_allclose, atol=0.01)
        near(pose.keypoints[Joint.NOSE], truth[0])
        near(pose.keypoints[Joint.NECK], truth[[5, 6]].mean(axis=0))
        near(pose.keypoints[Joint.LEFT_WRIST], truth[9])
        near(pose.keypoints[Joint.RIGHT_ANKLE], truth[16])
        assert pose.face is not None and pose.hand_left is not None and pose.hand_right is not None
        near(pose.face[:68, :2], truth[23:91])
        near(pose.hand_left[:, :2], truth[91:112])
        near(pose.hand_right[:, :2], truth[112:133])
        np.testing.assert_allclose(pose.confidence, 0.8, atol=1e-6)
        assert pose.canvas == (480, 320)


def test_network_gets_the_person_box_in_rgb(tmp_path: Path) -> None:
    frame = BLUE.copy()
    frame[236:239, 140:143] = (255, 0, 0)  # red, its middle at (141.5, 237.5)
    write_people(tmp_path / PEOPLE_FILE, [(ADULT, PERSON)])
    write_red_finder(tmp_path / JOINTS_FILE)

    [[pose]] = DwposeDetector(tmp_path).detect(frame[None])

    np.testing.assert_allclose(everything(pose), [[141.5, 237.5]] * (18 + 70 + 42), atol=1.5)


def test_animals_are_not_people(tmp_path: Path) -> None:
    write_people(tmp_path / PEOPLE_FILE, [(ADULT, DOG), (CHILD, PERSON)])
    write_known_joints(tmp_path / JOINTS_FILE, np.full(133, 9), np.full(133, 9), 0.8)
    detector = DwposeDetector(tmp_path)
    red = np.full((480, 320, 3), (255, 0, 0), np.uint8)  # YOLOX is given BGR: no blue there
    assert [len(people) for people in detector.detect(np.stack([BLUE, red]))] == [1, 0]


def test_person_without_confident_joints_is_dropped(tmp_path: Path) -> None:
    write_people(tmp_path / PEOPLE_FILE, [(ADULT, PERSON)])
    write_known_joints(tmp_path / JOINTS_FILE, np.full(133, 9), np.full(133, 9), 0.2)
    assert DwposeDetector(tmp_path).detect(BLUE[None]) == [[]]


def test_nothing_is_printed_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(tmp_path / PEOPLE_FILE, [])
    write_known_joints(tmp_path / JOINTS_FILE, np.zeros(133, int), np.zeros(133, int), 0.8)
    assert DwposeDetector(tmp_path).detect(BLUE[None]) == [[]]
    assert capsys.readouterr().out == ""
    assert "dwpose" in detectors()


@pytest.mark.parametrize("damaged", [PEOPLE_FILE, JOINTS_FILE])
@pytest.mark.parametrize("half", [True, False])
def test_damaged_file_is_named(tmp_path: Path, damaged: str, half: bool) -> None:
    write_people(tmp_path / PEOPLE_FILE, [])
    write_known_joints(tmp_path / JOINTS_FILE, np.zeros(133, int), np.zeros(133, int), 0.8)
    whole = (tmp_path / damaged).read_bytes()
    (tmp_path / damaged).write_bytes(whole[: len(whole) // 2] if half else b"")
    with pytest.raises(WeightsError, match=f"{damaged}: not a network that onnxruntime reads"):
        DwposeDetector(tmp_path)
