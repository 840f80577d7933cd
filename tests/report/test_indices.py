"""Index maps: a scale around 0 where there are both signs, and a name that is not there is named."""

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.report.figures import figure_index_maps


def test_scales_follow_the_signs(remake_scene):
    layers = remake_scene(bands=("NDVI", "NDBI", "FLAT"))
    layers.values[0] = np.linspace(-0.4, 0.8, layers[0].size, dtype=np.float32).reshape(layers[0].shape)
    layers.values[1] = -0.1 - np.abs(layers.values[0])
    layers.values[2] = np.nan
    images = [axes.images[0] for axes in figure_index_maps(layers).axes if axes.images]
    assert [image.get_cmap().name for image in images] == ["BrBG", "cividis", "cividis"]
    low, high = images[0].get_clim()
    assert low == -high
    assert high == pytest.approx(0.776, abs=0.002)
    assert max(images[1].get_clim()) < 0


def test_chosen_ones_in_their_order_with_scale_bar(remake_scene):
    figure = figure_index_maps(remake_scene(bands=("A", "B", "C", "D")), ["D", "A"])
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title("left") for axes in panels] == ["D", "A"]
    assert all("200 m" in [text.get_text() for text in axes.texts] for axes in panels)


@pytest.mark.parametrize("names", [["NDVI"], []])
def test_an_index_that_is_not_there(remake_scene, names):
    with pytest.raises(InputError, match="wanted: one or more of B02, B03"):
        figure_index_maps(remake_scene(), names)
