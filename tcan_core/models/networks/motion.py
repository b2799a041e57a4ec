"""Motion modules: AnimateDiff's temporal transformers in the denoising UNet and the ControlNet.

The preset's `norm_grouping` decides over which frames group norms compute statistics; see `norms`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import (
    AnimateDiffTransformer3D,
    CrossAttnDownBlockMotion,
    DownBlockMotion,
    MotionAdapter,
    UNetMidBlockCrossAttnMotion,
    UNetMotionModel,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tcan_core.models.networks.norms import group_norms
from tcan_core.models.weights.keys import check_keys
from tcan_core.models.weights.presets import NormGrouping


def add_motion(
    unet: UNet2DConditionModel, adapter: MotionAdapter, norm_grouping: NormGrouping = "per_frame"
) -> UNetMotionModel:
    """Inflate a UNet over time, with the adapter's motion modules."""
    # diffusers warns here about a cast to the type that the weights already have.
    with _silenced("diffusers.models.modeling_utils"):
        inflated: UNetMotionModel = UNetMotionModel.from_unet2d(unet, adapter)
    for module in inflated.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            # `from_unet2d` takes the UNet's number of groups instead.
            module.norm.num_groups = adapter.config["motion_norm_num_groups"]
    group_norms(inflated, norm_grouping)
    return inflated


@contextmanager
def _silenced(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def zero_motion_output(network: nn.Module) -> None:
    """Zero every motion module's last projection, so that untrained ones change nothing."""
    for module in network.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)


def motion_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of motion modules only, under the names of diffusers' MotionAdapter."""
    return {name: value for name, value in network.state_dict().items() if _is_motion_weight(name)}


def select_for(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of another network's motion modules that this network has, too.

    A ControlNet has no decoder, and some blocks may have no motion modules. Weights that the
    network needs and `state` lacks are reported when they are loaded.
    """
    names = motion_state(network).keys()
    return {name: value for name, value in state.items() if name in names}


def load_motion_state(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load the weights of `motion_state`.

    Raises:
        WeightsError: a key is missing or unexpected, or has another shape.
    """
    check_keys(what, motion_state(network), state)
    network.load_state_dict(state, strict=False)


def _is_motion_weight(name: str) -> bool:
    return "motion_modules." in name and not name.endswith("pos_embed.pe")


class TemporalControlNet(nn.Module):
    """TCAN's temporal ControlNet: a ControlNet with motion modules in its blocks.

    Neighbouring frames correct single wrong poses.
    """

    def __init__(self, controlnet: ControlNetModel, motion: dict[str, Any]) -> None:
        """Take over the ControlNet's layers.

        Args:
            controlnet: its layers are moved in here, not copied.
            motion: `num_attention_heads`, `norm_num_groups` and `max_seq_length` of the motion
                modules; their positions: `down_blocks` (indices, by default all) and `mid_block`
                (by default True); and `norm_grouping`.
        """
        super().__init__()
        self.config = controlnet.config
        self.time_proj, self.time_embedding = controlnet.time_proj, controlnet.time_embedding
        self.conv_in, self.controlnet_cond_embedding = (
            controlnet.conv_in,
            controlnet.controlnet_cond_embedding,
        )
        positions = motion.get("down_blocks", range(len(controlnet.down_blocks)))
        self.down_blocks = nn.ModuleList(
            _with_motion(block, motion) if index in positions else block
            for index, block in enumerate(controlnet.down_blocks)
        )
        self.mid_block = (
            _mid_with_motion(controlnet.mid_block, motion)
            if motion.get("mid_block", True)
            else controlnet.mid_block
        )
        self.controlnet_down_blocks = controlnet.controlnet_down_blocks
        self.controlnet_mid_block = controlnet.controlnet_mid_block
        group_norms(self, motion.get("norm_grouping", "per_frame"))

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass instead of storing them."""
        for module in self.modules():
            if hasattr(module, "gradient_checkpointing"):
                recompute: Any = partial(checkpoint, use_reentrant=False)
                module._gradient_checkpointing_func = recompute
                module.gradient_checkpointing = True  # type: ignore[assignment]

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        controlnet_cond: Tensor,
        count: int | None = None,
    ) -> tuple[list[Tensor], Tensor | None]:
        """Return residuals for the denoising UNet.

        Shapes: b batch, c latent channels, f frames, h w latent size

        Args:
            sample: (b, c, f, h, w) noisy latents.
            timestep: (b,).
            encoder_hidden_states: (b * f, tokens, dim).
            controlnet_cond: (b * f, 3, height, width) pose maps, 0..1.
            count: number of residuals to return, at most those of the first down block, which is
                then the only block that runs; None returns all.

        Returns:
            Residuals of the down blocks and of the mid block, (b * f, channels, h', w') each; the
            latter is None if `count` is given.
        """
        num_frames = sample.shape[2]
        emb = self.time_embedding(self.time_proj(timestep).to(sample.dtype)).repeat_interleave(
            num_frames, dim=0
        )
        hidden = self.conv_in(
            sample.transpose(1, 2).flatten(0, 1)
        ) + self.controlnet_cond_embedding(controlnet_cond)
        states: tuple[Tensor, ...] = (hidden,)
        for block in self.down_blocks if count is None else self.down_blocks[:1]:
            inputs = _other_inputs(block, encoder_hidden_states, num_frames)
            hidden, new_states = block(hidden_states=hidden, temb=emb, **inputs)
            states += new_states
        chosen = states[:count]
        residuals = [
            layer(state)
            for layer, state in zip(self.controlnet_down_blocks[: len(chosen)], chosen, strict=True)
        ]
        if count is not None:
            return residuals, None
        hidden = self.mid_block(
            hidden, emb, **_other_inputs(self.mid_block, encoder_hidden_states, num_frames)
        )
        return residuals, self.controlnet_mid_block(hidden)


def _other_inputs(
    block: nn.Module, encoder_hidden_states: Tensor, num_frames: int
) -> dict[str, Any]:
    """Return a block's inputs other than hidden states and time: text and frames, if needed."""
    text = {"encoder_hidden_states": encoder_hidden_states} if hasattr(block, "attentions") else {}
    return text | ({"num_frames": num_frames} if hasattr(block, "motion_modules") else {})


def _with_motion(block: nn.Module, motion: dict[str, Any]) -> nn.Module:
    """Move a 2D down block's layers into the class with motion modules after each of them."""
    resnets: Iterable[Any] = block.get_submodule("resnets").children()
    modules = nn.ModuleList(_motion_module(r.out_channels, motion, block) for r in resnets)
    kind = CrossAttnDownBlockMotion if hasattr(block, "attentions") else DownBlockMotion
    return _rebuilt(kind, block, modules)


def _mid_with_motion(block: nn.Module, motion: dict[str, Any]) -> nn.Module:
    channels = int(block.get_submodule("resnets.0").out_channels)  # type: ignore[arg-type]
    attentions = block.get_submodule("attentions").children()
    modules = nn.ModuleList(_motion_module(channels, motion, block) for _ in attentions)
    return _rebuilt(UNetMidBlockCrossAttnMotion, block, modules)


def _rebuilt(kind: type[nn.Module], block: nn.Module, motion_modules: nn.ModuleList) -> nn.Module:
    """Build a block of class `kind` from existing layers, without initialising new weights."""
    rebuilt: Any = kind.__new__(kind)
    nn.Module.__init__(rebuilt)
    rebuilt.resnets, rebuilt.motion_modules = block.resnets, motion_modules
    rebuilt.has_cross_attention = hasattr(block, "attentions")
    rebuilt.gradient_checkpointing = False
    if rebuilt.has_cross_attention:
        rebuilt.attentions = block.attentions
    if kind is not UNetMidBlockCrossAttnMotion:
        rebuilt.downsamplers = block.downsamplers
    assert isinstance(rebuilt, nn.Module)
    return rebuilt


def _motion_module(
    channels: int, motion: dict[str, Any], block: nn.Module
) -> AnimateDiffTransformer3D:
    heads = int(motion["num_attention_heads"])
    reference = next(block.parameters())
    module = AnimateDiffTransformer3D(
        num_attention_heads=heads,
        attention_head_dim=channels // heads,
        in_channels=channels,
        norm_num_groups=int(motion["norm_num_groups"]),
        positional_embeddings="sinusoidal",
        num_positional_embeddings=int(motion["max_seq_length"]),
        activation_fn="geglu",
        attention_bias=False,
        double_self_attention=True,
    )
    return module.to(device=reference.device, dtype=torch.float32)
