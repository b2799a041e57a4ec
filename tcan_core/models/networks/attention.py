"""The attention kernel that TCAN's processors share, and the cross-attention to a constant prompt.

TCAN's prompt is always empty. While weights do not change, its keys and values are projected once
per layer, and all rows attend to the one copy.
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
# Queries, keys and values, (rows, heads, tokens, channels / heads) each, to what is attended.
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


# Fused kernels of CUDA lay rows along a dimension of their grid that ends here; temporal attention
# has a row for each pixel of each window.
# https://github.com/pytorch/pytorch/issues/142228, https://github.com/facebookresearch/xformers/issues/845
MOST_ROWS = 65_535


@dataclass
class Kernel:
    """Computes `softmax(Q K^T / sqrt(d)) V`; one object serves every processor of a model.

    Attributes:
        compute: for at most `MOST_ROWS` rows.
    """

    compute: Attend = F.scaled_dot_product_attention

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from any number of rows, (rows, heads, tokens, channels / heads) each; rows know
        nothing of one another."""
        if len(query) <= MOST_ROWS:
            return self.compute(query, key, value)
        parts = zip(*(torch.split(each, MOST_ROWS) for each in (query, key, value)), strict=True)
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
    """Refuse a kernel that cannot run on a device, before a model is loaded for it.

    Raises:
        ConfigError: it runs on CUDA alone, and the device is another.
    """
    if name == "xformers" and torch.device(device).type != "cuda":
        raise ConfigError(
            f"attention is 'xformers', which runs on CUDA alone, and the device is {device!r}; "
            "use 'sdpa'"
        )


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(rows, tokens, channels) to (rows, heads, tokens, channels / heads), without a copy."""
    return torch.unflatten(tokens, -1, (heads, -1)).transpose(1, 2)


def merge_heads(attended: Tensor) -> Tensor:
    """The way back from `split_heads`."""
    return attended.transpose(1, 2).flatten(2)


class SelfAttention:
    """Attention processor of a plain self-attention, on the shared kernel."""

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
    """Keys and values of the prompt.

    Attributes:
        is_kept: whether they are projected once and kept; only while weights and prompt stay.
        projected: per cross-attention, keys and values (1, heads, tokens, channels / heads).
    """

    is_kept: bool = False
    projected: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def keep(self) -> None:
        """From here on neither weights nor prompt change; anew after they did."""
        self.is_kept = True
        self.projected.clear()


class PromptAttention:
    """Attention processor of a cross-attention to a prompt that all rows share."""

    def __init__(self, memory: PromptCache, kernel: Kernel) -> None:
        self.memory = memory
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
        if self.memory.is_kept:
            # One row of queries from all rows' tokens: the prompt is not copied for each of them.
            query = split_heads(attn.to_q(hidden_states).flatten(0, 1)[None], attn.heads)
            key, value = self._kept(attn, encoder_hidden_states[:1])
        else:
            query = split_heads(attn.to_q(hidden_states), attn.heads)
            key, value = _keys_and_values(attn, encoder_hidden_states)
        attended = merge_heads(self.kernel.attend(query, key, value))
        output: Tensor = attn.to_out[1](attn.to_out[0](attended.reshape(hidden_states.shape)))
        return output

    def _kept(self, attn: Attention, prompt: Tensor) -> tuple[Tensor, Tensor]:
        found = self.memory.projected.get(id(attn))
        if found is None:
            found = self.memory.projected[id(attn)] = _keys_and_values(attn, prompt)
        return found


def connect_prompt(networks: Iterable[nn.Module], kernel: Kernel) -> PromptCache:
    """Install `PromptAttention` on every cross-attention of the networks; return their memory."""
    memory = PromptCache()
    processor: Any = PromptAttention(memory, kernel)  # diffusers names its own kinds alone
    for network in networks:
        for module in network.modules():
            if isinstance(module, Attention) and module.is_cross_attention:
                module.set_processor(processor)
    return memory


def _keys_and_values(attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    return split_heads(attn.to_k(tokens), attn.heads), split_heads(attn.to_v(tokens), attn.heads)
