"""The pipeline animates an image, at tiny width with random weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from media.poses.keypoints import Pose, no_pose
from tcan_core.errors import CanceledError, ContextWindowError, NoPersonError, ParameterError
from tcan_core.models.caches.deep_features import DeepFeatureCache
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.fitting import move_to_canvas
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.world import Scene
from tests.tcan_core.pipelines.conftest import FRAMES

Frames = NDArray[np.uint8]
WINDOWS: dict[str, Any] = {"context_size": 4, "context_overlap": 2}  # 9 frames take 4 windows


@pytest.fixture(scope="module")
def image(scene: Scene) -> Frames:
    return scene.source.draw(scene.source_pose)[0]


@pytest.fixture(scope="module")
def poses(scene: Scene) -> list[Pose]:
    return scene.driving.poses(scene.motion)


@pytest.mark.parametrize("size", [(32, 32), (48, 32), (33, 47), (70, 32), (100, 121)])
def test_frames_have_the_size_of_the_image(
    pipeline: AnimatePipeline, poses: list[Pose], size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    [source_pose] = move_to_canvas(poses[:1], size)

    frames = pipeline(picture, poses[:3], source_pose=source_pose)

    assert frames.shape == (3, *size, 3) and frames.dtype == np.uint8
    assert frames.std() > 3


def test_result_depends_on_the_seed(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    first, second, other = (pipeline(image, poses, seed=seed, **WINDOWS) for seed in (3, 3, 4))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("window_batch", [2, 3, 9])
def test_window_batch_changes_results_by_rounding_only(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose], window_batch: int
) -> None:
    alone = pipeline(image, poses, **WINDOWS)
    together = pipeline(image, poses, **WINDOWS, window_batch=window_batch)

    assert np.abs(alone.astype(int) - together).max() <= 1


def test_cached_and_uncached_windows_can_share_a_batch(
    pipeline: AnimatePipeline,
    image: Frames,
    poses: list[Pose],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three of four windows fit the cache, with any batch size."""
    deep: list[torch.Tensor] = []
    block = pipeline.tcan.denoising_unet.get_submodule("up_blocks.0")
    hook = block.register_forward_hook(lambda module, inputs, output: deep.append(output))
    settings = WINDOWS | {"cache_interval": 2, "num_inference_steps": 2}
    pipeline(image, poses, **settings)
    bytes_per_frame = 2 * deep.pop()[0].nbytes
    small_cache = partial(DeepFeatureCache, max_bytes=3 * 4 * bytes_per_frame)
    monkeypatch.setattr("tcan_core.pipelines.animate.DeepFeatureCache", small_cache)
    rows: dict[int, int] = {}
    results = {}
    for window_batch in (1, 4):
        deep.clear()
        results[window_batch] = pipeline(image, poses, **settings, window_batch=window_batch)
        rows[window_batch] = sum(map(len, deep))
    hook.remove()

    assert np.abs(results[1].astype(int) - results[4]).max() <= 1
    assert set(rows.values()) == {2 * 4 * (4 + 1)}  # predictions, frames, windows of two steps


@pytest.mark.parametrize(
    "change",
    [
        {"num_inference_steps": 3},
        {"guidance_scale": 1.0},
        {"guidance_scale": 5.0},
        {"ptm_tau": 0.0},
        {"retarget": False},
        {"root_motion": "none"},
        {"scheduler": "dpm++2m"},
        {"cache_interval": 2},
        {"fusion": "flat"},
        {"noise": "freenoise"},
        {"context_overlap": 1},
    ],
)
def test_every_setting_changes_the_result(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose], change: dict[str, Any]
) -> None:
    default = WINDOWS | {"num_inference_steps": 4, "ptm_tau": 50.0}

    changed = pipeline(image, poses, **(default | change))

    assert not np.array_equal(changed, pipeline(image, poses, **default))


def test_default_settings_come_from_the_preset(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert np.array_equal(
        pipeline(image, poses[:2]),
        pipeline(
            image, poses[:2], num_inference_steps=2, guidance_scale=2.0, scheduler="ddim",
            noise="independent",
        ),
    )  # fmt: skip


def test_context_size_is_limited_by_the_motion_modules(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    limit = pipeline.preset.max_context_size
    many = (poses * (limit // len(poses) + 1))[: limit + 1]

    assert len(pipeline(image, many[:limit], context_size=limit + 1)) == limit
    with pytest.raises(ParameterError, match=f"context_size is {limit + 1}; .* at most {limit} "):
        pipeline(image, many, context_size=limit + 1)


def test_cache_interval_needs_motion_modules(
    pipeline: AnimatePipeline, weights: Path, image: Frames, poses: list[Pose]
) -> None:
    still = AnimatePipeline(load_tcan(pipeline.preset, weights, motion=False), pipeline.preset)

    assert len(still(image, poses[:2])) == 2
    with pytest.raises(ParameterError, match="cache_interval is 2; without motion modules"):
        still(image, poses[:2], cache_interval=2)


@pytest.mark.long
def test_default_overlap_is_reduced_for_small_windows(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert pipeline.preset.sampling.context_overlap == 4
    for size, overlap in ((8, 4), (4, 3), (1, 0)):
        assert np.array_equal(
            pipeline(image, poses, context_size=size),
            pipeline(image, poses, context_size=size, context_overlap=overlap),
        )


def test_guidance_scale_one_skips_the_unconditional_prediction(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    rows: dict[float, set[int]] = {1.0: set(), 2.0: set()}
    for scale, seen in rows.items():
        hook = pipeline.tcan.denoising_unet.conv_out.register_forward_pre_hook(
            lambda module, arguments, seen=seen: seen.add(len(arguments[0]))
        )
        pipeline(image, poses, guidance_scale=scale, **WINDOWS)
        hook.remove()

    assert rows == {1.0: {4}, 2.0: {8}}


def test_reference_is_read_once_per_step(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    sources = []
    hook = pipeline.tcan.reference_unet.conv_in.register_forward_pre_hook(
        lambda module, arguments: sources.append(len(arguments[0]))
    )
    pipeline(image, poses, num_inference_steps=3, **WINDOWS)
    hook.remove()

    assert sources == [1, 1, 1]


def test_progress_increases_and_ends_at_one(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    reports: list[AnimateProgress] = []
    previews: list[torch.Tensor | None] = []

    def note(now: AnimateProgress) -> None:
        reports.append(now)
        if now.stage == "denoise":
            previews.append(now.preview())

    pipeline(image, poses, num_inference_steps=3, progress=note, **WINDOWS)

    stages = [now.stage for now in reports]
    assert stages == ["encode"] + 3 * 4 * ["denoise"] + ["decode"]
    denoising = [now for now in reports if now.stage == "denoise"]
    assert [(now.step, now.window) for now in denoising] == [
        (step, window) for step in (1, 2, 3) for window in (1, 2, 3, 4)
    ]
    assert {(now.steps, now.windows) for now in denoising} == {(3, 4)}
    fractions = [now.fraction for now in denoising]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and fractions[0] > 0
    assert reports[-1].fraction == 1.0 and reports[-1].steps == FRAMES
    assert previews[0] is None and previews[-1] is not None
    assert previews[-1].shape == (1, 4, FRAMES, 4, 4)


def test_frames_are_yielded_one_by_one(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    frames = pipeline.frames(image, poses, None, AnimateSettings(seed=3))

    first = next(frames)
    assert first.shape == image.shape
    assert np.array_equal(
        np.stack([first, *frames]), pipeline(image, poses, source_pose=None, seed=3)
    )


def test_cancel_stops_before_the_next_window(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    reports: list[AnimateProgress] = []

    with pytest.raises(CanceledError, match="canceled at step 2 of 2, window 2"):
        pipeline(
            image, poses, progress=reports.append, is_canceled=lambda: len(reports) == 6, **WINDOWS
        )

    assert len(reports) == 6  # encode, and five windows
    assert pipeline(image, poses[:2]).shape == (2, *image.shape)  # the pipeline is still usable


def test_source_pose_is_detected_if_it_is_not_given(
    pipeline: AnimatePipeline, scene: Scene, image: Frames, poses: list[Pose]
) -> None:
    expected = pipeline(image, poses[:2], source_pose=scene.source_pose)

    assert np.array_equal(pipeline(image, poses[:2]), expected)


def test_image_without_a_person_is_rejected_only_with_retargeting(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    with pytest.raises(NoPersonError, match="no person was found in the image"):
        pipeline(image, poses[:2], source_pose=no_pose((48, 48)))
    with pytest.raises(NoPersonError, match="no person was found in the image"):
        pipeline(np.zeros_like(image), poses[:2])

    assert pipeline(np.zeros_like(image), poses[:2], retarget=False).shape == (2, *image.shape)


def test_frame_without_a_pose_is_rendered(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    frames = pipeline(image, [poses[0], no_pose(poses[0].canvas), poses[2]])

    assert frames.shape == (3, *image.shape)


def test_single_frame_can_be_animated(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert pipeline(image, poses[:1]).shape == (1, *image.shape)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"steps": 3}, ParameterError, "unknown setting steps"),
        ({"guidance_scale": -1.0}, ParameterError, "guidance_scale is -1.0"),
        ({"ptm_tau": -0.5}, ParameterError, "ptm_tau is -0.5"),
        ({"seed": -1}, ParameterError, "seed is -1"),
        ({"num_inference_steps": 0}, ParameterError, "0"),
        ({"num_inference_steps": 1001}, ParameterError, "1001"),
        ({"context_size": 0}, ParameterError, "context"),
        ({"context_overlap": 16}, ParameterError, "context"),
        ({"window_batch": 0}, ParameterError, "window_batch is 0"),
        ({"cache_interval": 0}, ParameterError, "cache_interval is 0"),
        ({"scheduler": "euler?"}, ParameterError, "euler"),
        ({"noise": "pink"}, ParameterError, "pink"),
    ],
)
def test_settings_out_of_range_are_rejected(
    pipeline: AnimatePipeline,
    image: Frames,
    poses: list[Pose],
    settings: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        pipeline(image, poses, **settings)


def test_empty_poses_are_rejected(pipeline: AnimatePipeline, image: Frames) -> None:
    with pytest.raises((ParameterError, ContextWindowError), match="no poses"):
        pipeline(image, [])


def test_result_does_not_depend_on_the_driving_canvas(
    pipeline: AnimatePipeline, scene: Scene, image: Frames, poses: list[Pose]
) -> None:
    larger = [replace(pose, keypoints=10 * pose.keypoints, canvas=(480, 480)) for pose in poses[:3]]
    frames = [
        pipeline(image, chosen, source_pose=scene.source_pose, retarget=retarget)
        for chosen in (poses[:3], larger)
        for retarget in (True, False)
    ]

    assert np.array_equal(frames[0], frames[2]) and np.array_equal(frames[1], frames[3])


class DeviceRecorder:
    """Records how many networks are on the device whenever one of them runs."""

    def __init__(self, pipeline: AnimatePipeline) -> None:
        self.seen: dict[str, set[int]] = {"codec": set(), "denoising": set()}
        self.offloader, tcan = pipeline._offloader, pipeline.tcan
        assert tcan.controlnet is not None
        for stage, network in (
            ("codec", tcan.codec.vae.encoder),
            ("codec", tcan.codec.vae.decoder),
            ("denoising", tcan.reference_unet),
            ("denoising", tcan.controlnet),
        ):
            network.register_forward_pre_hook(
                lambda *_, stage=stage: self.seen[stage].add(len(self.offloader._on_device))
            )


def test_offload_moves_networks_and_does_not_change_the_result(
    pipeline: AnimatePipeline, weights: Path, image: Frames, poses: list[Pose]
) -> None:
    expected = pipeline(image, poses[:5], **WINDOWS)
    preset, options = pipeline.preset, RuntimeOptions(offload=True)
    offloading = AnimatePipeline(load_tcan(preset, weights), preset, options=options)
    recorder, pictures = DeviceRecorder(offloading), []

    def note(now: AnimateProgress) -> None:
        pictures.append(now.picture())  # a preview while denoising needs the codec

    result = offloading(image, poses[:5], progress=note, **WINDOWS)

    assert np.array_equal(result, expected)
    assert recorder.seen == {"codec": {1}, "denoising": {3}}
    assert any(picture is not None for picture in pictures)
    assert offloading._offloader._on_device == ()


@pytest.mark.parametrize(
    "options",
    [
        RuntimeOptions(dtype="bfloat16"),
        RuntimeOptions(dtype="bfloat16", fp8_weights=True, offload=True),
        RuntimeOptions(tile_codec=True),
    ],
    ids=["bfloat16", "fp8", "tiles"],
)
def test_memory_saving_options_change_frames_a_little(
    pipeline: AnimatePipeline,
    weights: Path,
    image: Frames,
    poses: list[Pose],
    options: RuntimeOptions,
) -> None:
    expected = pipeline(image, poses[:5], **WINDOWS).astype(int)
    other = AnimatePipeline(load_tcan(pipeline.preset, weights), pipeline.preset, options=options)
    difference = np.abs(other(image, poses[:5], **WINDOWS) - expected)
    assert difference.mean() < 12 and (options.dtype == "float32" or difference.max() > 0)


def test_large_images_are_decoded_in_tiles(weights: Path, pipeline: AnimatePipeline) -> None:
    tcan = load_tcan(pipeline.preset, weights)
    latents = torch.randn(1, 4, 72, 80, generator=torch.Generator().manual_seed(0))
    whole = tcan.codec.decode(latents)
    decoded: list[tuple[int, ...]] = []
    tcan.codec.vae.decoder.register_forward_pre_hook(
        lambda module, arguments: decoded.append(tuple(arguments[0].shape[-2:]))
    )
    set_up(tcan, RuntimeOptions(tile_codec=True))
    tiled = tcan.codec.decode(latents)

    assert len(decoded) > 1 and max(max(sides) for sides in decoded) <= 64
    assert tiled.shape == whole.shape and (tiled - whole).abs().mean() < 0.2
