import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from tcan_core.errors import MediaError
from tcan_core.evaluation.pairs import read_pairs


def test_every_part_of_a_pair_is_read(pairs_dir: Path) -> None:
    pairs = read_pairs(pairs_dir)

    assert [pair.name for pair in pairs] == ["0000", "0001", "0002"]
    for pair in pairs:
        assert pair.source().shape == (32, 32, 3)
        assert pair.truth().shape == (5, 32, 32, 3)
        assert len(pair.driving_poses()) == 5
        assert pair.source_pose().canvas == (32, 32)
        assert pair.driving_video_path.is_file()


def test_limit_selects_the_first_pairs(pairs_dir: Path) -> None:
    assert [pair.name for pair in read_pairs(pairs_dir, limit=2)] == ["0000", "0001"]


def test_the_truth_does_not_change_on_the_still_background(pairs_dir: Path) -> None:
    for pair in read_pairs(pairs_dir):
        still, truth = pair.still_background(), pair.truth()

        assert 0.2 < still.mean() < 1
        assert np.ptp(truth[:, still], axis=0).max() == 0


def test_without_masks_the_background_is_the_static_region(pairs_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(pairs_dir, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "0000" / "target_mask")

    [pair] = read_pairs(tmp_path / "copy", limit=1)
    [masked] = read_pairs(pairs_dir, limit=1)

    assert not (masked.still_background() & ~pair.still_background()).any()


def test_crossed_proportions_have_a_wider_gap(pairs_dir: Path) -> None:
    *alike, crossed = [pair.proportion_gap() for pair in read_pairs(pairs_dir)]

    assert all(0 <= gap < crossed for gap in alike)
    assert crossed > math.log(1.5)


def test_a_folder_without_pairs_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pairs; expected folders with source.png"):
        read_pairs(tmp_path)
    with pytest.raises(MediaError, match="no such folder"):
        read_pairs(tmp_path / "nowhere")


def test_an_incomplete_pair_is_rejected_with_its_missing_files(
    pairs_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(pairs_dir, tmp_path / "copy")
    (tmp_path / "copy" / "0001" / "driving.mp4").unlink()
    shutil.rmtree(tmp_path / "copy" / "0001" / "target")

    with pytest.raises(MediaError, match=r"0001: missing files: driving.mp4, target/00000.png"):
        read_pairs(tmp_path / "copy")
