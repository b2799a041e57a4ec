"""Reference attention equals its naive form, which concatenates and projects everything."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from tcan_core.models.networks.reference_attention import (
    ReferenceBank,
    ReferenceReader,
    connect_reference,
)
from tcan_core.models.weights.builders import build_denoising_unet, build_reference_unet
from tcan_core.models.weights.loading import load_base_unet
from tcan_core.models.weights.presets import Preset, load_preset
from tests.tcan_core.tiny_weights import shaken

ROWS, TOKENS, CHANNELS, HEADS = 6, 5, 8, 2


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    layer = Attention(CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS)
    shaken(layer)
    return layer


def naive(attention: Attention, queries: Tensor, tokens: Tensor) -> Tensor:
    """Attend with an explicit softmax over all tokens, (rows, tokens, channels)."""
    query, key, value = (
        torch.unflatten(part, -1, (HEADS, -1)).transpose(1, 2)
        for part in (attention.to_q(queries), attention.to_k(tokens), attention.to_v(tokens))
    )
    scores = query @ key.transpose(-1, -2) / (CHANNELS // HEADS) ** 0.5
    attended = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
    output: Tensor = attention.to_out[0](attended)
    return output


@pytest.mark.parametrize("uncond_rows", [0, 2, 3])
def test_reference_rows_attend_to_own_and_reference_tokens(
    attention: Attention, uncond_rows: int
) -> None:
    sources = 1 if uncond_rows == 3 else 2
    hidden, reference = torch.randn(ROWS, TOKENS, CHANNELS), torch.randn(sources, 7, CHANNELS)
    reader = ReferenceReader(ReferenceBank({"here": reference}, uncond_rows), "here")

    result = reader(attention, hidden)

    frames = (ROWS - uncond_rows) // sources
    expected = [naive(attention, row, row) for row in hidden[:uncond_rows, None]]
    for index, row in enumerate(hidden[uncond_rows:, None]):
        own_and_reference = torch.cat([row, reference[index // frames, None]], dim=1)
        expected.append(naive(attention, row, own_and_reference))
    torch.testing.assert_close(result, torch.cat(expected), rtol=1e-5, atol=1e-6)


def test_unconditional_rows_attend_only_to_their_own_tokens(attention: Attention) -> None:
    hidden = torch.randn(ROWS, TOKENS, CHANNELS)
    results = [
        ReferenceReader(ReferenceBank({"here": torch.randn(1, 7, CHANNELS)}, 4), "here")(
            attention, hidden
        )
        for _ in range(2)
    ]

    assert torch.equal(results[0][:4], results[1][:4])
    assert not torch.isclose(results[0][4:], results[1][4:]).all()


def test_an_empty_bank_leaves_the_unet_unchanged(tiny: Preset, weights: Path) -> None:
    unet = load_base_unet(tiny, weights)
    plain = deepcopy(unet)
    connect_reference(build_reference_unet(tiny), unet)
    latents, prompt = torch.randn(2, 4, 4, 6), torch.ones(2, 1, 8)

    with torch.no_grad():
        assert torch.equal(unet(latents, 7, prompt).sample, plain(latents, 7, prompt).sample)


def test_the_bank_changes_the_prediction(tiny: Preset, weights: Path) -> None:
    unet = load_base_unet(tiny, weights)
    reference_unet = build_reference_unet(tiny)
    bank = connect_reference(reference_unet, unet)
    latents, prompt = torch.randn(2, 4, 4, 4), torch.ones(2, 1, 8)

    with torch.no_grad():
        plain = unet(latents, 7, prompt).sample
        reference_unet(torch.randn(1, 4, 4, 4), 7, prompt[:1])
        with_reference = unet(latents, 7, prompt).sample
        bank.uncond_rows = 1
        half_reference = unet(latents, 7, prompt).sample

    assert not torch.allclose(with_reference, plain)
    torch.testing.assert_close(half_reference[0], plain[0])
    torch.testing.assert_close(half_reference[1], with_reference[1])


def test_gradients_reach_the_reference_unet(tiny: Preset, weights: Path) -> None:
    unet = load_base_unet(tiny, weights)
    reference_unet = build_reference_unet(tiny)
    connect_reference(reference_unet, unet)
    prompt = torch.ones(1, 1, 8)

    reference_unet(torch.randn(1, 4, 4, 4), 7, prompt)
    unet(torch.randn(1, 4, 4, 4), 7, prompt).sample.sum().backward()

    gradient = reference_unet.conv_in.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_the_full_size_model_reads_references_in_ten_blocks() -> None:
    preset = load_preset("sd15")
    with torch.device("meta"):
        unet, reference_unet = build_denoising_unet(preset), build_reference_unet(preset)
    connect_reference(reference_unet, unet)

    readers = [
        name for name, one in unet.attn_processors.items() if isinstance(one, ReferenceReader)
    ]

    assert len(readers) == 10  # mid 1, up 3 + 3 + 3
    assert all(name.startswith(("mid_block", "up_blocks")) and "attn1" in name for name in readers)
