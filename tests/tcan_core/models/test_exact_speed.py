"""Accelerations give the same results as the plain form of the method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tcan_core.errors import ConfigError
from tcan_core.models.networks.attention import PromptAttention, find_kernel
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import NormGrouping, Preset
from tcan_core.pipelines.animate import AnimatePipeline
from tests.tcan_core.plain_form import PlainTcan

FRAMES, WINDOWS = 3, 2
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
Inputs = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def tcan(tiny: Preset, weights: Path) -> Iterator[Tcan]:
    tcan = load_tcan(tiny, weights)
    tcan.prompt = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        yield tcan


@pytest.fixture(params=[(4, 4), (5, 3)], ids=["even", "odd"])
def inputs(request: pytest.FixtureRequest) -> Inputs:
    """Return latents, timesteps and pose maps of two windows; sides may be odd."""
    height, width = request.param
    noise = torch.Generator().manual_seed(2)
    latents = torch.randn(WINDOWS, 4, FRAMES, height, width, generator=noise)
    maps = torch.rand(WINDOWS, 3, FRAMES, 8 * height, 8 * width, generator=noise)
    return latents, torch.tensor([500, 500]), maps


def read(tcan: Tcan | PlainTcan, inputs: Inputs) -> None:
    """Read the reference and set the temperature."""
    latents, timestep, maps = inputs
    source = torch.randn(1, *latents.shape[1:2], *latents.shape[3:], generator=torch.Generator())
    dtype = latents.dtype
    tcan.read_reference(source.to(dtype), timestep[:1])
    tcan.temperature.maps = 1 + maps[:, 0, 0]


@pytest.mark.parametrize("grouping", ["official", "diffusers"])
def test_accelerations_are_exact_for_every_norm_grouping(
    tiny: Preset, weights: Path, inputs: Inputs, grouping: NormGrouping
) -> None:
    tcan = load_tcan(replace(tiny, norm_grouping=grouping), weights)
    plain = PlainTcan(tcan)
    with torch.no_grad():
        read(plain, inputs)
        expected = plain.predict(*inputs, 3.0)
        read(set_up(tcan, RuntimeOptions()), inputs)
        torch.testing.assert_close(tcan.predict(*inputs, 3.0), expected, **TOLERANCE)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
@pytest.mark.parametrize(
    "options",
    [
        RuntimeOptions(),
        RuntimeOptions(serial_guidance=True),
        RuntimeOptions(channels_last=True),
    ],
    ids=["default", "serial", "channels_last"],
)
def test_the_accelerated_form_equals_the_plain_form(
    tcan: Tcan, inputs: Inputs, options: RuntimeOptions, guidance_scale: float
) -> None:
    plain = PlainTcan(tcan)
    read(plain, inputs)
    expected = plain.predict(*inputs, guidance_scale)

    set_up(tcan, options)
    for _ in range(2):  # the second time from caches
        read(tcan, inputs)
        for _ in range(2):
            torch.testing.assert_close(tcan.predict(*inputs, guidance_scale), expected, **TOLERANCE)


def test_the_prompt_is_projected_once_per_layer(tcan: Tcan, inputs: Inputs) -> None:
    read(tcan, inputs)
    expected = tcan.predict(*inputs, 3.0)
    calls = ProjectionRecorder(tcan)
    set_up(tcan, RuntimeOptions())
    results = [tcan.predict(*inputs, 3.0) for _ in range(3)]

    assert calls.rows == len(calls.rows) * [1] and len(calls.rows) > 0
    for result in results:
        torch.testing.assert_close(result, expected, **TOLERANCE)


class ProjectionRecorder:
    """A recorder of the rows of every projection of a prompt to keys."""

    def __init__(self, tcan: Tcan) -> None:
        self.rows: list[int] = []
        for network in tcan.denoising_networks:
            for module in network.modules():
                if isinstance(getattr(module, "processor", None), PromptAttention):
                    module.to_k.register_forward_pre_hook(self._record)  # type: ignore[union-attr]

    def _record(self, module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.rows.append(len(arguments[0]))


def test_the_reference_is_read_and_projected_once_per_step(tcan: Tcan, inputs: Inputs) -> None:
    called_modules: list[str] = []
    for name, module in tcan.reference_unet.named_modules():
        if name in ("conv_in", "conv_out", "up_blocks.1.attentions.1.proj_out"):
            module.register_forward_hook(lambda *_, name=name: called_modules.append(name))
    projected_rows: list[int] = []
    reader = tcan.denoising_unet.get_submodule(tcan.bank.last.removesuffix(".processor"))
    reader.to_k.register_forward_hook(  # type: ignore[union-attr]
        lambda module, arguments, output: projected_rows.append(len(arguments[0]))
    )
    read(tcan, inputs)
    assert called_modules == ["conv_in"] and set(map(len, tcan.bank.features.values())) == {1}

    for _ in range(3):
        tcan.predict(*inputs, 3.0)
    rows = 2 * WINDOWS * FRAMES
    assert projected_rows == [rows, 1, rows, rows]
    read(tcan, inputs)
    tcan.predict(*inputs, 3.0)
    assert projected_rows[4:] == [rows, 1]


def test_features_shared_by_both_guidance_predictions_are_computed_once(
    tcan: Tcan, inputs: Inputs
) -> None:
    rows: dict[str, list[int]] = {"conv_in": [], "down_blocks.0": [], "up_blocks.0": []}
    for name, row_counts in rows.items():
        tcan.denoising_unet.get_submodule(name).register_forward_hook(
            lambda module, _, keywords, output, row_counts=row_counts: row_counts.append(
                _rows_of(output)
            ),
            with_kwargs=True,
        )
    controlnet_rows: list[int] = []
    assert tcan.controlnet is not None
    tcan.controlnet.register_forward_hook(lambda _, args, out: controlnet_rows.append(len(args[3])))
    read(tcan, inputs)
    tcan.predict(*inputs, 3.0)

    images = WINDOWS * FRAMES
    assert rows == {"conv_in": [images], "down_blocks.0": [images], "up_blocks.0": [2 * images]}
    assert controlnet_rows == [images]


def _rows_of(output: Any) -> int:
    return len(output[0] if isinstance(output, tuple) else output)


class CopyRecorder(TorchFunctionMode):
    """A recorder of calls that copy a tensor for every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("repeat_interleave", "repeat") and args[0].ndim == 3:
            self.calls.append(name)
        return func(*args, **(kwargs or {}))


def test_keys_and_values_are_expanded_not_copied(tcan: Tcan, inputs: Inputs) -> None:
    set_up(tcan, RuntimeOptions())
    read(tcan, inputs)
    with CopyRecorder() as copies:
        tcan.predict(*inputs, 3.0)
    assert copies.calls == []


def test_a_missing_attention_kernel_is_rejected() -> None:
    with pytest.raises(ConfigError, match="xformers"):
        find_kernel("xformers")


def test_a_cuda_kernel_is_rejected_on_a_cpu_before_loading() -> None:
    with pytest.raises(ConfigError, match="needs a CUDA device; the device is 'cpu'; use 'sdpa'"):
        AnimatePipeline.from_preset("mini", options=RuntimeOptions(attention="xformers"))


def test_16_bit_and_8_bit_results_are_close_to_float32(tcan: Tcan, inputs: Inputs) -> None:
    read(tcan, inputs)
    expected = tcan.predict(*inputs, 3.0)
    spread = float(expected.std())
    errors = []
    for options in (
        RuntimeOptions(dtype="bfloat16"),
        RuntimeOptions(dtype="bfloat16", fp8_weights=True),
    ):
        set_up(tcan, options)
        latents, timestep, maps = inputs
        read(tcan, (latents.bfloat16(), timestep, maps))
        result = tcan.predict(latents.bfloat16(), timestep, maps.bfloat16(), 3.0)
        assert result.dtype == torch.bfloat16
        errors.append(float((result.float() - expected).std()) / spread)
    assert 0 < errors[0] < 0.05 and errors[0] < errors[1] < 0.3
    dtypes = {parameter.dtype for parameter in tcan.denoising_unet.parameters()}
    assert dtypes == {torch.bfloat16, torch.float8_e4m3fn}


@pytest.mark.slow
@pytest.mark.timeout(900)
# torch's compiler imports deprecated parts of torch.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_compiled_blocks_are_equal_and_compile_once(tcan: Tcan, inputs: Inputs) -> None:
    """Takes a minute or two, since a C++ compiler builds each block."""
    plain = PlainTcan(tcan)
    read(plain, inputs)
    expected = plain.predict(*inputs, 3.0)
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        set_up(tcan, RuntimeOptions(compile=True))
        for _ in range(3):
            read(tcan, inputs)
            torch.testing.assert_close(tcan.predict(*inputs, 3.0), expected, **TOLERANCE)
            graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
            assert graphs > 0
        read(tcan, inputs)
        tcan.predict(*inputs, 3.0)
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
