"""Bars by class: as long as their numbers, in the classes' colours, with every number in words."""

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.report.figures import figure_area_bars, figure_balance, figure_sample_counts


def widths(figure):
    return [round(patch.get_width(), 6) for patch in figure.axes[0].patches]


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def test_roles_are_stacked_to_the_number_of_samples():
    counts = {"training": {"Urban": 30, "Water": 5}, "test": {"Urban": 10, "Crop": 2000}}
    figure = figure_sample_counts(counts, URBAN)
    assert widths(figure) == [30, 0, 0, 5, 10, 2000, 0, 0]
    assert figure.axes[0].patches[4].get_x() == 30
    assert {"40", "2,000", "0", "5", "training", "test", *URBAN.names} <= set(texts_of(figure))


def test_roles_are_one_to_four():
    for counts in ({}, {str(i): {} for i in range(5)}):
        with pytest.raises(InputError, match="roles"):
            figure_sample_counts(counts, URBAN)


def test_balance_has_both_numbers_in_the_colour_of_the_class():
    figure = figure_balance({"Urban": 500, "Water": 20}, {"Urban": 100, "Water": 100}, URBAN)
    assert widths(figure)[:2] == [500, 100]
    assert widths(figure)[-2:] == [20, 100]
    before, after = figure.axes[0].patches[:2]
    assert to_hex(before.get_edgecolor()) == to_hex(after.get_facecolor()) == URBAN.color_of(1)
    assert {"500", "100", "as drawn", "balanced"} <= set(texts_of(figure))


def test_areas_have_their_intervals():
    rows = [
        {"name": "Urban", "area": 1900.0, "low": 1800.0, "high": 2100.0, "mapped": 1950.0},
        {"name": "Water", "area": 800.0, "low": None, "high": None},
    ]
    figure = figure_area_bars(rows, URBAN)
    assert widths(figure) == [1900, 800]
    assert "1,900  (1,800 to 2,100)" in texts_of(figure)
    assert "800" in texts_of(figure)
    segments = [line.get_segments()[0][:, 0].tolist() for line in figure.axes[0].collections]
    assert segments == [[1800, 2100], [1800, 2100]]  # a white rim and the line itself
    assert figure.axes[0].get_xlabel() == "area, ha; with 95 % interval; diamond: counted on the map"
    assert figure_area_bars(rows[1:], URBAN, unit="km²").axes[0].get_xlabel() == "area, km²"


def test_an_area_lies_in_its_interval():
    with pytest.raises(InputError, match="outside its interval"):
        figure_area_bars([{"name": "Urban", "area": 5.0, "low": 6.0, "high": 7.0}], URBAN)
