"""Tracing of keys through converters.

A converter is run once on tags instead of weights: one-element tensors of the weights' rank that
hold the index of their key. The output shows which key became which, also through third-party
code, at no cost in time or memory. So a report can use the names of the user's file, and keys that
a converter drops are noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Tags = dict[str, Tensor]
NO_KEY = -1
# From tags by the file's keys to tags by the keys of each part of a preset.
Converter = Callable[[Tags], Mapping[str, Tags]]


@dataclass(frozen=True)
class KeyOrigin:
    """The origin of a key.

    Attributes:
        source: the file's key.
        rank: number of dimensions after conversion, which squeezes 1x1 kernels of old attentions.
    """

    source: str
    rank: int

    def take(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the weights with the network's number of dimensions."""
        value = tensors[self.source]
        kernel = value.shape[self.rank :]
        return value.reshape(value.shape[: self.rank]) if kernel.numel() == 1 else value


def trace(convert: Converter, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, KeyOrigin]]:
    """Return the origin of each converted key, by part."""
    names = list(tensors)
    tags = {
        name: torch.full((1,) * tensors[name].dim(), number, dtype=torch.int64)
        for number, name in enumerate(names)
    }
    # diffusers' converters use some biases only if the weight exists, so missing weights get a
    # placeholder tag. Requested keys that the file lacks are None in the output.

    partners = {f"{name.removesuffix('bias')}weight" for name in names if name.endswith(".bias")}
    tags |= {name: torch.tensor([NO_KEY]) for name in partners - set(names)}
    return {
        part: {
            key: KeyOrigin(names[int(tag)], tag.dim())
            for key, tag in converted.items()
            if tag is not None and int(tag) != NO_KEY
        }
        for part, converted in convert(tags).items()
    }


def source_name(key: str, origins: Mapping[str, KeyOrigin]) -> str:
    """Return the name that a missing key would have in the file, or the key itself if unknown.

    It is derived from the most similar converted key, which differs in one word, as late as
    possible; the same word is replaced in that key's name in the file.
    """
    words, best, name = key.split("."), -1, key
    for neighbour, origin in origins.items():
        others = neighbour.split(".")
        if len(others) != len(words):
            continue
        differing = [n for n, word in enumerate(words) if word != others[n]]
        word = others[differing[0]] if len(differing) == 1 else ""
        parts = origin.source.split(".")
        if differing[0] > best and word in parts and not word.isdigit():
            best, index = differing[0], len(parts) - 1 - parts[::-1].index(word)
            name = ".".join([*parts[:index], words[best], *parts[index + 1 :]])
    return name
