"""The maps of an explanation are those of the run, and the run stays the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import ParameterError
from tcan_core.explain.explain import explain
from tcan_core.explain.explanation import Choice, Explanation
from tcan_core.explain.points import Point, parse_points
from tcan_core.explain.switches import read_lora, without_motion
from tcan_core.models.weights.loading import load_tcan
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.pipelines.prepared_input import PreparedInput
from tests.tcan_core.explain.conftest import CHOICE, SETTINGS
from tests.tcan_core.explain.plain_attention import (
    PlainRun,
    assert_reference_is_plain,
    assert_temporal_is_plain,
)


@pytest.fixture(scope="module")
def plain(pipeline: AnimatePipeline, prepared: PreparedInput, explanation: Explanation) -> PlainRun:
    assert explanation.temporal is not None
    layers = [*explanation.temporal.layers, explanation.reference.layer]
    return PlainRun(pipeline, prepared, SETTINGS, 2, layers)


def test_explained_run_gives_the_same_frames(explanation: Explanation, plain: PlainRun) -> None:
    assert explanation.window == [4, 5, 6, 7]
    assert np.array_equal(np.stack(explanation.frames), plain.frames[explanation.window])


def test_temporal_attention_equals_plain_attention(
    pipeline: AnimatePipeline, explanation: Explanation, plain: PlainRun
) -> None:
    assert_temporal_is_plain(pipeline, explanation, plain)


def test_reference_attention_equals_plain_attention(
    pipeline: AnimatePipeline, explanation: Explanation, plain: PlainRun
) -> None:
    assert_reference_is_plain(pipeline, explanation, plain)


def test_temperature_is_that_of_the_window(
    pipeline: AnimatePipeline, prepared: PreparedInput, explanation: Explanation
) -> None:
    maps = pipeline.drawer.pose_maps(
        prepared.image, prepared.poses, prepared.source_pose, **SETTINGS.placing
    )
    drawn = np.stack([maps.frame(index) for index in explanation.window])
    assert explanation.temperature is not None
    assert np.array_equal(explanation.temperature, temperature_map(drawn))


@pytest.mark.long
def test_without_ptm_equals_a_run_without_it_at_its_first_step(
    pipeline: AnimatePipeline, prepared: PreparedInput
) -> None:
    first = Choice(step=1, window=1)
    here = explain(pipeline, prepared, SETTINGS, first).temporal
    there = explain(pipeline, prepared, replace(SETTINGS, ptm_tau=0), first).temporal

    assert here is not None and there is not None and here.without_ptm is not None
    assert there.without_ptm is None
    np.testing.assert_array_equal(here.without_ptm, there.weights)
    assert not np.allclose(here.weights, there.weights)


def test_guidance_is_the_difference_of_its_halves(
    explanation: Explanation, plain: PlainRun
) -> None:
    unconditional, conditional = plain.outputs[explanation.facts.window - 1].chunk(2)

    np.testing.assert_allclose(
        explanation.guidance.maps, rms(conditional - unconditional), atol=1e-5
    )


@pytest.mark.long
def test_lora_is_the_difference_to_a_model_without_it(
    pipeline: AnimatePipeline, prepared: PreparedInput, weights: Path
) -> None:
    preset = pipeline.preset
    bare = replace(
        preset, parts={name: part for name, part in preset.parts.items() if name != "lora"}
    )
    without = AnimatePipeline(load_tcan(bare, weights), bare)
    settings, first = replace(SETTINGS, guidance_scale=1), Choice(step=1, window=2)

    explanation = explain(pipeline, prepared, settings, first, read_lora(preset, weights))

    one, other = (
        PlainRun(each, prepared, settings, 1, []).outputs[1] for each in (pipeline, without)
    )
    assert explanation.lora is not None
    np.testing.assert_allclose(explanation.lora.maps, rms(one - other), atol=1e-5)
    assert explanation.lora.relative > 0.01


def rms(difference: torch.Tensor) -> np.ndarray:
    """Return the root mean square over channels of (frames, channels, h, w)."""
    return difference.square().mean(1).sqrt().numpy()


def test_wrong_pose_changes_its_own_frame_only_without_temporal_layers(
    pipeline: AnimatePipeline, explanation: Explanation
) -> None:
    change = explanation.wrong_pose

    assert change is not None and (change.wrong_map != change.true_map).any()
    others = [frame for frame in range(len(explanation.window)) if frame != change.frame]
    assert change.without_layers[change.frame].max() > 0.01
    assert change.without_layers[others].max() < 1e-5
    assert change.with_layers[others].max() > 1e-4


@pytest.mark.long
def test_motion_modules_can_be_switched_off(pipeline: AnimatePipeline, weights: Path) -> None:
    plain = load_tcan(pipeline.preset, weights, temporal_controlnet=False)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 3, 4, 4, generator=generator)
    maps = torch.rand(1, 3, 3, 32, 32, generator=generator)
    timestep = torch.tensor([500])
    assert pipeline.tcan.controlnet is not None

    with torch.inference_mode():
        with without_motion(pipeline.tcan.controlnet):
            switched, _ = pipeline.tcan.control(latents, timestep, maps)
        expected, _ = plain.control(latents, timestep, maps)
        moving, _ = pipeline.tcan.control(latents, timestep, maps)

    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(switched, expected, strict=True))
    assert not torch.allclose(moving[-1], expected[-1], atol=1e-3)


@pytest.mark.parametrize("choice", [Choice(step=3), Choice(step=0), Choice(window=5)])
def test_steps_and_windows_that_do_not_exist_are_refused(
    pipeline: AnimatePipeline, prepared: PreparedInput, choice: Choice
) -> None:
    with pytest.raises(ParameterError, match=r"it must lie in 1\.\.[24] for this animation"):
        explain(pipeline, prepared, SETTINGS, choice)


def test_cached_features_are_refused(pipeline: AnimatePipeline, prepared: PreparedInput) -> None:
    with pytest.raises(ParameterError, match="cache_interval is 2; it must be 1"):
        explain(pipeline, prepared, replace(SETTINGS, cache_interval=2))


def test_joints_are_followed(explanation: Explanation) -> None:
    assert [track.label for track in explanation.tracks] == ["Nose", "Right wrist", "Left wrist"]
    assert all(track.positions.shape == (4, 2) for track in explanation.tracks)


def test_points_of_person_and_background_are_chosen(explanation: Explanation) -> None:
    labels = [point.label for point in explanation.points]

    assert labels == ["Body", "Passing limb", "Near background", "Far background"]
    assert explanation.temperature is not None
    temperatures = [temperature_at(explanation, point) for point in explanation.points]
    assert temperatures[0] == temperatures[1] == 1
    assert temperatures[3] == explanation.temperature.max() > temperatures[2] > 1


def temperature_at(explanation: Explanation, point: Point) -> float:
    """Return the temperature of a point of a picture that is not padded."""
    assert explanation.temperature is not None and explanation.fit.scaled == explanation.fit.padded
    height, width = explanation.temperature.shape
    return float(explanation.temperature[int(point.y * height), int(point.x * width)])


@pytest.mark.parametrize("text", ["", "0.5", "0.5,x", "1.5,0", "-0.1,0", "nan,0", "1,2,3"])
def test_points_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="it must be X,Y as fractions"):
        parse_points([text])


@pytest.mark.long
def test_given_points_are_used(pipeline: AnimatePipeline, prepared: PreparedInput) -> None:
    choice = replace(CHOICE, points=parse_points(["0.25,0.5", "1,1"]))

    temporal = explain(pipeline, prepared, SETTINGS, choice).temporal

    assert temporal is not None and temporal.weights.shape[1] == 2
