"""`tcan models`: from a user's files, or from the hub, to a video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from tcan_core.models.networks.motion import TemporalControlNet, motion_state
from tcan_core.models.weights.builders import build_controlnet, controlnet_motion
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.importing.pulling import pullable
from tcan_core.models.weights.presets import Preset, load_preset, shipped_presets
from tcan_core.models.weights.store import store_folder
from tests.cli.conftest import Tcan
from tests.tcan_core.hub_server import hub_server
from tests.tcan_core.models.weights.importing.files import make
from tests.tcan_core.tiny_weights import TINY

ABSENT = "  controlnet_motion_modules: {absent: motion_modules}"
# The parts of a small model of a user's own; pose maps come at full size, as in sd15.
MINE = f"""
extends: {TINY}
name: mine
description: of my own files
parts:
  vae: {{config: {{mid_block_add_attention: true}}}}
  controlnet:
    config: {{pose_patch_size: 0, conditioning_embedding_out_channels: [4, 8, 8, 8]}}
  reference_unet: {{absent: denoising_unet}}
  lora: {{absent: leave_out}}
{ABSENT}
"""
STYLE = "loras: {style: {weight: 0.5}}\n"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def mine(models: Path, tmp_path: Path) -> Path:
    """A preset of the user's, without weights."""
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    return path


def small(*shape: int) -> torch.Tensor:
    return 0.1 * torch.randn(shape)


def write_files(folder: Path, preset: Preset) -> list[str]:
    """Write a user's files: a checkpoint without VAE, a VAE, a ControlNet, motion modules."""
    torch.manual_seed(0)
    names = {
        "base_noVAE.safetensors": "ldm-without-vae",
        "vae.ckpt": "ldm-vae",
        "openpose.pth": "ldm-controlnet",
        "mm_v2.ckpt": "animatediff",
    }
    for name, kind in names.items():
        state = make(kind, preset, small).state
        if name.endswith("safetensors"):
            save_file({key: value.contiguous() for key, value in state.items()}, folder / name)
        else:
            torch.save({"state_dict": state}, folder / name)
    return [str(folder / name) for name in names]


def write_inputs(folder: Path) -> tuple[str, str]:
    """Write an image and a driving pose file of three frames."""
    image, driving = folder / "image.png", folder / "driving.json"
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    write_png(image, pixels)
    joints = np.linspace(4, 28, 36).reshape(18, 2)
    poses = [
        Pose(keypoints=joints + frame, confidence=np.ones(18), canvas=(32, 32))
        for frame in range(3)
    ]
    write_pose_file(driving, [[pose] for pose in poses], 8.0)
    return str(image), str(driving)


def animate(tcan: Tcan, folder: Path, preset: Path, seed: str = "1") -> bytes:
    image, driving = write_inputs(folder)
    out = folder / "out.mp4"
    inputs = ("--image", image, "--driving", driving, "--out", str(out), "--no-retarget")
    done = tcan("animate", *inputs, "--preset", str(preset), "--seed", seed, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["frames"] == 3
    return out.read_bytes()


def test_imported_files_make_a_preset_that_animates(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path
) -> None:
    files = write_files(tmp_path, load_preset(str(mine)))

    done = tcan("models", "import", *files, "--preset", str(mine))

    assert done.code == 0, done.err
    assert "base_noVAE.safetensors: ldm\n" in done.out
    written = {path.name for path in (models / "mine").iterdir()}
    assert written == {
        "denoising_unet.safetensors",
        "vae.safetensors",
        "controlnet.safetensors",
        "motion_modules.safetensors",
        "weights.lock.json",
    }
    plain = animate(tcan, tmp_path, mine)

    lora = tmp_path / "some_style.safetensors"
    save_file(make("lcm-lora", load_preset(str(mine)), small).state, lora)
    done = tcan("models", "import", str(lora), "--preset", str(mine), "--part", "loras/style")
    assert (
        "mine does not use this LoRA; a preset with `loras: {style: {weight: 1.0}}` does"
        in done.out
    )
    mine.write_text(MINE + STYLE, encoding="utf-8")

    styled = animate(tcan, tmp_path, mine)

    assert styled != plain
    mine.write_text(MINE + STYLE.replace("0.5", "0.0"), encoding="utf-8")
    assert animate(tcan, tmp_path, mine) == plain


def test_show_and_verify_report_imported_parts(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path
) -> None:
    tcan("models", "import", *write_files(tmp_path, load_preset(str(mine))), "--preset", str(mine))

    parts = json.loads(tcan("models", "show", str(mine), "--json").out)["parts"]
    by_name = {part["name"]: part for part in parts}
    assert by_name["vae"]["present"]
    assert by_name["vae"]["source"] == str(tmp_path / "vae.ckpt")
    stored = models / "mine" / "vae.safetensors"
    assert (by_name["vae"]["file"], by_name["lora"]["file"]) == (str(stored), "")
    assert f"vae: {stored}" in tcan("models", "show", str(mine)).out.splitlines()
    assert not by_name["lora"]["present"]
    assert "4 files are intact" in tcan("models", "verify", str(mine)).out

    with (models / "mine" / "vae.safetensors").open("ab") as file:
        file.write(b"x")
    done = tcan("models", "verify", str(mine))
    assert done.code == 1
    assert "vae.safetensors has changed since it was stored" in done.err


def test_verify_accepts_a_preset_whose_optional_detector_is_not_installed(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path
) -> None:
    mine.write_text(f"{MINE}\ndetector: auto\n", encoding="utf-8")
    tcan("models", "import", *write_files(tmp_path, load_preset(str(mine))), "--preset", str(mine))

    done = tcan("models", "verify", str(mine))

    assert done.code == 0, done.err
    assert "4 files are intact" in done.out and "movenet" in done.out


def test_own_files_have_no_licence_of_the_hub(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path
) -> None:
    line = "  motion_modules: {pull: {repo: a/b, file: mm.ckpt, license: mit}}"
    mine.write_text(f"{MINE}{line}\n", encoding="utf-8")
    before = json.loads(tcan("models", "show", str(mine), "--json").out)["parts"]
    tcan("models", "import", *write_files(tmp_path, load_preset(str(mine))), "--preset", str(mine))

    after = json.loads(tcan("models", "show", str(mine), "--json").out)["parts"]

    licences = [
        {part["name"]: part["license"] for part in parts}["motion_modules"]
        for parts in (before, after)
    ]
    assert licences == ["mit", ""]


def test_a_dry_run_writes_nothing(tcan: Tcan, mine: Path, models: Path, tmp_path: Path) -> None:
    files = write_files(tmp_path, load_preset(str(mine)))
    into = tmp_path / "elsewhere"

    dry = tcan("models", "import", *files, "--preset", str(mine), "--dry-run", "--json")
    assert [file["fits"] for file in json.loads(dry.out)["files"]] == [True] * 4
    assert not models.exists()

    tcan("models", "import", files[1], "--preset", str(mine), "--into", str(into))
    assert (into / "vae.safetensors").exists()
    assert not models.exists()


def test_an_unknown_kind_error_lists_the_kinds(tcan: Tcan, mine: Path, tmp_path: Path) -> None:
    weights = tmp_path / "x.ckpt"
    weights.touch()
    done = tcan("models", "import", str(weights), "--preset", str(mine), "--kind", "sdxl")
    assert done.code == 2
    assert "--kind is 'sdxl'; allowed are unet, vae" in done.err


def test_a_preset_is_pulled_converted_and_locked(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = load_preset(str(mine))
    pulls = "\n".join(
        f"  {part}: {{pull: {{repo: some/{part}, file: weights{suffix}, license: mit}}}}"
        for part, suffix in (("denoising_unet", ".safetensors"), ("motion_modules", ".ckpt"))
    )
    mine.write_text(f"{MINE}{pulls}\n", encoding="utf-8")
    torch.manual_seed(0)
    unet = make("unet", preset, small).state
    save_file(unet, tmp_path / "unet.safetensors")
    torch.save(make("animatediff", preset, small).state, tmp_path / "mm.ckpt")
    with hub_server() as hub:
        monkeypatch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        digest = hub.put(
            "some/denoising_unet",
            "weights.safetensors",
            (tmp_path / "unet.safetensors").read_bytes(),
            "1" * 40,
        )
        hub.put(
            "some/motion_modules", "weights.ckpt", (tmp_path / "mm.ckpt").read_bytes(), "2" * 40
        )

        first = tcan("models", "pull", str(mine))
        again = tcan("models", "pull", str(mine))

    assert first.code == 0, first.err
    assert "denoising_unet: some/denoising_unet/weights.safetensors, licence: mit" in first.err
    assert "no sha256 is pinned for denoising_unet, motion_modules: the first pull's" in first.err
    assert first.out == "denoising_unet: downloaded\nmotion_modules: downloaded\n"
    assert again.out == "denoising_unet: already installed\nmotion_modules: already installed\n"
    assert len(hub.requests) == 2
    locked = json.loads((models / "mine" / "weights.lock.json").read_text())["files"]
    entry = locked["denoising_unet.safetensors"]
    assert (entry["revision"], entry["source_sha256"]) == ("1" * 40, digest)
    stored = load_file(models / "mine" / "denoising_unet.safetensors")
    assert all(torch.equal(stored[key], value) for key, value in unet.items())
    leftovers = {path.name for path in (models / "mine" / ".pulled").iterdir()}
    assert leftovers == {"weights.lock.json"}  # downloads are stored once, converted


def test_pulled_weights_for_another_part_are_rejected(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "  denoising_unet: {pull: {repo: some/unet, file: weights.safetensors}}"
    mine.write_text(f"{MINE}{line}\n", encoding="utf-8")
    mirror = tmp_path / "mirror" / "some" / "unet"
    mirror.mkdir(parents=True)
    save_file(make("vae", load_preset(str(mine)), small).state, mirror / "weights.safetensors")
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", str(tmp_path / "mirror"))

    done = tcan("models", "pull", str(mine))

    assert done.code == 1
    assert "weights.safetensors: expected weights of denoising_unet, found vae" in done.err
    assert not (models / "mine" / "denoising_unet.safetensors").exists()


def test_a_file_set_is_pulled_unconverted(
    tcan: Tcan, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (models / "mine-too").mkdir(parents=True)
    (models / "mine-too" / "files.yaml").write_text(
        "name: mine-too\ndescription: for people\n"
        "files: {body.onnx: {repo: some/detector, file: body.onnx, license: apache-2.0}}\n"
    )
    with hub_server() as hub:
        monkeypatch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        hub.put("some/detector", "body.onnx", b"network", "3" * 40)
        done = tcan("models", "pull", "mine-too")

    assert done.code == 0, done.err
    assert "body.onnx: some/detector/body.onnx, licence: apache-2.0" in done.err
    assert (store_folder("mine-too") / "body.onnx").read_bytes() == b"network"
    assert tcan("models", "verify", "mine-too").out == "mine-too: 1 files are intact\n"
    (store_folder("mine-too") / "body.onnx").write_bytes(b"another")
    assert "body.onnx has changed since it was pulled" in tcan("models", "verify", "mine-too").err
    (store_folder("mine-too") / "body.onnx").unlink()
    assert "body.onnx is missing" in tcan("models", "verify", "mine-too").err


def test_pulling_a_preset_pulls_its_detector(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.write_text(
        f"{MINE}  denoising_unet: {{pull: {{repo: some/unet, file: unet.safetensors}}}}\n"
        "detector: eyes@cuda\n"
    )
    (models / "eyes").mkdir(parents=True)
    (models / "eyes" / "files.yaml").write_text(
        "name: eyes\ndescription: for people\n"
        "files: {body.onnx: {repo: some/detector, file: body.onnx}}\n"
    )
    unet = tmp_path / "unet.safetensors"
    save_file(make("unet", load_preset(str(mine)), small).state, unet)
    with hub_server() as hub:
        monkeypatch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        hub.put("some/unet", unet.name, unet.read_bytes(), "1" * 40)
        hub.put("some/detector", "body.onnx", b"network", "3" * 40)
        done = tcan("models", "pull", str(mine))

    assert done.code == 0, done.err
    assert (store_folder("eyes") / "body.onnx").read_bytes() == b"network"
    # Both detectors that it can select may be used commercially.
    assert load_preset("sd15").detector == "auto"
    (store_folder("eyes") / "body.onnx").unlink()
    assert "body.onnx is missing" in tcan("models", "verify", str(mine)).err


def test_sd15_has_a_hub_file_for_every_pretrained_part() -> None:
    preset = load_preset("sd15")
    pulls = pullable(preset)

    assert set(preset.parts) - set(pulls) == {"lora", "controlnet_motion_modules"}
    assert all(isinstance(file, HubFile) for file in pulls.values())
    for name in ("lora", "controlnet_motion_modules"):
        assert preset.parts[name].absent == "leave_out"


def test_pull_verifies_a_preset_without_hub_files(tcan: Tcan, models: Path, tmp_path: Path) -> None:
    done = tcan("models", "pull", "mini")
    assert done.code == 0, done.err
    assert "preset mini has nothing to pull: 9 files are intact" in done.out
    alone = tmp_path / "alone.yaml"
    alone.write_text(f"extends: {TINY}\nname: alone\ndescription: without weights\n")
    lacking = tcan("models", "pull", str(alone))
    assert lacking.code == 1
    assert "preset alone has no parts to pull" in lacking.err


def test_the_detector_in_the_settings_replaces_the_presets(
    tcan: Tcan, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (models / "eyes").mkdir(parents=True)
    (models / "eyes" / "files.yaml").write_text(
        "name: eyes\ndescription: for people\n"
        "files: {body.onnx: {repo: some/detector, file: body.onnx}}\n"
    )
    mirror = tmp_path / "mirror" / "some" / "detector"
    mirror.mkdir(parents=True)
    (mirror / "body.onnx").write_bytes(b"network")
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", str(tmp_path / "mirror"))
    monkeypatch.setenv("TCAN_DETECTOR", "eyes@cuda")
    assert "eyes: body.onnx is missing" in tcan("models", "verify", "mini").err
    done = tcan("models", "pull", "mini")
    assert done.code == 0, done.err
    assert (store_folder("eyes") / "body.onnx").read_bytes() == b"network"
    assert "eyes: 1 files are intact" in tcan("models", "verify", "mini").out


def test_presets_in_the_models_folder_are_listed(tcan: Tcan, mine: Path, models: Path) -> None:
    (models / "mine").mkdir(parents=True)
    (models / "mine" / "preset.yaml").write_text(MINE, encoding="utf-8")

    listed = [line.split(":")[0] for line in tcan("models", "list").out.splitlines()]

    assert listed[:-4] == shipped_presets()
    assert listed[-4:] == ["mine", "dwpose (files)", "movenet (files)", "openpose (files)"]


def test_detectors_are_listed_and_shown_with_their_licences(tcan: Tcan, models: Path) -> None:
    *_, dwpose, movenet, openpose = tcan("models", "list").out.splitlines()
    assert dwpose.endswith("licence: Apache-2.0") and movenet.endswith("licence: Apache-2.0")
    assert openpose.endswith("licence: OpenPose, for non-commercial use only")

    printed = tcan("models", "show", "openpose").out
    assert "facenet.pth" in printed and "non-commercial" in " ".join(printed.split())
    (models / "dwpose").mkdir(parents=True)
    (models / "dwpose" / "yolox_l.onnx").touch()
    files = json.loads(tcan("models", "show", "dwpose", "--json").out)["files"]
    assert {file["name"]: file["present"] for file in files} == {
        "yolox_l.onnx": True,
        "dw-ll_ucoco_384.onnx": False,
    }
    assert {file["license"] for file in files} == {"Apache-2.0"}


def test_shipped_detector_needs_no_pull(tcan: Tcan, models: Path) -> None:
    for word in ("pull", "verify"):
        done = tcan("models", word, "movenet")
        assert done.code == 0 and done.out == "movenet: 1 files are intact\n"
    assert not models.exists()


@pytest.mark.long
def test_show_lists_the_files_of_a_presets_detector(tcan: Tcan, models: Path) -> None:
    info = tcan("models", "show", "sd15").out.splitlines()[-1]
    assert "dwpose, licence: Apache-2.0; not installed" in info
    assert "`tcan models pull dwpose`; until then movenet is used" in info
    assert "pose detector:" not in tcan("models", "show", "mini").out


def test_pulled_controlnet_motion_modules_go_to_their_part(
    tcan: Tcan, mine: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "  controlnet_motion_modules: {pull: {repo: some/controlnet, file: motion.safetensors}}"
    mine.write_text(MINE.replace(ABSENT, line), encoding="utf-8")
    preset = load_preset(str(mine))
    temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
    state = {key: value.contiguous() for key, value in motion_state(temporal).items()}
    mirror = tmp_path / "mirror" / "some" / "controlnet"
    mirror.mkdir(parents=True)
    save_file(state, mirror / "motion.safetensors")
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", str(tmp_path / "mirror"))

    done = tcan("models", "pull", str(mine))

    assert (done.code, done.out) == (0, "controlnet_motion_modules: downloaded\n"), done.err
    stored = load_file(models / "mine" / "controlnet_motion_modules.safetensors")
    assert set(stored) == set(state)
