"""Figures about labels: what is drawn is what was given."""

import numpy as np
import pytest

from citygrain.accuracy.purity import account_for_pixels
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.report.figures import encode_figure
from citygrain.report.labels import (
    figure_learning,
    figure_next_samples,
    figure_pixel_account,
    figure_suspect_map,
    figure_suspects,
)
from report.conftest import make_scene

LEGEND = Legend.from_names({1: "Urban", 2: "Crop $x$"})
SUSPECTS = [
    {"rank": n + 1, "number": n + 1, "row": 5 + 10 * n, "column": 119 - n, "label": "Urban", "suggested": "Crop $x$",
     "score": -0.9}
    for n in range(8)
]  # fmt: skip


def test_the_bar_is_all_pixels():
    account = account_for_pixels(np.array([[8, 2], [0, 5], [4, 1]]), np.array([1, 2, 2], np.uint8), LEGEND).to_dict()
    figure = figure_pixel_account(account)
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == pytest.approx([70, 15, 15])
    assert "best with these superpixels: 85.0 %" in figure.axes[0].texts[0].get_text()


def test_each_suspect_has_its_window_with_both_classes_in_words():
    scene = make_scene()
    rows, columns = np.indices(scene.shape[1:]) // 10
    figure = figure_suspects(scene, rows * 12 + columns + 1, SUSPECTS, side=30)
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_title("left")]
    assert titles[0] == "1  -0.90\nUrban\n→ Crop $x$" and len(titles) == 8
    assert encode_figure(figure)[:4] == b"\x89PNG"


def test_no_suspects_are_no_sheet_but_an_empty_map():
    with pytest.raises(InputError):
        figure_suspects(make_scene(), np.ones((90, 120), int), [])
    assert "0 doubted labels" in figure_suspect_map(make_scene(), [], LEGEND).axes[0].get_title("left")


def test_marks_lie_where_the_units_are():
    figure = figure_suspect_map(make_scene(), SUSPECTS, LEGEND)
    places = figure.axes[0].collections[0].get_offsets()
    assert places.tolist() == [[one["column"], one["row"]] for one in SUSPECTS]
    chosen = figure_next_samples(make_scene(), SUSPECTS)
    assert [text.get_text() for text in chosen.axes[0].texts if text.get_text().isdigit()] == list("12345678")


def test_learning_curves_show_their_span():
    curve = {"labels": [10, 20, 40], "mean": [0.5, 0.7, 0.8], "low": [0.4, 0.6, 0.7], "high": [0.6, 0.8, 0.9]}
    figure = figure_learning({"suggested": curve, "random": curve}, full=0.95)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["suggested", "random"]
    assert len(figure.axes[0].collections) == 2
