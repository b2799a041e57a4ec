"""The attention kernel that TCAN's processors share, and cross-attention to a constant prompt.

TCAN's prompt is always empty. For inference its keys and values are projected once per layer, and
all rows attend to that one copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.errors import ConfigError

KernelName = Literal["sdpa", "xformers"]
# From queries, keys and values, (rows, heads, tokens, channels / heads) each, to the output.
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
# Sees the queries and keys of one attention, (rows, heads, tokens, channels / heads) each.
Observe = Callable[[Tensor, Tensor], None]

# Fused CUDA kernels map rows to a grid dimension of this size; temporal attention has a row for
# each pixel of each window.
# https://github.com/pytorch/pytorch/issues/142228, https://github.com/facebookresearch/xformers/issues/845
MAX_ROWS = 65_535


@dataclass
class Kernel:
    """Computes `softmax(Q K^T / sqrt(d)) V`; all processors of a model share one object.

    Attributes:
        compute: the kernel, for at most `MAX_ROWS` rows.
        observe: called before each attention with its queries and keys; None most of the time.
    """

    compute: Attend = F.scaled_dot_product_attention
    observe: Observe | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Compute attention for any number of independent rows.

        Args:
            query, key, value: (rows, heads, tokens, channels / heads) each.
        """
        if self.observe is not None:
            self.observe(query, key)
        if len(query) <= MAX_ROWS:
            return self.compute(query, key, value)
        parts = zip(*(torch.split(each, MAX_ROWS) for each in (query, key, value)), strict=True)
        return torch.cat([self.compute(*part) for part in parts])


def find_kernel(name: KernelName) -> Attend:
    """Return an attention kernel by name.

    Raises:
        ConfigError: xformers is not installed, or the name is unknown.
    """
    if name == "sdpa":
        return F.scaled_dot_product_attention
    if name != "xformers":
        raise ConfigError(f"attention is {name!r}; it must be 'sdpa' or 'xformers'")
    try:
        xformers: Any = import_module("xformers.ops")
    except ImportError as error:
        raise ConfigError(f"attention is 'xformers', which is not installed: {error}") from error

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # xformers has tokens before heads.
        by_token = (part.transpose(1, 2) for part in (query, key, value))
        attended: Tensor = xformers.memory_efficient_attention(*by_token)
        return attended.transpose(1, 2)

    return attend


def check_kernel(name: KernelName, device: str) -> None:
    """Check that a kernel can run on a device, before a model is loaded.

    Raises:
        ConfigError: the kernel needs CUDA.
    """
    if name == "xformers" and torch.device(device).type != "cuda":
        raise ConfigError(
            f"attention is 'xformers', which needs a CUDA device; the device is {device!r}; "
            "use 'sdpa'"
        )


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Return (rows, tokens, channels) as (rows, heads, tokens, channels / heads), not copied."""
    return torch.unflatten(tokens, -1, (heads, -1)).transpose(1, 2)


def merge_heads(attended: Tensor) -> Tensor:
    """Reverse `split_heads`."""
    return attended.transpose(1, 2).flatten(2)


class SelfAttention:
    """Attention processor of a plain self-attention with the shared kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def __call__(
        self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Attend over (rows, tokens, channels)."""
        query, key, value = (
            split_heads(project(hidden_states), attn.heads)
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        output: Tensor = attn.to_out[1](
            attn.to_out[0](merge_heads(self.kernel.attend(query, key, value)))
        )
        return output


@dataclass
class PromptCache:
    """A cache of the prompt's keys and values.

    Attributes:
        is_enabled: whether the cache is used; only while weights and prompt do not change.
        projected: keys and values, (1, heads, tokens, channels / heads), per cross-attention.
    """

    is_enabled: bool = False
    projected: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def enable(self) -> None:
        """Enable the cache and clear it; call again after weights or prompt have changed."""
        self.is_enabled = True
        self.projected.clear()


class PromptAttention:
    """Attention processor of the cross-attention to the prompt, the same for all rows."""

    def __init__(self, cache: PromptCache, kernel: Kernel) -> None:
        self.cache = cache
        self.kernel = kernel

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        *args: object,
        **kwargs: object,
    ) -> Tensor:
        """Attend from (rows, tokens, channels) to the prompt, (rows, prompt tokens, dim)."""
        if self.cache.is_enabled:
            # Tokens of all rows become queries of one row, so that the prompt is not copied.
            query = split_heads(attn.to_q(hidden_states).flatten(0, 1)[None], attn.heads)
            key, value = self._cached(attn, encoder_hidden_states[:1])
        else:
            query = split_heads(attn.to_q(hidden_states), attn.heads)
            key, value = _keys_and_values(attn, encoder_hidden_states)
        attended = merge_heads(self.kernel.attend(query, key, value))
        output: Tensor = attn.to_out[1](attn.to_out[0](attended.reshape(hidden_states.shape)))
        return output

    def _cached(self, attn: Attention, prompt: Tensor) -> tuple[Tensor, Tensor]:
        projected = self.cache.projected.get(id(attn))
        if projected is None:
            projected = self.cache.projected[id(attn)] = _keys_and_values(attn, prompt)
        return projected


def connect_prompt(networks: Iterable[nn.Module], kernel: Kernel) -> PromptCache:
    """Install `PromptAttention` on every cross-attention of the networks; return its cache."""
    cache = PromptCache()
    processor: Any = PromptAttention(cache, kernel)  # diffusers' type names only its own classes
    for network in networks:
        for module in network.modules():
            if isinstance(module, Attention) and module.is_cross_attention:
                module.set_processor(processor)
    return cache


def _keys_and_values(attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    return split_heads(attn.to_k(tokens), attn.heads), split_heads(attn.to_v(tokens), attn.heads)
