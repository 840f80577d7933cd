"""The sheet of small pictures: each stands where the projector looks for it, framed; no browser finds it too large."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.models.board_projector import sprite_sheet

MOST_SIDE = 4096  # pixels that graphics of any kind draw


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_each_picture_stands_in_its_place_within_its_frame(number: int, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (number, side, side, 3)).astype(np.uint8)
    colors = rng.integers(0, 256, (number, 3)).astype(np.uint8)
    sheet, step = sprite_sheet(pictures, colors)
    across = len(sheet) // step
    assert sheet.shape == (across * step, across * step, 3) and (across - 1) ** 2 < number <= across**2
    edge = (step - side) // 2
    for nth in range(number):
        row, column = divmod(nth, across)
        tile = sheet[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert np.array_equal(tile[edge:-edge, edge:-edge], pictures[nth])
        frame = np.ones((step, step), bool)
        frame[edge:-edge, edge:-edge] = False
        assert (tile[frame] == colors[nth]).all()


@pytest.mark.parametrize("side", [25, 32, 48, 64, 128])
def test_five_thousand_fit_on_a_sheet_that_browsers_draw(side: int) -> None:
    one = np.broadcast_to(np.uint8(7), (5000, side, side, 3))
    sheet, step = sprite_sheet(one, np.zeros((5000, 3), np.uint8))
    assert sheet.shape[0] <= MOST_SIDE and step >= 25
