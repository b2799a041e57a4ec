"""Samples: drawn by seed, step and place, however a batch is cut."""

from __future__ import annotations

import numpy as np
import torch

from tcan_core.training.samples import (
    draw_samples,
    integers,
    move_dropped_to_front,
    normal,
    numpy_generators,
    uniform,
)


def test_samples_do_not_depend_on_the_split_into_micro_batches() -> None:
    def drawn(places: range) -> torch.Tensor:
        samples = draw_samples(7, 3, places)
        numbers = torch.from_numpy(integers(samples, 1000)).float()[:, None]
        floats = [torch.tensor([one.uniform()]) for one in numpy_generators(samples)]
        noise = normal(samples, (2, 3)).flatten(1)
        return torch.cat([numbers, uniform(samples)[:, None], torch.stack(floats), noise], dim=1)

    whole = drawn(range(6))

    assert torch.equal(torch.cat([drawn(range(2)), drawn(range(2, 6))]), whole)
    assert len({tuple(row.tolist()) for row in whole}) == 6


def test_samples_differ_by_seed_step_and_index() -> None:
    drawn = {
        float(uniform(draw_samples(seed, step, range(place, place + 1))))
        for seed in (0, 1)
        for step in (0, 1)
        for place in (0, 1)
    }
    assert len(drawn) == 8


def test_integer_draws_are_uniform() -> None:
    samples = draw_samples(0, 0, range(4000))

    assert abs(float(uniform(samples).mean()) - 0.5) < 0.02
    assert np.bincount(integers(samples, 4)).min() > 900
    noise = normal(samples, (4,))
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02


def test_dropped_samples_move_to_the_front_unchanged() -> None:
    for share in (0.0, 0.5, 1.0):
        places = range(20)
        samples, dropped = move_dropped_to_front(draw_samples(0, 5, places), share)
        expected = draw_samples(0, 5, places)
        chosen = uniform(expected) < share
        assert dropped == int(chosen.sum())
        order = [*np.flatnonzero(chosen), *np.flatnonzero(~chosen)]
        assert torch.equal(uniform(samples), uniform([expected[index] for index in order]))
