"""Reference attention: the denoising UNet attends to features of the source image.

The reference UNet writes the input of each self-attention of its mid and up blocks, or of all
blocks, into a bank (after the layer norm). The same self-attention of the denoising UNet computes
keys and values from its own tokens and the bank's, both with its own projections, LoRA included;
queries come from its own tokens.

Source: TCAN, arXiv 2407.09012, appearance UNet (`appearance_encoder` in the official code).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from tcan_core.models.networks.attention import Kernel, merge_heads, split_heads

Blocks = Literal["mid_up", "all"]


class ReferenceReadError(Exception):
    """Ends the reference UNet's pass after the last self-attention to record. Not an error."""


@dataclass
class _Projection:
    features: Tensor
    keys: Tensor
    values: Tensor


@dataclass
class ReferenceBank:
    """The features of the source images, recorded by the reference UNet's last forward pass.

    Attributes:
        features: (sources, tokens, channels), unit variance, per self-attention.
        uncond_rows: rows at the start of the denoising UNet's batch that have no reference: the
            unconditional prediction, and dropped references in training.
        last: name of the last self-attention of the reference UNet.
    """

    features: dict[str, Tensor] = field(default_factory=dict)
    uncond_rows: int = 0
    last: str = ""
    _projected: dict[str, _Projection] = field(default_factory=dict)
    _is_reading: bool = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Context for a pass of the reference UNet, which ends after `last`; clears the bank."""
        self.clear()
        self._is_reading = True
        try:
            yield
        except ReferenceReadError:
            pass
        finally:
            self._is_reading = False

    def clear(self) -> None:
        """Clear the features and their projections."""
        self.features.clear()
        self._projected.clear()

    def record(self, name: str, hidden_states: Tensor) -> None:
        """Store the input of a self-attention, (sources, tokens, channels).

        Raises:
            ReferenceReadError: in `reading`, after the last one. Not under autograd, whose hooks
                and checkpoints need complete passes.
        """
        self.features[name] = hidden_states
        if self._is_reading and name == self.last and not torch.is_grad_enabled():
            raise ReferenceReadError

    def keys_and_values(self, name: str, attn: Attention) -> tuple[Tensor, Tensor]:
        """Return the keys and values of one self-attention's features, (sources, tokens, channels).

        They are projected once for all windows. Under autograd, where every pass needs a graph of
        its own, nothing is cached.
        """
        features = self.features[name]
        if torch.is_grad_enabled():
            return attn.to_k(features), attn.to_v(features)
        cached = self._projected.get(name)
        if cached is None or cached.features is not features:
            cached = _Projection(features, attn.to_k(features), attn.to_v(features))
            self._projected[name] = cached
        return cached.keys, cached.values


class ReferenceWriter:
    """Attention processor of the reference UNet: plain self-attention that records its input."""

    def __init__(self, bank: ReferenceBank, name: str) -> None:
        self.bank = bank
        self.name = name
        self._attend = AttnProcessor2_0()  # type: ignore[no-untyped-call]

    def __call__(
        self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Attend over (sources, tokens, channels)."""
        self.bank.record(self.name, hidden_states)
        attended: Tensor = self._attend(attn, hidden_states)
        return attended


class ReferenceReader:
    """Attention processor of the denoising UNet: self-attention over own and reference tokens."""

    def __init__(self, bank: ReferenceBank, name: str, kernel: Kernel | None = None) -> None:
        self.bank = bank
        self.name = name
        self.kernel = kernel or Kernel()

    def __call__(
        self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Attend over (rows, tokens, channels), rows being batch x frames.

        Rows after the first `uncond_rows` belong to the bank's sources in order, with the same
        number of frames for each. If the bank is empty, every row attends to its own tokens only.
        """
        own = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        uncond = self.bank.uncond_rows if self.name in self.bank.features else len(hidden_states)
        attended = []
        if uncond:
            query, key, value = (part[:uncond] for part in own)
            attended.append(self._attend(query, key, value, attn.heads))
        if uncond < len(hidden_states):
            query, key, value = (part[uncond:] for part in own)
            keys, values = self.bank.keys_and_values(self.name, attn)
            attended.append(
                self._attend(
                    query, _with_reference(key, keys), _with_reference(value, values), attn.heads
                )
            )
        output: Tensor = attn.to_out[1](attn.to_out[0](torch.cat(attended)))
        return output

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Attend with several heads; (rows, tokens, channels) each, queries with fewer tokens."""
        parts = (split_heads(part, heads) for part in (query, key, value))
        return merge_heads(self.kernel.attend(*parts))


def _with_reference(own: Tensor, reference: Tensor) -> Tensor:
    """Append each source's tokens to those of its frames, in one copy.

    Args:
        own: (sources * frames, tokens, channels).
        reference: (sources, reference tokens, channels).
    """
    by_source = torch.unflatten(own, 0, (len(reference), -1))
    shared = reference[:, None].expand(-1, by_source.shape[1], -1, -1)
    return torch.cat([by_source, shared], dim=2).flatten(0, 1)


def connect_reference(
    reference_unet: nn.Module,
    denoising_unet: nn.Module,
    kernel: Kernel | None = None,
    blocks: Blocks = "mid_up",
) -> ReferenceBank:
    """Install writers and readers on the self-attentions of these blocks; return their bank."""
    written = _self_attentions(reference_unet, blocks)
    bank = ReferenceBank(last=written[-1])
    _install(reference_unet, {name: ReferenceWriter(bank, name) for name in written})
    _install(
        denoising_unet,
        {
            name: ReferenceReader(bank, name, kernel)
            for name in _self_attentions(denoising_unet, blocks)
        },
    )
    return bank


def _self_attentions(unet: nn.Module, blocks: Blocks) -> list[str]:
    """Return the names of self-attentions, sorted: their order in a pass."""
    beginnings = ("mid_block", "up_blocks") + (("down_blocks",) if blocks == "all" else ())
    return sorted(
        name
        for name in unet.attn_processors  # type: ignore[union-attr]
        if name.startswith(beginnings) and "motion_modules" not in name and "attn1" in name
    )


def _install(unet: nn.Module, processors: dict[str, object]) -> None:
    present = dict(unet.attn_processors)  # type: ignore[arg-type]
    unet.set_attn_processor({**present, **processors})  # type: ignore[operator]
