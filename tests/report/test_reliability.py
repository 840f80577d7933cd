"""The reliability diagram: bars are the bins, and the error is that of the bins."""

import numpy as np
import pytest

from citygrain.accuracy.reliability import reliability_bins
from citygrain.report.figures import encode_figure, figure_calibration, figure_reliability


def test_bars_are_the_bins():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.3, 1, 500)
    bins = reliability_bins(sure, rng.random(500) < sure)
    figure = figure_reliability(bins, unit="superpixel")
    above, below = figure.axes
    filled = bins.counts > 0
    assert [bar.get_height() for bar in above.patches] == pytest.approx(bins.accuracy[filled].tolist())
    assert [bar.get_height() for bar in below.patches] == bins.counts[filled].tolist()
    assert above.get_title("left") == f"Expected calibration error {100 * bins.ece:.1f} %"
    assert below.get_ylabel() == "superpixels"


def test_no_units_are_drawn_too():
    assert encode_figure(figure_reliability(reliability_bins([], [])))


def test_before_and_after_share_their_axes_and_say_their_errors():
    before, after = (
        reliability_bins([0.9] * 10, [True] * 6 + [False] * 4),
        reliability_bins([0.6] * 10, [True] * 6 + [False] * 4),
    )
    figure = figure_calibration(before, after, unit="cell")
    assert [axes.get_title("left") for axes in figure.axes[:2]] == [
        "Before: expected calibration error 30.0 %",
        "After: expected calibration error 0.0 %",
    ]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[2].get_ylabel() == "cells"
