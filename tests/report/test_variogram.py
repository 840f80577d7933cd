import numpy as np
import pytest

from citygrain.report.style import encode_figure
from citygrain.report.variogram import figure_variogram
from citygrain.samples.variogram import Variogram, VariogramModel


def found(**changes):
    truth, distance = VariogramModel("spherical", 0.2, 0.8, 900.0, 0.1), np.linspace(50, 3000, 20)
    seen = Variogram(distance, truth(distance), np.arange(100, 2100, 100), 3000.0)
    part = {"variogram": seen.to_dict(), "model": truth.to_dict(), "range_m": 900.0, "levels_off": True}
    return {"features": part, "labels": part | {"levels_off": False}, "block": {"size": 800.0}} | changes


def words(figure) -> list[str]:
    keys = [axes.get_legend().get_texts() if axes.get_legend() else [] for axes in figure.axes]
    return [text.get_text() for axes, key in zip(figure.axes, keys, strict=True) for text in (*axes.texts, *key)]


def test_range_and_block_are_marked_and_a_curve_without_end_is_said() -> None:
    said = words(figure_variogram(found()))
    assert said == ["range 900 m", "block 800 m", "does not level off", "block 800 m"]
    assert words(figure_variogram(found(block=None))) == ["range 900 m", "does not level off"]


def test_kilometres_are_on_the_axis() -> None:
    figure = figure_variogram(found())
    assert figure.axes[0].get_xlim()[1] == pytest.approx(3.06)
    assert len(encode_figure(figure)) > 5_000


@pytest.mark.parametrize("size", [200.0, 800.0, 890.0, 1000.0, 2900.0])
def test_no_line_strikes_a_word_through(size: float) -> None:
    """The key of the lines has a ground of its own, above the lines, and no other word lies in it."""
    figure = figure_variogram(found(block={"size": size}))
    figure.canvas.draw()
    for axes in figure.axes:
        key = axes.get_legend()
        assert key.get_frame().get_alpha() == 1 and key.get_zorder() > max(line.get_zorder() for line in axes.lines)
        box = key.get_window_extent()
        assert not any(box.overlaps(text.get_window_extent()) for text in axes.texts)
