"""The codec alone: learning on with its decoder, and from structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from tcan_core.errors import ConfigError
from tcan_core.evaluation.metrics import ssim
from tcan_core.training.puppet_data import to_images
from tcan_core.training.structure import structural_similarity
from tests.tcan_core.training.conftest import TinyRuns


def test_decoder_only_training_starts_from_the_initial_vae(runs: TinyRuns) -> None:
    stage = runs.stage("autoencoder", initial_vae=str(runs.parts), decoder_only=True)
    fresh = runs.stage("autoencoder")
    before = {name: value.clone() for name, value in stage.codec.vae.state_dict().items()}
    assert not torch.equal(fresh.codec.vae.encoder.conv_in.weight, before["encoder.conv_in.weight"])

    runs.go_on(stage)

    after = stage.codec.vae.state_dict()
    learned = {name for name, value in before.items() if not torch.equal(value, after[name])}
    latents_from = {name for name in before if name.startswith(("encoder.", "quant_conv."))}
    assert latents_from and learned == before.keys() - latents_from


def test_decoder_only_training_needs_an_initial_vae(runs: TinyRuns) -> None:
    with pytest.raises(ConfigError, match="decoder_only is true but initial_vae is not set"):
        runs.config("autoencoder", decoder_only=True)


@pytest.mark.long
def test_structure_weight_trains_on_ssim(runs: TinyRuns) -> None:
    scalars = runs.train("autoencoder", structure_weight=0.5, steps=30, learning_rate=3e-3)
    plain = runs.train("autoencoder", steps=1, output=str(runs.root / "plain"))

    assert scalars[-1]["ssim"] > scalars[0]["ssim"] + 0.05
    assert scalars[0]["loss"] == pytest.approx(
        plain[0]["loss"] + 0.5 * (1 - scalars[0]["ssim"]), rel=1e-4
    )


def test_training_ssim_equals_the_evaluation_metric() -> None:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.uniform(0, 255, (3, 40, 32, 3)), (0, 2, 2, 0)) * 3 - 255
    noise = rng.normal(0, 20, smooth.shape)
    truth, result = (part.clip(0, 255).astype(np.uint8) for part in (smooth, smooth + noise))
    output, images = to_images(result), to_images(truth)

    similarity = float(structural_similarity(output, images))

    assert similarity == pytest.approx(ssim(result, truth), abs=1e-4)
    assert 0.05 < similarity < 0.95
    with torch.autocast("cpu", torch.bfloat16):
        assert float(structural_similarity(output, images)) == pytest.approx(similarity)
