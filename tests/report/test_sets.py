"""The map of set sizes: colours by size, shares that add up, no data white."""

import io

import numpy as np
import pytest
from PIL import Image

from citygrain.report.figures import encode_figure, figure_set_sizes


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_shares_are_of_what_has_data():
    sizes = np.array([[1, 1, 1, 2], [0, 0, 2, 3]], np.uint8).repeat(20, 0).repeat(20, 1)
    assert words(figure_set_sizes(sizes)) == ["one class: 50.0 %", "2 classes: 33.3 %", "3 classes: 16.7 %"]


def test_many_classes_share_the_last_colour():
    found = words(figure_set_sizes(np.arange(1, 11, dtype=np.uint8).reshape(2, 5).repeat(9, 0)))
    assert found[-1] == "6 classes or more: 50.0 %"
    assert len(found) == 6


@pytest.mark.parametrize("value", [0, 1])
def test_one_value_is_drawn_too(value):
    picture = encode_figure(figure_set_sizes(np.full((30, 40), value, np.uint8)), dpi=60)
    assert Image.open(io.BytesIO(picture)).size[0] > 100
