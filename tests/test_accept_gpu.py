"""`make accept-gpu`: steps with time limits, and a report that names what did not fit."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from tools.accept_gpu import Result, Step, report, run_step, steps

HANGS = [sys.executable, "-c", "import signal; print('begun', flush=True); signal.pause()"]
CASE = (
    '{"preset": "sd15", "variant": "plain", "frames": 16, "window": 16, "window_batch": 1,'
    ' "step_s": 0.5, "denoise_bytes": 3221225472, "denoise_planned_bytes": 2147483648,'
    ' "codec_bytes": null, "codec_planned_bytes": null, "driver_bytes": null,'
    ' "difference": null, "error": null}'
)


def arguments(out: Path, device: str = "cuda") -> Namespace:
    return Namespace(
        device=device, offline=True, tiny=False, out=out, pictures=out / "pictures", budget_s=540
    )


@pytest.mark.long
def test_step_that_hangs_is_stopped_and_its_output_kept(tmp_path: Path) -> None:
    result = run_step(Step("hang", "nothing", HANGS, 1.5), arguments(tmp_path), 100)

    assert result.outcome == "stopped after 2 s"
    assert result.output in ([], ["begun"])  # a busy machine may not have begun it


def test_step_beyond_the_budget_is_not_run(tmp_path: Path) -> None:
    result = run_step(Step("late", "nothing", HANGS, 60), arguments(tmp_path), 0.5)

    assert result.outcome == "not run: budget spent"


def test_failed_step_is_named_first_and_its_output_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such kernel')"]
    result = run_step(Step("kernel", "equal frames", command, 60), arguments(tmp_path), 100)
    text = report([result], arguments(tmp_path))

    assert "- **failed with exit code 1**: kernel (equal frames)" in text
    assert "## Output of: kernel\n\n```\nno such kernel\n```" in text


def test_report_compares_measured_memory_with_the_planner(tmp_path: Path) -> None:
    result = Result(Step("speed", "speed", [], 1), "passed", 3, [CASE])
    text = report([result], arguments(tmp_path, "cpu"))

    assert "denoising takes at most 1.50 of the memory that the planner says (sd15, plain" in text
    assert "| sd15 | plain | 16 | 16 | 1 | 0.50 | 3.00 (2.00) |" in text


def test_offline_leaves_out_published_weights(tmp_path: Path) -> None:
    offline = arguments(tmp_path)
    online = Namespace(**vars(offline) | {"offline": False})

    added = {step.name for step in steps(online)} - {step.name for step in steps(offline)}

    assert added == {"pull moore", "animate moore"}


@pytest.mark.slow
def test_rehearsal_on_a_cpu_runs_every_step_but_those_of_cuda(
    repository: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tools.accept_gpu", "--offline", "--out", str(tmp_path)]
    command += ["--device", "cpu", "--tiny", "--budget-s", "3000"]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    text = (tmp_path / "report.md").read_text()

    assert run.returncode == 0, run.stdout + text
    missing = [line for line in text.splitlines() if line.startswith("- **")]
    assert [line.partition("**: ")[0] for line in missing] == 2 * ["- **not run: needs CUDA"]
    assert "denoising takes at most 1." in text  # mini, whose memory is in the planner's table
    assert {"mini.png", "sd15-plain.png", "moore-plain.png"} <= {
        path.name for path in (tmp_path / "pictures").iterdir()
    }
