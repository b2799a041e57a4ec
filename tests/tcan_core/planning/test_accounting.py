"""Memory accounting matches real tensors, and does not grow with the video's length."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tcan_core.errors import CanceledError
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.planning.accounting import PeakMemory
from tcan_core.planning.measure import MeasuredModel, _denoise, accounted
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.world import Scene, sample_scene
from tests.tcan_core.random_tcan import random_tcan
from tests.tcan_core.tiny_weights import tiny_preset

KIB = 1024


def test_live_tensors_are_counted_and_views_are_not() -> None:
    before = torch.zeros(KIB, dtype=torch.uint8)
    with PeakMemory() as allocated:
        first = torch.zeros(KIB, dtype=torch.uint8)
        second = torch.zeros(2 * KIB, dtype=torch.uint8)
        views = first.view(2, -1), before[10:], second.add_(1)
        assert allocated.now_bytes == allocated.peak_bytes == 3 * KIB
        del second, views
        assert (allocated.now_bytes, allocated.peak_bytes) == (KIB, 3 * KIB)
        third = first + 1
        assert (allocated.now_bytes, allocated.peak_bytes) == (2 * KIB, 3 * KIB)
        del first, third
    assert allocated.now_bytes == 0


def test_existing_tensors_can_be_included_and_sizes_excluded() -> None:
    with PeakMemory(lambda num_bytes: num_bytes > 10) as allocated:
        tensors = [torch.zeros(100, dtype=torch.uint8), torch.zeros(4, dtype=torch.uint8)]
        allocated.include(tensors)
        assert allocated.peak_bytes == 100
        tensors[0] = torch.zeros(60, dtype=torch.uint8)
        assert allocated.now_bytes == 60


@pytest.mark.parametrize("serial", [False, pytest.param(True, marks=pytest.mark.long)])
def test_meta_model_takes_the_same_memory_as_the_real_one(serial: bool) -> None:
    preset, options = tiny_preset(), RuntimeOptions(serial_guidance=serial)
    size, frames, windows = (32, 32), 4, 2
    with torch.inference_mode():
        tcan = set_up(random_tcan(preset), options)
        denoise = partial(_denoise, tcan, size, frames, windows)
        denoise()  # caches made from the weights count with them
        real = accounted(tcan.denoising_networks, denoise)

    memory = MeasuredModel.build(preset, RuntimeOptions()).denoising(size, frames, windows, serial)

    assert memory.peak_bytes == pytest.approx(real, rel=0.02)
    parameters = sum(
        tensor.nbytes
        for network in tcan.denoising_networks
        for tensor in (*network.parameters(), *network.buffers())
    )
    assert memory.weights_bytes == parameters


@pytest.mark.slow
def test_memory_saving_options_reduce_memory() -> None:
    preset, size = load_preset("mini"), (64, 64)
    model = MeasuredModel.build(preset, RuntimeOptions())
    default, serial = (model.denoising(size, 16, 1, serial) for serial in (False, True))
    bfloat16, fp8 = (
        MeasuredModel.build(preset, options).denoising(size, 16, 1, False)
        for options in (
            RuntimeOptions(dtype="bfloat16"),
            RuntimeOptions(dtype="bfloat16", fp8_weights=True),
        )
    )
    assert serial.peak_bytes < 0.75 * default.peak_bytes
    assert default.weights_bytes == 2 * bfloat16.weights_bytes
    assert bfloat16.peak_bytes < 0.6 * default.peak_bytes
    assert fp8.weights_bytes < 0.6 * bfloat16.weights_bytes
    assert fp8.peak_bytes < 1.6 * bfloat16.peak_bytes
    assert model.codec(size, 1).peak_bytes < model.codec(size, 16).peak_bytes


def test_caches_of_windows_are_freed_before_decoding(
    pipeline: AnimatePipeline, scene: Scene
) -> None:
    """The planner counts the codec alone."""
    image, poses = scene.source.draw(scene.source_pose)[0], scene.driving.poses(scene.motion)
    settings = AnimateSettings(num_inference_steps=1, context_size=4, context_overlap=1)
    maps = pipeline.drawer.pose_maps(image, poses, scene.source_pose, retarget=True)
    bank = pipeline.tcan.bank
    while_denoising: list[int] = []

    def note(_: AnimateProgress) -> None:
        while_denoising.append(counted.now_bytes)

    # The pose cache is not counted: it has a limit of its own.
    with torch.inference_mode(), PeakMemory(partial(not_in, {pose_bytes(pipeline)})) as counted:
        latents = pipeline.encode(np.zeros((*maps.size, 3), np.uint8))
        pipeline.denoise(latents, maps, settings, note, None)  # fills the prompt cache
        before = counted.now_bytes
        pipeline.denoise(latents, maps, settings, note, None)
        assert counted.now_bytes == before < max(while_denoising)
        with pytest.raises(CanceledError):
            pipeline.denoise(latents, maps, settings, note, lambda: bool(bank.features))
    assert not bank.features and counted.now_bytes == before


def pose_bytes(pipeline: AnimatePipeline) -> int:
    """Return the bytes of one pose's features, for latents of 4x4."""
    assert pipeline.tcan.controlnet is not None
    return int(4 * pipeline.tcan.controlnet.config["block_out_channels"][0] * 4 * 4)


def not_in(excluded: set[int], size: int) -> bool:
    return size not in excluded


@pytest.mark.long
def test_longer_video_takes_no_more_device_memory(pipeline: AnimatePipeline) -> None:
    """Latents and features of poses are excluded, as they are in host memory on any device."""
    peaks = []
    for frames in (64, 160):
        scene = sample_scene(1_000_000, frames, 48)
        image = scene.source.draw(scene.source_pose)[0]
        poses = scene.driving.poses(scene.motion)
        latents_bytes = 4 * 4 * frames * 4 * 4
        on_host = {latents_bytes, pose_bytes(pipeline)}
        with PeakMemory(partial(not_in, on_host)) as counted:
            settings = AnimateSettings(context_size=8, context_overlap=2, decode_batch=8)
            count = sum(1 for _ in pipeline.frames(image, poses, scene.source_pose, settings))
        assert count == frames
        peaks.append(counted.peak_bytes)
    assert peaks[1] == pytest.approx(peaks[0], rel=0.10)
    assert np.min(peaks) > 0
