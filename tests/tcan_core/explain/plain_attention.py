"""Attention computed plainly from the hidden states of an ordinary run, for comparison.

It knows the method (projections, reference, temperature) and nothing of the model's processors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.explain.explanation import Explanation
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings, ObserveStep
from tcan_core.pipelines.prepared_input import PreparedInput


class PlainRun:
    """The inputs of some attentions at one step of an ordinary run, for all its windows in turn.

    Attributes:
        frames: the run's frames.
        inputs: by layer, the input of each call in this step, (rows, tokens, channels).
        source_inputs: the same of the reference UNet.
        outputs: of the denoising UNet's last convolution, (rows, channels, h, w) per window.
    """

    def __init__(
        self,
        pipeline: AnimatePipeline,
        prepared: PreparedInput,
        settings: AnimateSettings,
        step: int,
        layers: list[str],
    ) -> None:
        self.inputs: dict[str, list[Tensor]] = {name: [] for name in layers}
        self.source_inputs: dict[str, list[Tensor]] = {name: [] for name in layers}
        self.outputs: list[Tensor] = []
        now = 0

        def begin_step(*_: object) -> None:
            nonlocal now
            now += 1

        observe: ObserveStep = begin_step
        with self._hooks(pipeline, lambda: now == step):
            frames = pipeline.frames(
                prepared.image, prepared.poses, prepared.source_pose, settings, observe=observe
            )
            self.frames = np.stack(list(frames))

    @contextmanager
    def _hooks(self, pipeline: AnimatePipeline, is_step: Any) -> Iterator[None]:
        handles = []
        unets = (
            (pipeline.tcan.denoising_unet, self.inputs),
            (
                pipeline.tcan.reference_unet,
                self.source_inputs,
            ),
        )
        for unet, store in unets:
            for name, module in unet.named_modules():
                if name in store:
                    handles.append(_record(module, store[name], is_step))

        def keep(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            if is_step():
                self.outputs.append(output.clone())

        handles.append(pipeline.tcan.denoising_unet.conv_out.register_forward_hook(keep))
        yield
        for handle in handles:
            handle.remove()


def _record(module: nn.Module, store: list[Tensor], is_step: Any) -> Any:
    def record(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if is_step():
            store.append(inputs[0].clone())

    return module.register_forward_pre_hook(record)


def plain_weights(
    attention: Attention, own: Tensor, others: Tensor, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Return softmax(Q K^T / (T sqrt(d))) in full and in 64 bits, the mean over heads.

    Args:
        own: (queries, channels).
        others: (keys, channels).
    """
    with torch.inference_mode():
        query, key = attention.to_q(own).double(), attention.to_k(others).double()
    by_head = []
    for q, k in zip(query.chunk(attention.heads, -1), key.chunk(attention.heads, -1), strict=True):
        scores = (q @ k.T / (temperature * q.shape[-1] ** 0.5)).numpy()
        exponentials = np.exp(scores - scores.max(-1, keepdims=True))
        by_head.append(exponentials / exponentials.sum(-1, keepdims=True))
    mean: NDArray[np.float64] = np.mean(by_head, axis=0)
    return mean


def assert_temporal_is_plain(
    pipeline: AnimatePipeline, explanation: Explanation, plain: PlainRun
) -> None:
    """Compare every layer and point with attention in full; the map is that of the window."""
    temporal, fit, window = explanation.temporal, explanation.fit, explanation.facts.window
    assert temporal is not None and explanation.temperature is not None
    for number, name in enumerate(temporal.layers):
        calls = plain.inputs[name]
        hidden = calls[len(calls) // explanation.facts.windows * window - 1]
        height, width = _size_of(len(hidden), fit.padded)
        maps = torch.from_numpy(explanation.temperature)[None, None]
        resized = torch.nn.functional.interpolate(maps, size=(height, width), mode="nearest")[0, 0]
        for index, point in enumerate(explanation.points):
            x = int(point.x * fit.scaled[1] / fit.padded[1] * width)
            y = int(point.y * fit.scaled[0] / fit.padded[0] * height)
            tokens = hidden[-height * width :][y * width + x]
            attention = pipeline.tcan.denoising_unet.get_submodule(name)
            assert isinstance(attention, Attention)
            expected = plain_weights(attention, tokens, tokens, float(resized[y, x]))
            np.testing.assert_allclose(temporal.weights[number, index], expected, atol=1e-5)


def _size_of(rows: int, picture: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of a feature map with these rows, or half of them for guidance."""
    height, width = picture
    while height * width > rows:
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def assert_reference_is_plain(
    pipeline: AnimatePipeline, explanation: Explanation, plain: PlainRun
) -> None:
    """Compare every frame with attention in full to its own cells and to those of the source."""
    reference, window = explanation.reference, explanation.facts.window
    calls = plain.inputs[reference.layer]
    hidden = calls[len(calls) // explanation.facts.windows * window - 1]
    (source,) = {id(each): each[0] for each in plain.source_inputs[reference.layer]}.values()
    attention = pipeline.tcan.denoising_unet.get_submodule(reference.layer)
    assert isinstance(attention, Attention)
    conditional = hidden[-len(explanation.window) :]
    assert reference.size[0] * reference.size[1] == len(source)
    for tokens, weights in zip(conditional, reference.weights, strict=True):
        expected = plain_weights(attention, tokens, torch.cat([tokens, source]))
        np.testing.assert_allclose(weights, expected[:, len(tokens) :], atol=1e-5)
