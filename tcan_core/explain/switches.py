"""Parts of a loaded model switched off for a few passes: LoRA, motion modules, temperature.

No weight is changed. A hook takes the part's effect out again, and what was cached with it is
computed anew before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.weights.loading import lora_config
from tcan_core.models.weights.part_files import PartFolders, read_part, weights_source
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.window_predictor import WindowPredictor

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
# A merged LoRA by layer: (rank, in) and (out, rank), the latter multiplied by alpha / rank.
LoraLayers = Mapping[str, tuple[Tensor, Tensor]]


def read_lora(preset: Preset, folder: PartFolders = None) -> LoraLayers:
    """Return the layers of a preset's LoRA; none if it has no LoRA.

    Args:
        folder: as for `load_tcan`.

    Raises:
        WeightsError: its file is missing or damaged.
    """
    if weights_source(preset, "lora", folder) is None:
        return {}
    state, config = read_part(preset, "lora", folder), lora_config(preset)
    scale = config["alpha"] / config["rank"]
    names = [key.removesuffix(DOWN) for key in state if key.endswith(DOWN)]
    return {name: (state[name + DOWN], state[name + UP] * scale) for name in names}


@contextmanager
def without_lora(predictor: WindowPredictor, lora: LoraLayers) -> Iterator[None]:
    """Context in which the denoising UNet predicts as if the LoRA were not merged.

    Equal to a model without it up to rounding.
    """
    unet = predictor.tcan.denoising_unet
    with ExitStack() as stack:
        for name, layers in lora.items():
            hook = unet.get_submodule(name).register_forward_hook(_subtract(*layers))
            stack.callback(hook.remove)
        _forget_projections(predictor)
        try:
            yield
        finally:
            _forget_projections(predictor)


def _subtract(down: Tensor, up: Tensor) -> Callable[[nn.Module, tuple[Any, ...], Any], Tensor]:
    def subtract(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor:
        low = F.linear(inputs[0], down.to(inputs[0]))
        difference: Tensor = output - F.linear(low, up.to(low))
        return difference

    return subtract


def _forget_projections(predictor: WindowPredictor) -> None:
    """Project the keys and values of reference and prompt again at the next pass."""
    predictor.forget_reference()
    if predictor.tcan.prompt_cache.is_enabled:
        predictor.tcan.prompt_cache.enable()


@contextmanager
def without_motion(network: nn.Module) -> Iterator[None]:
    """Context in which a network's motion modules change nothing: every frame is alone."""
    modules = [each for each in network.modules() if isinstance(each, AnimateDiffTransformer3D)]
    handles = [module.register_forward_hook(_pass_input) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _pass_input(_: nn.Module, inputs: tuple[Any, ...], output: object) -> Tensor:
    hidden_states: Tensor = inputs[0]
    return hidden_states


@contextmanager
def predicting_with(
    predictor: WindowPredictor, *, guidance_scale: float | None = None, ptm_tau: float | None = None
) -> Iterator[WindowPredictor]:
    """Context in which a predictor has another guidance scale, or strength of the temperature."""
    before = predictor.guidance_scale, predictor.ptm_tau
    if guidance_scale is not None:
        predictor.guidance_scale = guidance_scale
    if ptm_tau is not None:
        predictor.ptm_tau = ptm_tau
    try:
        yield predictor
    finally:
        predictor.guidance_scale, predictor.ptm_tau = before
