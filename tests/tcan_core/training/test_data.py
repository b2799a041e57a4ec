"""Batches: puppets drawn once and encoded once, and the noise on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from media.poses.keypoints import Pose
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.models.weights.loading import load_codec
from tcan_core.models.weights.presets import Preset
from tcan_core.puppets.world import sample_scene
from tcan_core.sampling.schedulers import NoiseSchedule, PredictionType, convert_prediction
from tcan_core.training.clip_data import PuppetClips, PuppetPairs
from tcan_core.training.config import PuppetData
from tcan_core.training.diffusion import LossConfig, add_noise, alphas_cumprod
from tcan_core.training.latent_data import load_latents
from tcan_core.training.puppet_data import MOTION_FRAMES, cache_folder, load_puppets, to_images
from tcan_core.training.samples import Samples, draw_samples

EPSILON = NoiseSchedule()


@pytest.fixture
def data(puppet_cache: Path) -> PuppetData:
    return PuppetData(characters=3, frames=9, size=32, consecutive=True, cache=str(puppet_cache))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(count: int, seed: int = 0) -> Samples:
    return draw_samples(seed, 0, range(count))


def test_cached_pictures_equal_the_drawn_scenes(data: PuppetData) -> None:
    puppets = load_puppets(data)

    assert puppets.images.shape == (3, 9, 32, 32, 3)
    for seed in range(3):
        scene = sample_scene(seed, MOTION_FRAMES, 32)
        stance = scene.source.draw(scene.source_pose)[0]
        assert np.array_equal(puppets.images[seed, 0], stance)
        poses = np.stack([pose.keypoints for pose in scene.source.poses(scene.motion)])
        [first] = [
            start
            for start in range(MOTION_FRAMES - 7)
            if np.allclose(poses[start : start + 8], puppets.keypoints[seed, 1:], atol=1e-3)
        ]  # a clip of consecutive frames
        frame = scene.source.draw(scene.source.poses(scene.motion)[first])[0]
        assert np.array_equal(puppets.images[seed, 1], frame)


def test_pictures_are_drawn_once(data: PuppetData, tmp_path: Path) -> None:
    mine = replace(data, cache=str(tmp_path))
    load_puppets(mine)
    marks = [path.stat().st_mtime_ns for path in sorted(cache_folder(mine).iterdir())]

    load_puppets(mine)

    assert [path.stat().st_mtime_ns for path in sorted(cache_folder(mine).iterdir())] == marks


def test_an_incomplete_cache_is_drawn_again(data: PuppetData, tmp_path: Path) -> None:
    mine = replace(data, cache=str(tmp_path))
    expected = np.array(load_puppets(mine).images)
    (cache_folder(mine) / "done").unlink()
    np.save(cache_folder(mine) / "images.npy", np.zeros_like(expected))

    assert np.array_equal(load_puppets(mine).images, expected)


def test_different_data_uses_a_different_cache_folder(data: PuppetData, tmp_path: Path) -> None:
    changes = ({"characters": 4}, {"frames": 8}, {"first_seed": 1}, {"consecutive": False})
    others = [replace(data, **change) for change in changes]

    assert len({cache_folder(one).name for one in [data, *others]}) == 5
    assert cache_folder(replace(data, cache=str(tmp_path))).name == cache_folder(data).name


@pytest.mark.slow
def test_parallel_drawing_equals_serial_drawing(tmp_path: Path) -> None:
    many = PuppetData(characters=70, frames=2, size=32, cache=str(tmp_path))
    few = replace(many, characters=5, first_seed=65)

    assert np.array_equal(load_puppets(many).images[65:], load_puppets(few).images)


def test_latents_are_encoded_once_by_the_codec(
    data: PuppetData, tiny: Preset, weights: Path
) -> None:
    codec = load_codec(tiny, weights)
    puppets = load_latents(data, tiny, weights, codec)

    expected = codec.encode(to_images(puppets.pictures.images[2]))
    torch.testing.assert_close(
        torch.from_numpy(puppets.latents[2]).float(), expected, rtol=2e-3, atol=2e-3
    )
    [stored] = cache_folder(data).glob("latents-*.npy")
    mark = stored.stat().st_mtime_ns
    load_latents(data, tiny, weights, codec)
    assert stored.stat().st_mtime_ns == mark


def test_pairs_are_two_pictures_of_one_character(
    data: PuppetData, tiny: Preset, weights: Path
) -> None:
    puppets = load_latents(data, tiny, weights, load_codec(tiny, weights))
    batch = PuppetPairs(puppets).sample(some(40))

    assert batch.latents.shape == (40, 4, 1, 4, 4)
    assert batch.pose_maps.shape == (40, 3, 1, 32, 32)
    latents = torch.from_numpy(puppets.latents).float()
    for source, target, pose_map in zip(
        batch.sources, batch.latents[:, :, 0], batch.pose_maps[:, :, 0], strict=True
    ):
        [[character, frame]] = (latents == source).flatten(2).all(dim=2).nonzero().tolist()
        [[same, other]] = (latents == target).flatten(2).all(dim=2).nonzero().tolist()
        assert same == character and other != frame
        joints = puppets.pictures.keypoints[same, other].astype(np.float64)
        drawn = draw_pose(Pose(joints, np.ones(18), (32, 32)))
        assert np.array_equal((pose_map * 255).round().byte().permute(1, 2, 0).numpy(), drawn)


def test_clips_are_consecutive_and_their_source_is_the_standing_picture(
    data: PuppetData, tiny: Preset, weights: Path
) -> None:
    puppets = load_latents(data, tiny, weights, load_codec(tiny, weights))
    clips = PuppetClips(puppets, num_frames=6)
    batch = clips.sample(some(20))
    latents = torch.from_numpy(puppets.latents).float()

    starts = set()
    for source, clip in zip(batch.sources, batch.latents.transpose(1, 2), strict=True):
        [[character, frame]] = (latents == source).flatten(2).all(dim=2).nonzero().tolist()
        assert frame == 0
        [start] = [s for s in range(1, 4) if torch.equal(latents[character, s : s + 6], clip)]
        starts.add(start)
    assert starts == {1, 2, 3}  # up to the last frame
    batch, pictures = clips.examples(2, load_codec(tiny, weights))
    assert pictures.shape == (2, 7, 32, 32, 3) and batch.latents.shape == (2, 4, 6, 4, 4)


def test_samples_depend_only_on_their_generator(
    data: PuppetData, tiny: Preset, weights: Path
) -> None:
    puppets = load_latents(data, tiny, weights, load_codec(tiny, weights))
    for clips in (PuppetPairs(puppets), PuppetClips(puppets, 6)):
        first, second, other = (clips.sample(some(8, seed)) for seed in (1, 1, 2))
        assert torch.equal(first.latents, second.latents)
        assert torch.equal(first.sources, second.sources)
        assert not torch.equal(first.latents, other.latents)


def test_training_uses_the_noise_schedule_of_the_sampler() -> None:
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear")

    torch.testing.assert_close(
        alphas_cumprod(EPSILON), scheduler.alphas_cumprod, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_prediction_is_the_clean_latents(kind: PredictionType) -> None:
    latents = torch.randn(8, 4, 3, 5, 6, generator=random(5))
    noisy = add_noise(latents, NoiseSchedule(prediction_type=kind), some(8))

    assert float(noisy.loss(noisy.target)) == 0
    assert float(noisy.loss(noisy.target + 1)) == pytest.approx(float(noisy.weight.mean()))
    for index, timestep in enumerate(noisy.timestep.tolist()):
        alpha_bar = float(alphas_cumprod(EPSILON)[timestep])
        if alpha_bar > 0.01:
            clean = convert_prediction(
                noisy.target[index], noisy.noisy[index], alpha_bar, kind, "sample"
            )
            torch.testing.assert_close(clean, latents[index], rtol=1e-3, atol=1e-3)


def test_noise_has_unit_variance_and_all_timesteps() -> None:
    noisy = add_noise(torch.randn(4000, 4, 2, 2, generator=random(5)), EPSILON, some(4000))

    assert float(noisy.noisy.var()) == pytest.approx(1, abs=0.03)
    assert noisy.timestep.min() < 10 and noisy.timestep.max() > 990
    assert float(noisy.timestep.float().mean()) == pytest.approx(499.5, abs=15)


def test_x0_is_weighted_by_the_clipped_signal_to_noise_ratio() -> None:
    noisy = add_noise(torch.zeros(500, 1, 4, 4), NoiseSchedule(prediction_type="sample"), some(500))
    alphas = alphas_cumprod(EPSILON)[noisy.timestep]

    torch.testing.assert_close(noisy.weight, (alphas / (1 - alphas)).clamp(0.4, 3.0))
    assert float(noisy.weight.min()) == pytest.approx(0.4)
    assert float(noisy.weight.max()) == pytest.approx(3.0)
    assert torch.equal(add_noise(torch.zeros(5, 1, 4, 4), EPSILON, some(5)).weight, torch.ones(5))


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
def test_training_uses_the_schedule_of_a_preset(betas: str, rescaled: bool) -> None:
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule=betas,
        rescale_betas_zero_snr=rescaled,
        prediction_type="v_prediction",
    )
    schedule = NoiseSchedule(beta_schedule=betas, rescale_betas_zero_snr=rescaled)

    own = alphas_cumprod(schedule)

    torch.testing.assert_close(own, scheduler.alphas_cumprod, rtol=1e-3, atol=1e-6)
    assert (float(own[-1]) == 0) == rescaled


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_min_snr_weights_the_error_of_the_image_by_a_limited_ratio(kind: PredictionType) -> None:
    schedule = NoiseSchedule(prediction_type=kind)
    latents = torch.zeros(500, 1, 4, 4)

    noisy = add_noise(latents, schedule, some(500), LossConfig(min_snr_gamma=5.0))

    # An error of the target is this multiple of the image's error that it stands for, squared.
    alpha = alphas_cumprod(schedule)[noisy.timestep].double()
    ones = torch.ones_like(alpha)
    of_image = {"sample": ones, "epsilon": alpha / (1 - alpha), "v_prediction": 1 / (1 - alpha)}[
        kind
    ]
    expected = (alpha / (1 - alpha)).clamp(max=5) / of_image
    torch.testing.assert_close(noisy.weight.double(), expected, rtol=1e-3, atol=1e-6)


def test_offset_noise_shifts_whole_channels() -> None:
    latents = torch.zeros(2000, 4, 3, 2, 2)
    plain = add_noise(latents, EPSILON, some(2000)).target

    shifted = add_noise(latents, EPSILON, some(2000), LossConfig(noise_offset=0.1)).target - plain

    assert torch.allclose(shifted, shifted[:, :, :1, :1, :1].expand_as(shifted), atol=1e-5)
    assert float(shifted[:, :, 0, 0, 0].std()) == pytest.approx(0.1, rel=0.05)
