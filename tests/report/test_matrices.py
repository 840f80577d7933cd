"""Confusion matrices side by side: which side is which, whose numbers stand where, and under which colours."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from citygrain.accuracy.assess import Assessment, assess
from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN
from citygrain.report.figures import figure_matrices


def cells(axes: Axes) -> dict[tuple[int, int], int]:
    """Numbers of a panel by (row, column)."""
    found = [(text.get_position(), text.get_text()) for text in axes.texts]
    return {(int(y), int(x)): int(said) for (x, y), said in found if said.isdigit()}


def test_the_published_matrix(data: Path) -> None:
    answers = scipy.io.loadmat(data / "so2sat/published/Acc_32_sen2lcz_qiu2020.mat")
    result = assess(answers["y_testV"].ravel(), answers["y_pre"].ravel(), LCZ)
    figure = figure_matrices({"sen2lcz": result, "again": result}, intervals={"sen2lcz": (0.688, 0.7)})
    first = figure.axes[0]
    numbers = cells(first)
    published = answers["confusion_matrix"]  # its rows are the truth
    assert len(numbers) == np.count_nonzero(published)
    assert all(published[column, row] == number for (row, column), number in numbers.items())
    assert figure.get_supylabel() == "Map" and figure.get_supxlabel() == "Reference"
    assert [label.get_text() for label in first.get_xticklabels()] == [*map(str, range(1, 11)), *"ABCDEFG"]
    assert first.get_title() == "" and first.get_title(loc="left") == "sen2lcz"
    assert any(text.get_text() == "OA 69.4 % (68.8 to 70.0), 24,188 rows" for text in first.texts)
    assert any(text.get_text() == "OA 69.4 %, 24,188 rows" for text in figure.axes[1].texts)


def test_the_colour_is_the_share_of_the_reference_class() -> None:
    matrix = np.array([[30, 0, 1, 0], [10, 0, 0, 0], [0, 5, 9, 0], [0, 0, 0, 0]])
    panels = figure_matrices({"a": Assessment(matrix, URBAN), "b": Assessment(2 * matrix, URBAN)}).axes[:2]
    shown = [np.ma.filled(axes.images[0].get_array().astype(float), np.nan) for axes in panels]
    np.testing.assert_allclose(shown[0], [[75, 0, 10], [25, 0, 0], [0, 100, 90]])  # the fourth class is nowhere
    np.testing.assert_array_equal(shown[0], shown[1])
    assert panels[0].images[0].get_clim() == panels[1].images[0].get_clim() == (0, 100)
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(URBAN.names[:3])
    colors = [to_hex(color) for color in panels[0].collections[0].get_facecolor()]
    assert colors == [URBAN.color_of(code) for code in (1, 2, 3)]


def test_a_class_without_reference_is_grey() -> None:
    matrix = np.array([[5, 0, 0, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    matrix[1, 0] = 1  # mapped, and never referenced
    (axes, _) = figure_matrices({"a": Assessment(matrix, URBAN)}).axes
    shown = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    assert np.isnan(shown[:, 1]).all() and np.isfinite(shown[:, [0, 2]]).all()


def test_the_share_of_the_map_class_in_words_and_colour() -> None:
    matrix = np.array([[30, 10, 0, 0], [0, 0, 0, 0], [1, 0, 3, 0], [0, 0, 0, 5]])
    figure = figure_matrices({"a": Assessment(matrix, URBAN)}, per="map", counts=False, unit="pixel")
    axes, bar = figure.axes
    assert cells(axes) == {(0, 0): 75, (0, 1): 25, (2, 0): 25, (2, 2): 75, (3, 3): 100}
    shown = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(shown[0], [75, 25, 0, 0])
    assert np.isnan(shown[1]).all()  # never mapped
    assert bar.get_ylabel() == "per cent of the map class"
    assert any("49 pixels" in text.get_text() for text in axes.texts)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_panels_and_one_colour_bar(count: int) -> None:
    result = Assessment(np.eye(4, dtype=np.int64), URBAN)
    figure = figure_matrices({f"model {number}": result for number in range(count)})
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == count + 1
    assert drawn[-1].get_ylabel() == "per cent of the reference class"


def test_what_does_not_fit_one_figure_is_refused() -> None:
    result = Assessment(np.eye(4, dtype=np.int64), URBAN)
    with pytest.raises(InputError, match="7 confusion matrices"):
        figure_matrices({str(number): result for number in range(7)})
    with pytest.raises(InputError, match="2 legends"):
        figure_matrices({"a": result, "b": Assessment(np.eye(17, dtype=np.int64), LCZ)})
    with pytest.raises(InputError, match="0 confusion"):
        figure_matrices({})
