import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.image import read_image
from tcan_core.errors import MediaError, NoPersonError, ParameterError
from tcan_core.evaluation.evaluate import (
    Driving,
    EvaluateOptions,
    EvaluateProgress,
    evaluate_pairs,
)
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import Pair


def tell_the_truth(pair: Pair, driving: Driving, seed: int) -> Frames:
    return pair.truth()


def stand_still(pair: Pair, driving: Driving, seed: int) -> Frames:
    return np.repeat(pair.source()[None], len(pair.truth()), axis=0)


def fail_on_videos(pair: Pair, driving: Driving, seed: int) -> Frames:
    if driving == "video":
        raise NoPersonError("no person in driving.mp4")
    return pair.truth()


def test_the_truth_scores_best(pairs_dir: Path, tmp_path: Path) -> None:
    report = evaluate_pairs(pairs_dir, tell_the_truth, tmp_path / "r.json")

    means = json.loads((tmp_path / "r.json").read_text())["means"]
    for driving in ("pose", "video"):
        assert means[driving] == {
            "l1": 0,
            "psnr": 100,
            "ssim": pytest.approx(1),
            "moving_region_psnr": 100,
            "flicker": 0,
            "flicker_error": 0,
            "background_motion": 0,
        }
    assert 5 < means["repeat_source"]["moving_region_psnr"] < 25
    assert means["repeat_source"]["ssim"] < 1
    assert [clip.name for clip in report.clips] == ["0000", "0001", "0002"]


def test_the_baseline_equals_an_animator_that_repeats_the_source(
    pairs_dir: Path, tmp_path: Path
) -> None:
    report = evaluate_pairs(pairs_dir, stand_still, tmp_path / "r.json")

    for clip in report.clips:
        assert clip.results["pose"] == clip.results["repeat_source"]


def test_a_failed_pair_is_reported_and_the_others_continue(pairs_dir: Path, tmp_path: Path) -> None:
    report = evaluate_pairs(pairs_dir, fail_on_videos, tmp_path / "r.json")

    assert [clip.errors for clip in report.clips] == 3 * [
        {"video": "no_person: no person in driving.mp4"}
    ]
    assert report.conditions() == ["repeat_source", "pose"]
    assert json.loads((tmp_path / "r.json").read_text())["num_errors"] == 3


def test_progress_counts_animations_and_seeds_differ_by_pair(
    pairs_dir: Path, tmp_path: Path
) -> None:
    seeds: list[tuple[str, Driving, int]] = []
    seen: list[EvaluateProgress] = []

    def animate(pair: Pair, driving: Driving, seed: int) -> Frames:
        seeds.append((pair.name, driving, seed))
        return pair.truth()

    options = EvaluateOptions(seed=7, limit=2, about={"preset": "mini"})
    report = evaluate_pairs(pairs_dir, animate, tmp_path / "r.json", options, seen.append)

    assert seeds == [
        ("0000", "pose", 7),
        ("0000", "video", 7),
        ("0001", "pose", 8),
        ("0001", "video", 8),
    ]
    assert [(event.done, event.total) for event in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert report.about == {"pairs": str(pairs_dir), "seed": 7, "preset": "mini"}


def test_a_single_driving_condition_can_be_selected(pairs_dir: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(drivings=("pose",), limit=1)
    report = evaluate_pairs(pairs_dir, tell_the_truth, tmp_path / "r.json", options)

    assert report.conditions() == ["repeat_source", "pose"]


def test_a_contact_sheet_is_written_per_pair(pairs_dir: Path, tmp_path: Path) -> None:
    evaluate_pairs(pairs_dir, tell_the_truth, tmp_path / "r.json")

    sheets = sorted((tmp_path / "r_sheets").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["0000.png", "0001.png", "0002.png"]
    height, width, _ = read_image(sheets[0]).shape
    assert height > 4 * 100
    assert width > 6 * 100


def test_an_interrupted_run_keeps_its_results(pairs_dir: Path, tmp_path: Path) -> None:
    def fail_at_last(pair: Pair, driving: Driving, seed: int) -> Frames:
        if pair.name == "0002":
            raise KeyboardInterrupt
        return pair.truth()

    with pytest.raises(KeyboardInterrupt):
        evaluate_pairs(pairs_dir, fail_at_last, tmp_path / "r.json")

    assert json.loads((tmp_path / "r.json").read_text())["num_clips"] == 2


def test_a_parameter_error_stops_the_evaluation(pairs_dir: Path, tmp_path: Path) -> None:
    def refuse(pair: Pair, driving: Driving, seed: int) -> Frames:
        raise ParameterError("ptm_tau is -1")

    with pytest.raises(ParameterError, match="ptm_tau is -1"):
        evaluate_pairs(pairs_dir, refuse, tmp_path / "r.json")


def test_a_result_of_another_length_is_reported(pairs_dir: Path, tmp_path: Path) -> None:
    def lose_a_frame(pair: Pair, driving: Driving, seed: int) -> Frames:
        return pair.truth()[:-1]

    report = evaluate_pairs(pairs_dir, lose_a_frame, tmp_path / "r.json", EvaluateOptions(limit=1))

    assert "(4, 32, 32, 3), the truth is (5, 32, 32, 3)" in report.clips[0].errors["pose"]


def test_bad_options_and_folders_are_refused(tmp_path: Path) -> None:
    drivings: Any = ("audio",)
    with pytest.raises(ParameterError, match="audio"):
        EvaluateOptions(drivings=drivings)
    with pytest.raises(MediaError, match="no pairs"):
        evaluate_pairs(tmp_path, tell_the_truth, tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()
