"""Two maps in one figure: each colour stands where it says, with the share that it says."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN
from citygrain.report.differences import CHANGE_COLORS
from citygrain.report.figures import encode_figure, figure_changes, figure_right_where
from citygrain.report.style import TRIO


def picture_of(figure):
    return figure.axes[0].images[0].get_array()


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def where(figure, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.asarray(picture_of(figure)) == wanted).all(-1)


def test_the_largest_change_is_the_first_colour():
    first = np.ones((20, 10), np.uint8)
    second = first.copy()
    second[:4], second[4:5], second[19] = 4, 2, 0
    figure = figure_changes(first, second, URBAN, names=("a", "b"))
    assert (where(figure, CHANGE_COLORS[0]) == (second == 4)).all()
    assert (where(figure, CHANGE_COLORS[1]) == (second == 2)).all()
    assert (where(figure, "#ffffff") == (second == 0)).all()
    said = texts_of(figure)
    assert {"Urban → Water (21.1 %)", "Urban → Crop (5.3 %)", "both agree"} <= set(said)
    assert "a → b: they differ at 26.3 % of pixels" in said


def test_more_changes_than_colours_are_counted():
    first = np.ones((17, 10), np.uint8)
    second = np.arange(1, 18, dtype=np.uint8)[:, None].repeat(10, 1)
    figure = figure_changes(first, second, LCZ)
    assert "10 other changes (58.8 %)" in texts_of(figure)
    assert encode_figure(figure, "svg") == encode_figure(figure_changes(first, second, LCZ), "svg")


def test_maps_of_one_kind_and_of_different_shapes():
    same = np.full((5, 5), 2, np.uint8)
    assert "they differ at 0.0 % of pixels" in " ".join(texts_of(figure_changes(same, same, URBAN)))
    with pytest.raises(InputError, match="one grid"):
        figure_changes(same, same[:4], URBAN)


def test_who_is_right_where():
    reference = np.full((4, 4), 1, np.uint8)
    first, second = reference.copy(), reference.copy()
    second[0], first[1], first[2], second[2], reference[3] = 2, 2, 2, 2, 0
    figure = figure_right_where(first, second, reference, names=("a", "b"))
    assert (where(figure, TRIO[0]).sum(1) == [4, 0, 0, 0]).all()
    assert (where(figure, TRIO[1]).sum(1) == [0, 4, 0, 0]).all()
    assert (where(figure, "#ffffff").sum(1) == [0, 0, 0, 4]).all()
    assert {"only a right (33.3 %)", "only b right (33.3 %)", "both wrong (33.3 %)"} <= set(texts_of(figure))
    assert np.asarray(Image.open(io.BytesIO(encode_figure(figure, dpi=60)))).std() > 3
