"""The map of training areas: every area where it lies, in its colour, the doubtful ones ringed and numbered."""

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from odc.geo.geobox import GeoBox
from shapely.geometry import Polygon, box

from citygrain.legend import LCZ
from citygrain.report.areas import figure_areas
from citygrain.report.figures import encode_figure
from citygrain.samples.area_checks import check_areas
from citygrain.samples.training_areas import TrainingAreas
from citygrain.tessellation import raster_like

AFFINE = Affine(10, 0, 500_000, 0, -10, 5_800_000)
GRID = GeoBox((200, 300), AFFINE, "EPSG:32633")


def cells(left: float, top: float, right: float, bottom: float) -> Polygon:
    return box(*(AFFINE * (left, bottom)), *(AFFINE * (right, top)))


@pytest.fixture
def areas() -> TrainingAreas:
    outside = cells(1000, 1000, 1040, 1040)
    hollow = cells(10, 10, 60, 60).difference(cells(30, 30, 40, 40))
    shapes = [hollow, cells(100, 20, 105, 25), cells(103, 20, 108, 25), outside]
    columns = {"polygon": [2, 3, 4, 5], "code": [2, 5, 17, 15], "name": "", "folder": ""}
    return TrainingAreas(gpd.GeoDataFrame(columns, geometry=shapes, crs=32633).to_crs(4326), "my$areas.kml")


@pytest.fixture
def scene() -> xr.DataArray:
    values = np.random.default_rng(0).random((3, 200, 300), np.float32)
    layers = xr.concat([raster_like(layer, GRID) for layer in values], "band")
    return layers.assign_coords(band=["B02", "B03", "B04"])


def test_areas_lie_where_they_are(areas: TrainingAreas, scene: xr.DataArray) -> None:
    (axes,) = figure_areas(check_areas(areas), scene).axes
    drawn, white, rings = (c for c in axes.collections if isinstance(c, PathCollection))
    spans = {tuple(np.round(path.get_extents().extents, 1)) for path in drawn.get_paths()}
    # Pixel centres are whole numbers in the picture, so an edge of pixel n lies at n - 0.5.
    assert spans == {(9.5, 9.5, 59.5, 59.5), (99.5, 19.5, 104.5, 24.5), (102.5, 19.5, 107.5, 24.5)}
    colors = {tuple(np.round(color[:3], 6)) for color in drawn.get_facecolor()}
    assert colors == {tuple(np.round(to_rgba(LCZ.color_of(code))[:3], 6)) for code in (2, 5, 17)}
    assert len(rings.get_paths()) == len(white.get_paths()) == 2
    numbers = {text.get_text() for text in axes.texts} & set("2345")
    assert numbers == {"3", "4"}
    assert axes.get_title(loc="left") == "my$areas.kml: 4 training areas of 4 classes, 1 outside the scene"


def test_the_legend_counts_what_is_shown(areas: TrainingAreas, scene: xr.DataArray) -> None:
    figure = figure_areas(check_areas(areas), scene)
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said == [
        "2  Compact midrise (1)",
        "5  Open midrise (1)",
        "G  Water (1)",
        "to be looked at (2), numbered as in the file",
    ]


def test_without_a_scene_all_are_shown(areas: TrainingAreas) -> None:
    (axes,) = figure_areas(check_areas(areas)).axes
    (drawn, *_) = (c for c in axes.collections if isinstance(c, PathCollection))
    left, right = sorted(axes.get_xlim())
    top, bottom = sorted(axes.get_ylim())
    assert len(drawn.get_paths()) == 4
    for path in drawn.get_paths():
        x0, y0, x1, y1 = path.get_extents().extents
        assert left < x0 < x1 < right and top < y0 < y1 < bottom
    assert "outside" not in axes.get_title(loc="left")


def test_many_doubtful_ones_are_not_numbered(areas: TrainingAreas) -> None:
    shapes = [cells(10 * i, 0, 10 * i + 5, 5) for i in range(50)]
    columns = {"polygon": range(1, 51), "code": 5, "name": "", "folder": ""}
    many = TrainingAreas(gpd.GeoDataFrame(columns, geometry=shapes, crs=32633).to_crs(4326), "a.kml")
    figure = figure_areas(check_areas(many))
    assert {text.get_text() for text in figure.axes[0].texts} == {"N", "1 km"}
    assert figure.legends[0].get_texts()[-1].get_text() == "to be looked at (50)"


def test_the_same_areas_give_the_same_picture(areas: TrainingAreas, scene: xr.DataArray) -> None:
    one, other = (encode_figure(figure_areas(check_areas(areas), scene), dpi=40) for _ in range(2))
    assert one == other
