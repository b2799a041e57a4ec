"""Reference attention: the denoising UNet sees the source picture through its self-attention.

The reference UNet writes what enters each self-attention of its mid and up blocks (after the layer
norm) into a bank. The same self-attention of the denoising UNet then takes keys and values from its
own tokens and the bank's, both through its own projections, LoRA included; queries are its own
tokens.

Source: TCAN, arXiv 2407.09012, appearance UNet (`appearance_encoder` in the official code).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from tcan_core.models.networks.attention import Kernel, merge_heads, split_heads


class ReferenceReadError(Exception):
    """Ends the reference UNet's pass where nothing behind is read any more. No error."""


@dataclass
class _Projected:
    features: Tensor
    keys: Tensor
    values: Tensor


@dataclass
class ReferenceBank:
    """What the reference UNet wrote in its last forward pass.

    Attributes:
        features: per self-attention, (sources, tokens, channels), unit variance.
        uncond_rows: how many rows at the front of the denoising UNet's batch see their own tokens
            alone: the unconditional half of guidance, and dropped references in training.
        last: the self-attention that the reference UNet comes to last.
    """

    features: dict[str, Tensor] = field(default_factory=dict)
    uncond_rows: int = 0
    last: str = ""
    _projected: dict[str, _Projected] = field(default_factory=dict)
    _is_reading: bool = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Forget what was read; the reference UNet's pass in this block ends behind `last`."""
        self.clear()
        self._is_reading = True
        try:
            yield
        except ReferenceReadError:
            pass
        finally:
            self._is_reading = False

    def clear(self) -> None:
        """Forget what was read, and what was made of it."""
        self.features.clear()
        self._projected.clear()

    def note(self, name: str, hidden_states: Tensor) -> None:
        """Keep what enters a self-attention.

        Raises:
            ReferenceReadError: while `reading`, it was the last. Not under autograd, whose hooks
                and checkpoints want whole passes.
        """
        self.features[name] = hidden_states
        if self._is_reading and name == self.last and not torch.is_grad_enabled():
            raise ReferenceReadError

    def keys_and_values(self, name: str, attn: Attention) -> tuple[Tensor, Tensor]:
        """Return one self-attention's features as its keys and values, (sources, tokens, channels).

        They are projected once for all windows that follow a reading. Under autograd, where every
        pass needs a graph of its own, nothing is kept.
        """
        features = self.features[name]
        if torch.is_grad_enabled():
            return attn.to_k(features), attn.to_v(features)
        found = self._projected.get(name)
        if found is None or found.features is not features:
            found = _Projected(features, attn.to_k(features), attn.to_v(features))
            self._projected[name] = found
        return found.keys, found.values


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
        self.bank.note(self.name, hidden_states)
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

        Rows after the first `uncond_rows` belong to the bank's sources in order, the same number of
        frames for each. Without a bank every row sees its own tokens alone.
        """
        own = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        plain = self.bank.uncond_rows if self.name in self.bank.features else len(hidden_states)
        attended = []
        if plain:
            query, key, value = (part[:plain] for part in own)
            attended.append(self._attend(query, key, value, attn.heads))
        if plain < len(hidden_states):
            query, key, value = (part[plain:] for part in own)
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
    """Put each source's tokens behind those of its frames, without copies in between.

    Args:
        own: (sources * frames, tokens, channels).
        reference: (sources, reference tokens, channels).
    """
    by_source = torch.unflatten(own, 0, (len(reference), -1))
    shared = reference[:, None].expand(-1, by_source.shape[1], -1, -1)
    return torch.cat([by_source, shared], dim=2).flatten(0, 1)


def connect_reference(
    reference_unet: nn.Module, denoising_unet: nn.Module, kernel: Kernel | None = None
) -> ReferenceBank:
    """Install writers and readers on self-attentions of mid and up blocks; return their bank."""
    written = _self_attentions(reference_unet)
    bank = ReferenceBank(last=written[-1])
    _install(reference_unet, {name: ReferenceWriter(bank, name) for name in written})
    _install(
        denoising_unet,
        {name: ReferenceReader(bank, name, kernel) for name in _self_attentions(denoising_unet)},
    )
    return bank


def _self_attentions(unet: nn.Module) -> list[str]:
    """Names of the self-attentions of mid and up blocks, in the order of a pass: the alphabet's."""
    return sorted(
        name
        for name in unet.attn_processors  # type: ignore[union-attr]
        if name.startswith(("mid_block", "up_blocks"))
        and "motion_modules" not in name
        and "attn1" in name
    )


def _install(unet: nn.Module, processors: dict[str, object]) -> None:
    kept = dict(unet.attn_processors)  # type: ignore[arg-type]
    unet.set_attn_processor({**kept, **processors})  # type: ignore[operator]
