"""Check on one GPU what no CPU can show, in nine minutes, and write a report with pictures.

    .venv/bin/python -m tools.accept_gpu [--offline] [--out accept-gpu] [--budget-s 540]
                                         [--device cpu --tiny]

Steps run one after another, the most telling first, each as a process with its own time limit
within the budget. The report names what failed, what was stopped and what did not fit, and it is
written again after each step. `--offline` leaves out published weights: speed and memory are
measured with random ones. `--device cpu --tiny` rehearses the whole on small networks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import rmtree, which
from typing import Any

from media.contact_sheet import contact_sheet
from media.image import write_png
from media.video_reader import read_video
from tcan_core.errors import ParameterError
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tools.checks import ROOT

BUDGET_S = 540.0
GIB = 2**30
PACKAGES = ("torch", "diffusers", "xformers", "bitsandbytes")
NEEDS_CUDA = ("xformers", "compile")
# After sd15 and moore; the presets of few steps have sd15's networks.
OTHER_PRESETS = ("magicanimate", "musepose", "novita", "sd15-magic", "sd15-official")
# Lines of a failed step's output in the report.
TAIL = 15


@dataclass(frozen=True)
class Step:
    """A command with a time limit in seconds, and what it shows, in the report's words."""

    name: str
    shows: str
    command: Sequence[str]
    limit_s: float


@dataclass(frozen=True)
class Result:
    """The outcome of a step.

    Attributes:
        outcome: "passed", or why not.
        output: lines of its standard output and error.
    """

    step: Step
    outcome: str
    seconds: float = 0.0
    output: Sequence[str] = ()

    @property
    def cases(self) -> list[dict[str, Any]]:
        """Measurements in its output: see `Case` in docs/benchmarks/model/preset_speed.py."""
        return [json.loads(line) for line in self.output if line.startswith('{"preset"')]

    @property
    def summary(self) -> str:
        """The number of measured cases, or the last line of the output."""
        if self.cases:
            return f"{len(self.cases)} cases"
        return self.output[-1].strip("= ") if self.output else ""


def main() -> int:
    """Run the steps and write the report. Returns 1 if a step failed or was stopped, else 0."""
    args = _arguments()
    if args.device != "cpu":
        from tcan_core.models.devices import check_device

        try:
            check_device(args.device)
        except ParameterError as error:
            raise SystemExit(f"{error}, with --tiny") from None
    rmtree(args.pictures, ignore_errors=True)
    render_pair(args.pictures / "pair", FIRST_TEST_SEED, 16, 64 if args.tiny else 512)
    results: list[Result] = []
    began_s = time.monotonic()
    for step in steps(args):
        left_s = args.budget_s - (time.monotonic() - began_s)
        results.append(run_step(step, args, left_s))
        print(f"{results[-1].outcome:24}{step.name} ({results[-1].seconds:.0f} s)", flush=True)
        (args.out / "report.md").write_text(report(results, args), encoding="utf-8")
    print(f"report: {args.out / 'report.md'}")
    return int(any(result.outcome.startswith(("failed", "stopped")) for result in results))


def steps(args: argparse.Namespace) -> Iterator[Step]:
    """Yield all steps, the most telling first."""
    on_cpu = args.device == "cpu"
    tests = [sys.executable, "-m", "pytest", "-m", "gpu", "--quiet", "tests"]
    tests += ["--collect-only"] if on_cpu else ["--numprocesses", "4"]
    yield Step("tests marked gpu", "frames and training as on a CPU", tests, 120)
    yield Step("animate mini", "a trained model's frames", _animate("mini", args), 45)
    if not args.offline:
        pull = [sys.executable, "-m", "cli.main", "models", "pull", "moore"]
        yield Step("pull moore", "names and digests on the hub", pull, 150)
        shows = "published weights; a puppet, which they are not made for"
        yield Step("animate moore", shows, _animate("moore", args), 90)
    batches, shows = ["--window-batch", "1", "2", "4"], "planner's table; windows at a time"
    yield _speed("sd15", shows, args, *batches, "8")
    yield _speed("moore", shows, args, *batches)
    xformers = ["--attention", "xformers", "--window-batch", "1", "8"]
    yield _speed("sd15", "equal frames; speed", args, *xformers)
    yield _speed("sd15", "equal frames; speed", args, "--channels-last")
    yield _speed("sd15", "less memory, equal frames", args, "--offload")
    yield _speed("sd15", "driver's memory", args, "--context-size", "32", "--frames", "96")
    yield _speed("mini", "planner's table; speed", args, "--dtype", "float32")
    for preset in OTHER_PRESETS:
        yield _speed(preset, "planner's table; speed", args)
    shows = "equal frames; speed without the compilation"
    yield _speed("sd15", shows, args, "--compile", limit_s=150)


def _animate(preset: str, args: argparse.Namespace) -> list[str]:
    pair = args.pictures / "pair"
    files = ["--image", pair / "source.png", "--source-pose", pair / "source_pose.json"]
    files += ["--driving", pair / "driving_pose.json", "--out", args.pictures / f"{preset}.mp4"]
    options = ["--preset", preset, "--device", args.device, "--seed", "1", "--any-subject"]
    command = [sys.executable, "-m", "cli.main", "animate", *map(str, files), *options]
    return command if preset == "mini" else [*command, "--dtype", "bfloat16"]


def _speed(
    preset: str, shows: str, args: argparse.Namespace, *options: str, limit_s: float = 90
) -> Step:
    command = [sys.executable, str(ROOT / "docs/benchmarks/model/preset_speed.py")]
    command += ["--preset", preset, "--device", args.device, "--out", str(args.pictures)]
    command += ["--tiny", "--frames", "16", "24"] if args.tiny else []
    name = " ".join(("speed and memory:", preset, *options))
    return Step(name, shows, [*command, *options], limit_s)


def run_step(step: Step, args: argparse.Namespace, left_s: float) -> Result:
    """Run a step within its limit and the time that is left; its processes end with it."""
    if args.device == "cpu" and any(need in part for need in NEEDS_CUDA for part in step.command):
        return Result(step, "not run: needs CUDA")
    limit_s = min(step.limit_s, left_s)
    if limit_s < 1:
        return Result(step, "not run: budget spent")
    began_s, log = time.monotonic(), args.out / "step.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            step.command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(limit_s)
            outcome = f"failed with exit code {code}" if code else "passed"
        except subprocess.TimeoutExpired:
            outcome = f"stopped after {limit_s:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    log.unlink()
    return Result(step, outcome, time.monotonic() - began_s, lines)


def report(results: Sequence[Result], args: argparse.Namespace) -> str:
    """Return the report, in Markdown; writes the pictures of the videos that it shows."""
    missing = [result for result in results if result.outcome != "passed"]
    cases = [case for result in results for case in result.cases]
    lines = ["# Acceptance on a GPU", "", *_machine(args.device), ""]
    lines += [f"- {len(results) - len(missing)} of {len(results)} steps passed"]
    lines += [f"- **{each.outcome}**: {each.step.name} ({each.step.shows})" for each in missing]
    lines += [*_largest_ratio(cases), "", "## Steps", ""]
    rows = [(r.step.name, r.step.shows, r.outcome, f"{r.seconds:.0f}", r.summary) for r in results]
    lines += _table(("step", "shows", "outcome", "s", "output"), rows)
    if cases:
        lines += ["", "## Speed and memory", "", "GiB; the planner's prediction in brackets.", ""]
        lines += _table(
            ("preset", "variant", "frames", "window", "windows at a time", "s per step")
            + ("denoising", "codec", "in use by the driver", "difference of 255", "error"),
            [_case_row(case) for case in cases],
        )
    lines += ["", "## Pictures", "", "With random weights, noise is right and a flat one is not."]
    for picture in [*_video_pictures(args.pictures), *sorted(args.pictures.glob("*-*.png"))]:
        lines += ["", f"{picture.stem}:", "", f"![{picture.stem}](pictures/{picture.name})"]
    for each in missing:
        if each.output:
            tail = "\n".join(each.output[-TAIL:])
            lines += ["", f"## Output of: {each.step.name}", "", f"```\n{tail}\n```"]
    return "\n".join(lines) + "\n"


def _machine(device: str) -> list[str]:
    """Return lines about the device and the packages."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    gpu = device
    if device != "cpu" and which("nvidia-smi"):
        gpu = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    return [f"- device: {gpu}", f"- packages: {', '.join(map(_version, PACKAGES))}"]


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def _largest_ratio(cases: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line about the case that exceeds the planner's prediction by most."""
    planned = [case for case in cases if case["denoise_planned_bytes"] and case["denoise_bytes"]]
    if not planned:
        return []
    worst = max(planned, key=lambda case: case["denoise_bytes"] / case["denoise_planned_bytes"])
    ratio = worst["denoise_bytes"] / worst["denoise_planned_bytes"]
    where = f"{worst['preset']}, {worst['variant']}, {worst['frames']} frames"
    return [f"- denoising takes at most {ratio:.2f} of the memory that the planner says ({where})"]


def _case_row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(case[name] for name in ("preset", "variant", "frames", "window", "window_batch")),
        _number(case["step_s"]),
        _memory(case["denoise_bytes"], case["denoise_planned_bytes"]),
        _memory(case["codec_bytes"], case["codec_planned_bytes"]),
        _memory(case["driver_bytes"], None),
        _number(case["difference"]),
        case["error"] or "",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _memory(num_bytes: int | None, planned_bytes: int | None) -> str:
    measured = "" if num_bytes is None else f"{num_bytes / GIB:.2f}"
    return measured if planned_bytes is None else f"{measured} ({planned_bytes / GIB:.2f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in cells]


def _video_pictures(folder: Path) -> Iterator[Path]:
    """Write a sheet of every video in a folder, the driving motion's truth above it."""
    for video in sorted(folder.glob("*.mp4")):
        rows = [list(read_video(path))[::4] for path in (folder / "pair/target.mp4", video)]
        sheet = video.with_suffix(".png")
        write_png(sheet, contact_sheet(rows, ["truth", video.stem]))
        yield sheet


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make accept-gpu")
    parser.add_argument("--offline", action="store_true", help="use no published weights")
    parser.add_argument("--out", type=Path, default=Path("accept-gpu"), help="folder to write")
    parser.add_argument("--budget-s", type=float, default=BUDGET_S, help="seconds in all")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small networks, for a rehearsal")
    args = parser.parse_args()
    args.pictures = args.out.resolve() / "pictures"
    return args


if __name__ == "__main__":
    sys.exit(main())
