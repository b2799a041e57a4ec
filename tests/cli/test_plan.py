"""`tcan plan` and `tcan animate --memory-limit`: what fits is chosen, the rest refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.plan import plan_within
from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.planning.budget import run_of
from tcan_core.planning.plan import Choices
from tests.cli.conftest import Tcan
from tests.tcan_core.tiny_weights import TINY


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_plan_names_options_and_memory(tcan: Tcan) -> None:
    info = tcan("plan", "--memory", "12GiB")
    assert info.code == 0, info.err
    assert info.out.startswith("options: bfloat16")
    assert "denoising: " in info.out and "measured: tensors counted" in info.out
    plan = json.loads(tcan("plan", "--memory", "12GiB", "--json").out)
    assert 0 < plan["peak_bytes"] <= 12 * 2**30


def test_longer_windows_are_planned_without_a_longer_video(tcan: Tcan) -> None:
    words = ("plan", "--memory", "80GiB", "--json", "--context-size")
    usual, longer, short = (
        json.loads(tcan(*words, *more).out) for more in (("16",), ("32",), ("32", "--frames", "16"))
    )
    assert [plan["window"] for plan in (usual, longer, short)] == [16, 32, 16]
    assert longer["denoise_bytes"] > usual["denoise_bytes"] == short["denoise_bytes"]
    unknown = tcan("plan", "--memory", "80GiB", "--context-size", "64")
    assert unknown.code == 2 and "no windows of 64 frames" in unknown.err
    assert "at most 32" in unknown.err and "--measure" not in unknown.err


@pytest.mark.parametrize(
    ("preset", "size", "window"),
    [
        ("sd15-animatelcm", "512x912", 32),
        ("sd15-animatelcm", "512x912", 64),
        ("magicanimate", "768x512", 16),
        ("magicanimate", "512x912", 24),
        ("musepose", "768x1152", 48),
        ("musepose", "1368x768", 48),
    ],
)
def test_sizes_and_windows_of_a_preset_are_measured(
    tcan: Tcan, preset: str, size: str, window: int
) -> None:
    words = ("--size", size, "--context-size", str(window), "--memory", "140GiB", "--json")
    info = tcan("plan", "--preset", preset, *words)
    assert info.code == 0, info.err
    height, width = map(int, size.split("x"))
    measured = json.loads(info.out)["measured_size"]
    assert measured[0] * measured[1] < 1.4 * height * width


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", "512x912"), ("float16", "1000x600"), ("bfloat16", "512x512")],
)
def test_common_sizes_and_dtypes_are_measured(tcan: Tcan, dtype: str, size: str) -> None:
    words = ("--dtype", dtype, "--size", size, "--tile-codec", "--memory", "80GiB", "--json")
    for preset in ("sd15", "sd15-official"):
        info = tcan("plan", "--preset", preset, *words)
        assert info.code == 0, info.err
        assert json.loads(info.out)["options"]["dtype"] == dtype


def test_custom_preset_has_the_memory_of_its_networks(tcan: Tcan, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: sd15\nname: mine\nloras: {style: {weight: 0.5}}\n")
    plain, own = (
        tcan("plan", "--preset", preset, "--memory", "16GiB", "--json").out
        for preset in ("sd15", str(mine))
    )
    assert json.loads(own) == json.loads(plain)


@pytest.mark.slow
def test_unmeasured_run_is_rejected_with_a_fix_that_works(tcan: Tcan, models: Path) -> None:
    words = ("plan", "--preset", str(TINY), "--dtype", "float32", "--memory", "1GiB")
    refused = tcan(*words)
    assert refused.code == 2
    assert "no memory was measured for tiny at 32x32 with windows of 16" in refused.err
    assert "measured are sd15" in refused.err and "`tcan plan --measure`" in refused.err
    measured = tcan(*words, "--measure")
    assert measured.code == 0, measured.err
    assert "tiny: denoising 32x32, 16 frames, float32" in measured.err
    assert (models / "memory.json").exists()
    again = tcan(*words)
    assert (again.code, again.err) == (0, "")
    larger = tcan(*words, "--size", "64x32")
    assert "measured are, height first, 32x32 in float32 (16 frames)" in larger.err


def test_named_batches_are_not_exceeded_under_a_limit() -> None:
    run = run_of(load_preset("sd15"), (512, 512), 100, 16)
    options = RuntimeOptions(dtype="bfloat16")

    def batches(limit_bytes: int, *most: int | None) -> tuple[int, int]:
        plan = plan_within(run, limit_bytes, options, Choices(), *most)
        return plan.window_batch, plan.decode_batch

    assert batches(10**12, None, None) == (4, 16)
    assert batches(10**12, 2, 3) == (2, 3)
    assert batches(10**12, 1, None) == (1, 16)
    assert batches(10 * 2**30, 4, 16) == (1, 4)


def test_animation_fits_the_memory_limit_or_does_not_start(tcan: Tcan, tmp_path: Path) -> None:
    image, driving, out = (tmp_path / name for name in ("i.png", "d.json", "o.mp4"))
    write_png(image, np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    joints = np.linspace(8, 56, 36).reshape(18, 2)
    poses = [[Pose(keypoints=joints, confidence=np.ones(18), canvas=(64, 64))]] * 3
    write_pose_file(driving, poses, 8.0)
    words: tuple[str, ...] = (
        "animate",
        "--image",
        str(image),
        "--driving",
        str(driving),
        "--out",
        str(out),
    )
    words += ("--any-subject", "--no-retarget", "--num-inference-steps", "1", "--memory-limit")
    refused = tcan(*words, "20MB")
    assert refused.code == 2, refused.err
    assert "takes at least" in refused.err and "the limit is 0.02 GiB" in refused.err
    assert not out.exists()
    done = tcan(*words, "1GiB")
    assert done.code == 0, done.err
    assert out.exists()
