"""Fine-tuning of the LoRA alone: what it trains, keeps, exports, and from which presets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from media.image import write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import ConfigError
from tcan_core.models.networks.lora import lora_state
from tcan_core.models.weights.keys import read_safetensors
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.puppets.world import sample_scene
from tcan_core.training.config import FolderData, PuppetData
from tcan_core.training.preset_export import export_preset
from tcan_core.training.regularization import MixedClips, Regularization
from tcan_core.training.samples import draw_samples
from tcan_core.training.stages import read_stage_config
from tests.tcan_core.golden.animate_anyone import imported_preset
from tests.tcan_core.training.conftest import TinyRuns

LORA_ALONE = {"train_reference": False, "reference_dropout": 0.0}


def pictures(folder: Path, size: int, count: int = 3) -> FolderData:
    """Write pictures of a puppet with their poses."""
    scene = sample_scene(1_000_001, count, size)
    for index, pose in enumerate(scene.source.poses(scene.motion)):
        for name, image in (("images", scene.source.draw(pose)[0]), ("dwpose", draw_pose(pose))):
            path = folder / "one" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, image)
    return FolderData(str(folder), size, (1.0, 1.0))


def changes_of(runs: TinyRuns, **changes: Any) -> dict[str, Any]:
    parts, export = str(runs.parts), str(runs.root / "tuned")
    return LORA_ALONE | {"initial_lora": parts, "parts": parts, "export": export} | changes


def test_lora_alone_is_trained_and_exported(runs: TinyRuns) -> None:
    before = {path.name: read_safetensors(path) for path in runs.parts.glob("*.safetensors")}
    stage = runs.stage("stage1", **changes_of(runs))
    initial = {key: value.detach().clone() for key, value in stage.trained.named_parameters()}
    trained = {key for key, value in stage.trained.named_parameters() if value.requires_grad}

    runs.go_on(stage)

    assert trained and all(".lora_" in name for name in trained)
    now = dict(stage.trained.named_parameters())
    assert {key for key in now if not torch.equal(now[key], initial[key])} <= trained
    for key, value in stage.tcan.reference_unet.state_dict().items():
        assert torch.equal(value, before["reference_unet.safetensors"][key])
    assert [path.name for path in (runs.root / "tuned").iterdir()] == ["lora.safetensors"]


def test_fine_tuning_starts_from_the_weights_of_the_preset(runs: TinyRuns) -> None:
    stage = runs.stage("stage1", **changes_of(runs))

    lora = read_safetensors(runs.parts / "lora.safetensors")
    assert all(
        torch.equal(value, lora[key])
        for key, value in lora_state(stage.tcan.denoising_unet).items()
    )
    assert "reference_unet" in stage.base  # its digest is kept with the run and the export


def test_initial_reference_with_a_frozen_one_is_refused(runs: TinyRuns) -> None:
    with pytest.raises(ConfigError, match="initial_reference is 'preset'.*remove one of the two"):
        runs.config("stage1", train_reference=False, initial_reference="preset")


def test_samples_of_two_sources_keep_their_order_and_names(runs: TinyRuns) -> None:
    own = runs.stage("stage1").data
    others = runs.stage("stage1", data=replace(runs.config("stage1").data, first_seed=50)).data
    mixed = MixedClips(own, others, 0.5)

    codec = runs.stage("stage1").tcan.codec
    batch = mixed.sample(draw_samples(0, 1, range(16))).encoded(codec)
    names = mixed.names(draw_samples(0, 1, range(16)))

    kinds = set()
    for index, (name, latents) in enumerate(zip(names, batch.latents, strict=True)):
        alone = draw_samples(0, 1, range(index, index + 1))
        [is_other] = torch.rand(1, generator=alone[0]) < 0.5
        rows = (others if is_other else own).sample(alone).encoded(codec)
        assert torch.equal(rows.latents[0], latents)
        alone = draw_samples(0, 1, range(index, index + 1))
        assert mixed.names(alone) == [name]
        kinds.add(bool(is_other))
    assert kinds == {False, True}


@pytest.mark.long
def test_penalty_keeps_the_weights_near_their_start(runs: TinyRuns) -> None:
    distances = [
        runs.train("stage1", output=str(runs.root / str(penalty)), initial_penalty=penalty,
                   **changes_of(runs, steps=8))[-1]["distance"]
        for penalty in (1e-9, 1e6)
    ]  # fmt: skip

    assert distances[1] < distances[0] / 2


@pytest.mark.long
def test_shares_of_other_clips_and_pictures_train(runs: TinyRuns) -> None:
    others = Regularization(data=PuppetData(6, 3, size=32, cache=str(runs.cache)), share=0.5)
    folder = pictures(runs.root / "pictures", 32)

    scalars = runs.train(
        "stage1", **changes_of(runs, data=None, folders=folder, regularization=others)
    )

    assert all(np.isfinite(one["loss"]) for one in scalars)
    with pytest.raises(ConfigError, match=r"are 40x40 \(1 clip\), those of `regularization` 32x32"):
        runs.stage("stage1", data=None, folders=replace(folder, size=40), regularization=others)


@pytest.fixture(scope="module")
def moore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preset]:
    with imported_preset("moore", tmp_path_factory.mktemp("moore"), 32) as preset:
        yield preset


@pytest.mark.long
def test_presets_with_pose_guider_and_image_encoder_are_fine_tuned(
    runs: TinyRuns, moore: Preset
) -> None:
    path = str(Path(moore.folder) / "preset.yaml")
    folder = pictures(runs.root / "pictures", 64)
    export = runs.root / "tuned"
    stage = runs.stage(
        "stage1", preset=path, data=None, folders=folder, parts=None, export=str(export),
        train_reference=False, initial_lora="preset", reference_dropout=0.5, sheet_every=4,
    )  # fmt: skip

    scalars = runs.go_on(stage)

    assert all(np.isfinite(one["loss"]) for one in scalars)
    tuned = load_preset(str(export_preset(path, export, "mine")))
    assert tuned.parts["lora"].config == {"rank": 16, "alpha": 16}
    weights = [load_tcan(preset).denoising_unet.state_dict() for preset in (moore, tuned)]
    changed = {key for key in weights[0] if not torch.equal(weights[0][key], weights[1][key])}
    assert changed and all(".to_" in key and "motion_modules" not in key for key in changed)


def test_configuration_of_mini_is_fine_tuning_of_the_shipped_model() -> None:
    settings = read_stage_config("stage1", "mini/finetune")

    assert not settings.train_reference and settings.initial_lora == "preset"
    assert settings.run.part_folders[-1] is None
