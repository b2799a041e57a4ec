"""Reference attention: the denoising UNet sees the source picture through its self-attention.

The reference UNet writes what enters each self-attention of its mid and up blocks (after the layer
norm) into a bank. The same self-attention of the denoising UNet then takes keys and values from its
own tokens and the bank's, both through its own projections, LoRA included; queries are its own
tokens.

Source: TCAN, arXiv 2407.09012, appearance UNet (`appearance_encoder` in the official code).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class ReferenceBank:
    """What the reference UNet wrote in its last forward pass.

    Attributes:
        features: per self-attention, (sources, tokens, channels), unit variance.
        plain_rows: how many rows at the front of the denoising UNet's batch see their own tokens
            alone: the unconditional half of guidance, and dropped references in training.
    """

    features: dict[str, Tensor] = field(default_factory=dict)
    plain_rows: int = 0


class ReferenceWriter:
    """Attention processor of the reference UNet: plain self-attention that notes its input."""

    def __init__(self, bank: ReferenceBank, name: str) -> None:
        self.bank = bank
        self.name = name
        self._attend = AttnProcessor2_0()  # type: ignore[no-untyped-call]

    def __call__(
        self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Attend as usual over (sources, tokens, channels)."""
        self.bank.features[self.name] = hidden_states
        attended: Tensor = self._attend(attn, hidden_states)
        return attended


class ReferenceReader:
    """Attention processor of the denoising UNet: self-attention over own and reference tokens."""

    def __init__(self, bank: ReferenceBank, name: str) -> None:
        self.bank = bank
        self.name = name

    def __call__(
        self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Attend over (rows, tokens, channels), rows being batch x frames.

        Rows after the first `plain_rows` belong to the bank's sources in order, the same number of
        frames for each. Without a bank every row sees its own tokens alone.
        """
        query, key, value = (
            attn.to_q(hidden_states),
            attn.to_k(hidden_states),
            attn.to_v(hidden_states),
        )
        reference = self.bank.features.get(self.name)
        plain = len(query) if reference is None else self.bank.plain_rows
        attended = []
        if plain:
            attended.append(_attention(query[:plain], key[:plain], value[:plain], attn.heads))
        if plain < len(query) and reference is not None:
            # The bank is projected once per source, then shared by all frames of that source.
            frames = (len(query) - plain) // len(reference)
            keys = torch.cat(
                [key[plain:], attn.to_k(reference).repeat_interleave(frames, dim=0)], dim=1
            )
            values = torch.cat(
                [value[plain:], attn.to_v(reference).repeat_interleave(frames, dim=0)], dim=1
            )
            attended.append(_attention(query[plain:], keys, values, attn.heads))
        output: Tensor = attn.to_out[1](attn.to_out[0](torch.cat(attended)))
        return output


def connect_reference(reference_unet: nn.Module, denoising_unet: nn.Module) -> ReferenceBank:
    """Install writers and readers on self-attentions of mid and up blocks; return their bank."""
    bank = ReferenceBank()
    _install(
        reference_unet,
        {name: ReferenceWriter(bank, name) for name in _self_attentions(reference_unet)},
    )
    _install(
        denoising_unet,
        {name: ReferenceReader(bank, name) for name in _self_attentions(denoising_unet)},
    )
    return bank


def _self_attentions(unet: nn.Module) -> list[str]:
    return [
        name
        for name in unet.attn_processors  # type: ignore[union-attr]
        if name.startswith(("mid_block", "up_blocks"))
        and "motion_modules" not in name
        and "attn1" in name
    ]


def _install(unet: nn.Module, processors: dict[str, object]) -> None:
    kept = dict(unet.attn_processors)  # type: ignore[arg-type]
    unet.set_attn_processor({**kept, **processors})  # type: ignore[operator]


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attend with several heads; (rows, tokens, channels) each, queries maybe with fewer tokens."""
    query, key, value = (
        torch.unflatten(part, -1, (heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
