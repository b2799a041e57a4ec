"""Contact sheets place every image in its row and column."""

from __future__ import annotations

import numpy as np
import pytest

from media.contact_sheet import contact_sheet
from tcan_core.errors import ParameterError
from tests.media.make_media import BLUE, GREEN, RED, corners, flag


def _plain(colour: tuple[int, int, int], height: int = 64, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_are_arranged_in_rows_and_columns() -> None:
    sheet = contact_sheet([[_plain(RED), _plain(GREEN)], [_plain(BLUE)]], cell_height=64, gap=4)
    assert sheet.shape == (4 + 2 * 68, 4 + 2 * 68, 3)
    assert sheet[10, 10].tolist() == list(RED)
    assert sheet[10, 100].tolist() == list(GREEN)
    assert sheet[100, 10].tolist() == list(BLUE)
    assert sheet[100, 100].tolist() == [255, 255, 255]


def test_small_pictures_are_enlarged_without_blur() -> None:
    sheet = contact_sheet([[flag(16, 16)]], cell_height=64, gap=0)
    assert sheet.shape == (64, 64, 3)
    assert corners(sheet) == corners(flag(16, 16))
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) == 4


def test_labels_and_titles_do_not_cover_pictures() -> None:
    rows = [[_plain(RED), _plain(GREEN)], [_plain(BLUE), _plain(RED)]]
    bare = contact_sheet(rows, cell_height=64)
    sheet = contact_sheet(rows, ["source", "result"], titles=["0", "1"], cell_height=64)
    grown = (sheet.shape[0] - bare.shape[0], sheet.shape[1] - bare.shape[1])
    assert grown[0] > 8 and grown[1] > 20
    assert np.array_equal(sheet[grown[0] :, grown[1] :], bare)
    assert sheet[:, : grown[1]].min() < 100


def test_missing_pictures_and_mismatched_labels_are_rejected() -> None:
    with pytest.raises(ParameterError, match="at least one image"):
        contact_sheet([])
    with pytest.raises(ParameterError, match="1 labels for 2 rows"):
        contact_sheet([[_plain(RED)], [_plain(RED)]], ["one"])
