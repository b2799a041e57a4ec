import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.evaluate import compare, evaluate
from tcan_core.errors import ConfigError, InputError, MediaError
from tcan_core.evaluation.report import ClipReport, Report
from tcan_core.puppets.pairs import render_pair


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(evaluate)
    app.command()(compare)
    return app


def write_report(path: Path, psnr: float) -> Path:
    clips = [
        ClipReport(
            f"{index:04d}", 24, 0.1 * index, {"pose": {"psnr": psnr + index, "flicker": 0.0}}
        )
        for index in range(4)
    ]
    Report({"preset": "mini"}, clips).write(path)
    return path


def test_compare_prints_one_json_object(app: typer.Typer, tmp_path: Path) -> None:
    base, other = (write_report(tmp_path / f"{psnr}.json", psnr) for psnr in (18.0, 20.0))

    result = CliRunner().invoke(app, ["compare", str(base), str(other), "--json"])

    changes = json.loads(result.stdout)
    assert changes["psnr"]["clips"] == 4
    assert changes["psnr"]["difference"] == {"mean": 2.0, "low": 2.0, "high": 2.0}
    assert changes["flicker"]["relative"] is None


def test_compare_shows_a_table(app: typer.Typer, tmp_path: Path) -> None:
    base, other = (write_report(tmp_path / f"{psnr}.json", psnr) for psnr in (18.0, 20.0))
    arguments = ["compare", str(base), str(other), "--min-proportion-gap", "0.15"]

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0
    assert "psnr" in result.stdout
    assert "+2.000" in result.stdout


def test_compare_rejects_a_file_that_is_not_a_report(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])

    assert isinstance(result.exception, InputError)


def test_evaluate_checks_the_pairs_before_it_loads_a_model(
    app: typer.Typer, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    arguments = ["evaluate", "--pairs", str(tmp_path), "--preset", "no-such", "--out", str(out)]

    result = CliRunner().invoke(app, arguments)

    assert isinstance(result.exception, MediaError)
    assert not out.exists()


def test_evaluate_reports_at_its_start_why_lpips_is_skipped(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)  # as where it is not installed
    render_pair(tmp_path / "0000", 1_000_000, 2, 32, "any")
    arguments = ["--pairs", str(tmp_path), "--preset", "no-such", "--out", str(tmp_path / "r.json")]

    result = CliRunner().invoke(app, ["evaluate", *arguments])

    assert isinstance(result.exception, ConfigError)
    assert result.stderr.startswith("skipped LPIPS: LPIPS needs the extra `lpips`")
