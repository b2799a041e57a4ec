"""Where each key of a converted file comes from, whoever converts it.

A converter is run once on tags instead of weights: tensors of one element, of the weights' rank,
that hold the number of the key they stand for. What comes out tells which key became which, also
through code that is not ours, and costs neither time nor memory. So a report can name the keys as
the user's file does, and nothing that a converter passes over goes unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Tags = dict[str, Tensor]
NOBODY = -1
# Tags by the file's keys, to tags by the keys of each part of a preset.
Converter = Callable[[Tags], Mapping[str, Tags]]


@dataclass(frozen=True)
class Traced:
    """A key's origin.

    Attributes:
        source: the file's key.
        rank: dimensions that the converter left of it; it squeezes 1x1 kernels of old attentions.
    """

    source: str
    rank: int

    def take(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the weights, in the rank that the network has."""
        value = tensors[self.source]
        kernel = value.shape[self.rank :]
        return value.reshape(value.shape[: self.rank]) if kernel.numel() == 1 else value


def trace(convert: Converter, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Traced]]:
    """Return the origin of each key by part, as the converter has it."""
    names = list(tensors)
    tags = {
        name: torch.full((1,) * tensors[name].dim(), number, dtype=torch.int64)
        for number, name in enumerate(names)
    }
    # diffusers' converters take some biases only where the weight is, and ask for keys that a file
    # may lack: the former get a stand-in beside them, the latter come as None.
    partners = {f"{name.removesuffix('bias')}weight" for name in names if name.endswith(".bias")}
    tags |= {name: torch.tensor([NOBODY]) for name in partners - set(names)}
    return {
        part: {
            key: Traced(names[int(tag)], tag.dim())
            for key, tag in converted.items()
            if tag is not None and int(tag) != NOBODY
        }
        for part, converted in convert(tags).items()
    }


def source_name(key: str, origins: Mapping[str, Traced]) -> str:
    """Return what a key that is missing would be called in the file, or the key where unknown.

    A converted neighbour tells: of those whose names differ in one word, the one that differs last.
    The same word is then exchanged in the file's name.
    """
    words, best, name = key.split("."), -1, key
    for neighbour, origin in origins.items():
        others = neighbour.split(".")
        if len(others) != len(words):
            continue
        differing = [n for n, word in enumerate(words) if word != others[n]]
        word = others[differing[0]] if len(differing) == 1 else ""
        found = origin.source.split(".")
        if differing[0] > best and word in found and not word.isdigit():
            best, place = differing[0], len(found) - 1 - found[::-1].index(word)
            name = ".".join([*found[:place], words[best], *found[place + 1 :]])
    return name
