"""One picture animated, at tiny width with random weights."""

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
    return scene.driver.poses(scene.motion)


@pytest.mark.parametrize("size", [(32, 32), (48, 32), (33, 47), (70, 32), (100, 121)])
def test_frames_have_the_size_of_the_picture(
    pipeline: AnimatePipeline, poses: list[Pose], size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    [source_pose] = move_to_canvas(poses[:1], size)

    frames = pipeline(picture, poses[:3], source_pose=source_pose)

    assert frames.shape == (3, *size, 3) and frames.dtype == np.uint8
    assert frames.std() > 3


def test_a_seed_is_a_result(pipeline: AnimatePipeline, image: Frames, poses: list[Pose]) -> None:
    first, second, other = (pipeline(image, poses, seed=seed, **WINDOWS) for seed in (3, 3, 4))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("window_batch", [2, 3, 9])
def test_the_batch_of_windows_changes_nothing_but_rounding(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose], window_batch: int
) -> None:
    alone = pipeline(image, poses, **WINDOWS)
    together = pipeline(image, poses, **WINDOWS, window_batch=window_batch)

    assert np.abs(alone.astype(int) - together).max() <= 1


def test_windows_whose_features_are_kept_and_others_go_together(
    pipeline: AnimatePipeline,
    image: Frames,
    poses: list[Pose],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of four windows there is room for three, in whichever batches they come."""
    deep: list[torch.Tensor] = []
    block = pipeline.tcan.denoising_unet.get_submodule("up_blocks.0")
    hook = block.register_forward_hook(lambda module, inputs, output: deep.append(output))
    usual = WINDOWS | {"cache_interval": 2, "num_inference_steps": 2}
    pipeline(image, poses, **usual)
    bytes_per_frame = 2 * deep.pop()[0].nbytes
    room = partial(DeepFeatureCache, max_bytes=3 * 4 * bytes_per_frame)
    monkeypatch.setattr("tcan_core.pipelines.animate.DeepFeatureCache", room)
    whole: dict[int, int] = {}
    results = {}
    for window_batch in (1, 4):
        deep.clear()
        results[window_batch] = pipeline(image, poses, **usual, window_batch=window_batch)
        whole[window_batch] = sum(map(len, deep))
    hook.remove()

    assert np.abs(results[1].astype(int) - results[4]).max() <= 1
    assert set(whole.values()) == {2 * 4 * (4 + 1)}  # halves, frames, windows of two steps


@pytest.mark.parametrize(
    "change",
    [
        {"num_inference_steps": 3},
        {"guidance_scale": 1.0},
        {"guidance_scale": 5.0},
        {"ptm_tau": 0.0},
        {"retarget": False},
        {"scheduler": "dpm++2m"},
        {"cache_interval": 2},
        {"fusion": "flat"},
        {"noise": "freenoise"},
        {"context_overlap": 1},
    ],
)
def test_every_setting_matters(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose], change: dict[str, Any]
) -> None:
    usual = WINDOWS | {"num_inference_steps": 4, "ptm_tau": 50.0}

    changed = pipeline(image, poses, **(usual | change))

    assert not np.array_equal(changed, pipeline(image, poses, **usual))


def test_settings_left_open_are_the_presets(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert np.array_equal(
        pipeline(image, poses[:2]),
        pipeline(
            image, poses[:2], num_inference_steps=2, guidance_scale=2.0, scheduler="ddim",
            noise="independent",
        ),
    )  # fmt: skip


def test_a_window_has_no_more_frames_than_the_motion_modules_have_positions(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    most = pipeline.preset.max_context_size
    many = (poses * (most // len(poses) + 1))[: most + 1]

    assert len(pipeline(image, many[:most], context_size=most + 1)) == most
    with pytest.raises(ParameterError, match=f"context_size is {most + 1}; .* at most {most} "):
        pipeline(image, many, context_size=most + 1)


def test_deep_features_are_of_motion_models_only(
    pipeline: AnimatePipeline, weights: Path, image: Frames, poses: list[Pose]
) -> None:
    still = AnimatePipeline(load_tcan(pipeline.preset, weights, motion=False), pipeline.preset)

    assert len(still(image, poses[:2])) == 2
    with pytest.raises(ParameterError, match="cache_interval is 2; without motion modules"):
        still(image, poses[:2], cache_interval=2)


def test_the_presets_overlap_gives_way_to_a_small_window(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert pipeline.preset.sampling.context_overlap == 4
    for size, overlap in ((8, 4), (4, 3), (1, 0)):
        assert np.array_equal(
            pipeline(image, poses, context_size=size),
            pipeline(image, poses, context_size=size, context_overlap=overlap),
        )


def test_without_guidance_the_network_runs_once_for_each_window(
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


def test_the_reference_is_read_once_per_step(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    sources = []
    hook = pipeline.tcan.reference_unet.conv_in.register_forward_pre_hook(
        lambda module, arguments: sources.append(len(arguments[0]))
    )
    pipeline(image, poses, num_inference_steps=3, **WINDOWS)
    hook.remove()

    assert sources == [1, 1, 1]


def test_progress_grows_and_ends_at_one(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    told: list[AnimateProgress] = []
    previews: list[torch.Tensor | None] = []

    def note(now: AnimateProgress) -> None:
        told.append(now)
        if now.stage == "denoise":
            previews.append(now.preview())

    pipeline(image, poses, num_inference_steps=3, progress=note, **WINDOWS)

    stages = [now.stage for now in told]
    assert stages == ["encode"] + 3 * 4 * ["denoise"] + ["decode"]
    denoising = [now for now in told if now.stage == "denoise"]
    assert [(now.step, now.window) for now in denoising] == [
        (step, window) for step in (1, 2, 3) for window in (1, 2, 3, 4)
    ]
    assert {(now.steps, now.windows) for now in denoising} == {(3, 4)}
    fractions = [now.fraction for now in denoising]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and fractions[0] > 0
    assert told[-1].fraction == 1.0 and told[-1].steps == FRAMES
    assert previews[0] is None and previews[-1] is not None
    assert previews[-1].shape == (1, 4, FRAMES, 4, 4)


def test_frames_come_one_by_one(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    frames = pipeline.frames(image, poses, None, AnimateSettings(seed=3))

    first = next(frames)
    assert first.shape == image.shape
    assert np.array_equal(
        np.stack([first, *frames]), pipeline(image, poses, source_pose=None, seed=3)
    )


def test_cancelling_stops_before_the_next_window(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    told: list[AnimateProgress] = []

    with pytest.raises(CanceledError, match="canceled at step 2 of 2, window 2"):
        pipeline(image, poses, progress=told.append, is_canceled=lambda: len(told) == 6, **WINDOWS)

    assert len(told) == 6  # encode, and five windows
    assert pipeline(image, poses[:2]).shape == (2, *image.shape)  # and it goes on working


def test_the_sources_pose_is_detected_where_it_is_needed(
    pipeline: AnimatePipeline, scene: Scene, image: Frames, poses: list[Pose]
) -> None:
    given = pipeline(image, poses[:2], source_pose=scene.source_pose)

    assert np.array_equal(pipeline(image, poses[:2]), given)


def test_nobody_in_the_picture_matters_to_retargeting_alone(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    with pytest.raises(NoPersonError, match="no person was found in the image"):
        pipeline(image, poses[:2], source_pose=no_pose((48, 48)))
    with pytest.raises(NoPersonError, match="no person was found in the image"):
        pipeline(np.zeros_like(image), poses[:2])

    assert pipeline(np.zeros_like(image), poses[:2], retarget=False).shape == (2, *image.shape)


def test_a_frame_without_a_pose_is_drawn_too(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    frames = pipeline(image, [poses[0], no_pose(poses[0].canvas), poses[2]])

    assert frames.shape == (3, *image.shape)


def test_one_frame_is_an_animation(
    pipeline: AnimatePipeline, image: Frames, poses: list[Pose]
) -> None:
    assert pipeline(image, poses[:1]).shape == (1, *image.shape)


@pytest.mark.parametrize(
    ("settings", "error", "told"),
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
def test_settings_out_of_range_are_told(
    pipeline: AnimatePipeline,
    image: Frames,
    poses: list[Pose],
    settings: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    with pytest.raises(error, match=told):
        pipeline(image, poses, **settings)


def test_no_poses_are_told(pipeline: AnimatePipeline, image: Frames) -> None:
    with pytest.raises((ParameterError, ContextWindowError), match="no poses"):
        pipeline(image, [])


def test_the_drivers_canvas_does_not_matter(
    pipeline: AnimatePipeline, scene: Scene, image: Frames, poses: list[Pose]
) -> None:
    larger = [replace(pose, keypoints=10 * pose.keypoints, canvas=(480, 480)) for pose in poses[:3]]
    frames = [
        pipeline(image, chosen, source_pose=scene.source_pose, retarget=retarget)
        for chosen in (poses[:3], larger)
        for retarget in (True, False)
    ]

    assert np.array_equal(frames[0], frames[2]) and np.array_equal(frames[1], frames[3])


class Residents:
    """Notes which networks are on the device whenever one of them runs."""

    def __init__(self, pipeline: AnimatePipeline) -> None:
        self.seen: dict[str, set[int]] = {"codec": set(), "denoising": set()}
        self.places, tcan = pipeline._offloader, pipeline.tcan
        for stage, network in (
            ("codec", tcan.codec.vae.encoder),
            ("codec", tcan.codec.vae.decoder),
            ("denoising", tcan.reference_unet),
            ("denoising", tcan.controlnet),
        ):
            network.register_forward_pre_hook(
                lambda *_, stage=stage: self.seen[stage].add(len(self.places._on_device))
            )


def test_networks_off_stage_are_off_the_device_and_nothing_else_changes(
    pipeline: AnimatePipeline, weights: Path, image: Frames, poses: list[Pose]
) -> None:
    expected = pipeline(image, poses[:5], **WINDOWS)
    preset, options = pipeline.preset, RuntimeOptions(offload=True)
    offloading = AnimatePipeline(load_tcan(preset, weights), preset, options=options)
    residents, pictures = Residents(offloading), []

    def look(now: AnimateProgress) -> None:
        pictures.append(now.picture())  # a preview while denoising needs the codec

    result = offloading(image, poses[:5], progress=look, **WINDOWS)

    assert np.array_equal(result, expected)
    assert residents.seen == {"codec": {1}, "denoising": {3}}
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
def test_frames_stay_near_with_less_memory(
    pipeline: AnimatePipeline,
    weights: Path,
    image: Frames,
    poses: list[Pose],
    options: RuntimeOptions,
) -> None:
    expected = pipeline(image, poses[:5], **WINDOWS).astype(int)
    other = AnimatePipeline(load_tcan(pipeline.preset, weights), pipeline.preset, options=options)
    off = np.abs(other(image, poses[:5], **WINDOWS) - expected)
    assert off.mean() < 12 and (options.dtype == "float32" or off.max() > 0)


def test_large_pictures_are_decoded_in_tiles(weights: Path, pipeline: AnimatePipeline) -> None:
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
