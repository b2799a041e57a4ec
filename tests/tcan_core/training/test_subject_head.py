"""The classifier of puppets learns its kinds, and never sees the pictures kept for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from media.image import write_png
from tcan_core.models.networks.pose_detector import Subject
from tcan_core.training.subject_head import fit
from tcan_core.training.subject_pictures import MAX_SIDE, read_pictures


def test_held_out_pictures_are_not_for_training(tmp_path: Path) -> None:
    for index in range(12):
        write_png(tmp_path / f"{index}.png", np.full((20, 30, 3), 20 * index, np.uint8))
    write_png(tmp_path / "large.png", np.zeros((300, 600, 3), np.uint8))
    write_png(tmp_path / "narrow.png", np.zeros((10, 300, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    tests, training = (dict(read_pictures([tmp_path], held_out=kind)) for kind in (True, False))
    assert not tests.keys() & training.keys()
    pictures = {path.name: picture for path, picture in (tests | training).items()}
    assert len(tests) >= 2 and len(training) >= 2 and len(pictures) == 13
    assert pictures["large.png"].shape == (128, MAX_SIDE, 3)


def test_classifier_separates_what_differs() -> None:
    torch.manual_seed(0)
    subjects = torch.arange(90) % len(Subject)
    features = torch.randn(90, 1444) + 3 * torch.randn(3, 1444)[subjects] + 50
    assert torch.equal(fit(features, subjects)(features).argmax(dim=1), subjects)


def test_classifier_continues_from_another_and_keeps_what_that_one_knew() -> None:
    torch.manual_seed(0)
    subjects, known = torch.arange(90) % len(Subject), 3 * torch.randn(3, 1444)
    first = fit(torch.randn(90, 1444) + known[subjects], subjects)
    more = torch.randn(90, 1444) + known[subjects] + torch.randn(1444)
    second = fit(more, subjects, first.state_dict())
    assert torch.equal(second(more).argmax(dim=1), subjects)
    assert torch.equal(second(torch.randn(90, 1444) + known[subjects]).argmax(dim=1), subjects)
