import json
from pathlib import Path

import pytest

from tcan_core.errors import InputError
from tcan_core.evaluation.report import ClipReport, Report, compare_conditions, read_report


def report(shift: float = 0.0, clips: int = 4) -> Report:
    return Report(
        {"preset": "mini"},
        [
            ClipReport(
                f"{index:04d}",
                frames=24,
                proportion_gap=index / 10,
                results={
                    "repeat_source": {"psnr": 15.0 + index, "flicker": None},
                    "pose": {"psnr": 20.0 + index + shift, "flicker": 3.0 + index},
                },
                seconds={"pose": 1.5},
            )
            for index in range(clips)
        ],
    )


def test_a_report_round_trips_through_json(tmp_path: Path) -> None:
    report().write(tmp_path / "new" / "report.json")

    assert read_report(tmp_path / "new" / "report.json") == report()


def test_the_report_contains_means_intervals_and_clips(tmp_path: Path) -> None:
    report().write(tmp_path / "report.json")

    content = json.loads((tmp_path / "report.json").read_text())
    assert content["about"] == {"preset": "mini"}
    assert content["num_clips"] == 4
    assert content["num_errors"] == 0
    assert content["means"]["pose"] == {"psnr": 21.5, "flicker": 4.5}
    assert content["means"]["repeat_source"] == {"psnr": 16.5, "flicker": None}
    low, high = content["intervals_95"]["pose"]["psnr"]
    assert 20 <= low < 21.5 < high <= 23
    assert content["clips"][2]["results"]["pose"]["psnr"] == 22
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_failed_clip_is_counted_and_excluded_from_the_mean(tmp_path: Path) -> None:
    whole = report()
    failed = ClipReport(
        "0009", 24, None, {"repeat_source": {"psnr": 10.0}}, {"pose": "no_person: x"}
    )
    whole.clips.append(failed)
    whole.write(tmp_path / "report.json")

    content = json.loads((tmp_path / "report.json").read_text())
    assert content["num_errors"] == 1
    assert content["means"]["pose"]["psnr"] == 21.5


def test_two_runs_are_compared_clip_by_clip() -> None:
    changes = compare_conditions(report(), report(shift=2.0), "pose", "pose")

    assert changes["psnr"].clips == 4
    assert changes["psnr"].difference.mean == 2
    assert changes["psnr"].difference.low > 0 or changes["psnr"].difference.high < 0
    assert changes["flicker"].difference.mean == 0


def test_two_conditions_of_one_run_are_compared() -> None:
    changes = compare_conditions(report(), report(), "repeat_source", "pose")

    assert changes["psnr"].difference.mean == 5
    assert "flicker" not in changes


def test_clips_with_a_small_proportion_gap_can_be_excluded() -> None:
    changes = compare_conditions(report(), report(), "pose", "pose", min_proportion_gap=0.2)

    assert changes["psnr"].clips == 2
    assert changes["psnr"].base == 22.5


def test_only_common_clips_are_compared() -> None:
    assert compare_conditions(report(), report(clips=2), "pose", "pose")["psnr"].clips == 2


def test_runs_without_common_clips_are_rejected() -> None:
    with pytest.raises(InputError, match="no clip has results for both 'pose' and 'video'"):
        compare_conditions(report(), report(), "pose", "video")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"about": {}, "clips": [{"nom": 1}]}'])
def test_a_file_that_is_not_a_report_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)

    with pytest.raises(InputError, match="not a report of tcan evaluate"):
        read_report(tmp_path / "report.json")
