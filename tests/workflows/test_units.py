"""Superpixels, cells and pixels as the units of a run; several dates; polygons that split."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from citygrain.errors import ConfigError, InputError
from citygrain.grid_patches import GridPatches
from citygrain.pixel_context import PixelContext
from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config_file import parse_config
from citygrain.workflows.dates import join_dates
from citygrain.workflows.parts import most_common
from citygrain.workflows.units import choose_units, number_units, on_scene, unit_values

Quilt = tuple[xr.DataArray, xr.DataArray]


def _config(kind: str, **sections: dict[str, Any]) -> Any:
    content = {"scene": {"path": "s.tif"}, "reference": {"path": "r.tif", "legend": "urban"}, "units": {"kind": kind}}
    return parse_config(content | {"samples": {"window": 9}} | sections)


@pytest.mark.parametrize(
    ("kind", "model", "expected"),
    [
        ("superpixels", "cnn", SegmentPatches),
        ("superpixels", "forest", SegmentStatistics),
        ("cells", "forest", GridPatches),
        ("cells", "patchnet", GridPatches),
        ("pixels", "forest", PixelContext),
    ],
)
def test_units_are_what_was_asked_for(quilt: Quilt, kind: str, model: str, expected: type) -> None:
    features, labels = quilt
    units = choose_units(features, labels if kind == "superpixels" else None, _config(kind, model={"name": model}))
    assert isinstance(units, expected)
    values = np.arange(1, len(units) + 1)
    raster = units.scatter(values).values
    seen = np.isin(values - 1, number_units(units))  # a pixel without data is a unit, but nowhere on the map
    np.testing.assert_array_equal(unit_values(raster, number_units(units), len(units)), np.where(seen, values, 0))
    assert seen.all() == (kind != "pixels")
    assert on_scene(raster, units, features.shape[1:]).shape == features.shape[1:]


def test_cells_are_drawn_where_they_lie(quilt: Quilt) -> None:
    features, _ = quilt
    units = choose_units(features, None, _config("cells", units={"kind": "cells", "cell": 70.0}))
    drawn = on_scene(units.scatter(np.arange(1, len(units) + 1)).values, units, (40, 60))
    number = number_units(units)
    assert drawn[0, 0] == number[0, 0] + 1
    assert drawn[20, 34] == number[20 // 7, 34 // 7] + 1


def test_impossible_units_are_refused(quilt: Quilt) -> None:
    features, _ = quilt
    with pytest.raises(ConfigError, match=r"cell = 95 .* pixels of 10; .*multiple of 10; set cell = 100"):
        choose_units(features, None, _config("cells", units={"kind": "cells", "cell": 95}))
    with pytest.raises(ConfigError, match="which sees patches"):
        choose_units(features, None, _config("pixels", model={"name": "patchnet"}))


def test_a_scene_is_one_image_or_several_dates() -> None:
    for scene in ({}, {"path": "a.tif", "dates": ["b.tif"]}):
        with pytest.raises(ConfigError, match="either path"):
            parse_config({"scene": scene, "reference": {"path": "r.tif", "legend": "urban"}})


@given(st.data())
def test_the_most_common_number_of_a_unit(data: st.DataObject) -> None:
    pixels = data.draw(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4)), min_size=1, max_size=40))
    units, numbers = np.array(pixels).T
    found = most_common([(units[None], numbers[None].astype(np.int32))], 4)
    for unit in range(4):
        mine = [n for u, n in pixels if u == unit and n > 0]
        assert found[unit] == -1 if not mine else mine.count(found[unit]) == max(map(mine.count, mine))


def test_a_date_without_a_value_takes_the_mean_of_the_others(quilt: Quilt) -> None:
    features, _ = quilt
    gap = features.copy()
    gap[:, :5] = np.nan
    joined = join_dates([features, gap, features + 1])
    assert joined.shape == (6, 40, 60)
    np.testing.assert_allclose(joined.sel(band="B04 @2").values[:5], features.values[0, :5] + 0.5, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(joined.values[0]), np.isnan(features.values[0]))


@pytest.fixture(scope="module")
def world(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene, and training polygons of the true classes: squares of 120 m."""
    folder = tmp_path_factory.mktemp("world")
    scene = city.scene
    write_cog(
        folder / "scene.tif", scene.values, scene.odc.geobox, nodata=float("nan"), band_names=list(scene.band.values)
    )
    geobox = scene.odc.geobox
    squares, names = [], []
    for row in range(4, 240, 20):
        for column in range(4, 240, 20):
            codes = city.truth.values[row : row + 12, column : column + 12]
            code = np.bincount(codes.ravel()).argmax()
            if (codes == code).mean() > 0.8:
                left, top = geobox.affine * (column, row)
                squares.append(box(left, top - 120, left + 120, top))
                names.append(city.legend.name_of(int(code)))
    frame = gpd.GeoDataFrame({"class": names}, geometry=squares, crs=str(geobox.crs))
    frame.to_file(folder / "areas.gpkg")
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", ["cells", "pixels", "superpixels"])
def test_a_run_on_polygons_tests_whole_polygons(world: Path, city: SyntheticCity, kind: str, tmp_path: Path) -> None:
    names = {name: name for name in city.legend.names}
    config = parse_config(
        {
            "scene": {"path": str(world / "scene.tif"), "scale": 1},
            "reference": {"path": str(world / "areas.gpkg"), "field": "class", "classes": names},
            "units": {"kind": kind, "cell": 40},
            "segments": {"n_segments": 900},
            "samples": {"window": 9, "split": "polygons"},
            "model": {"name": "forest", "options": {"trees": 40}},
        }
    )
    run_city_map(config, tmp_path)
    figures = json.loads((tmp_path / "assessment.json").read_text())
    unit = {"cells": "cell", "pixels": "pixel", "superpixels": "superpixel"}[kind]
    assert figures["unit"] == unit
    assert figures["split_detail"]["by"] == "polygons"
    assert figures[unit]["overall_accuracy"] > 0.6
    page = (tmp_path / "report.html").read_text()
    assert "Accuracy on unseen polygons" in page
    assert ("superpixel" in page.replace("superpixel_", "")) == (kind == "superpixels")
    counted = json.loads(page.split('id="explore-facts">')[1].split("</script>")[0])["drills"]
    assert set(counted) == {unit, *(["pixel"] if kind == "superpixels" else [])}  # each number is found on the map


def test_a_raster_has_no_polygons(world: Path, tmp_path: Path) -> None:
    config = parse_config(
        {
            "scene": {"path": str(world / "scene.tif"), "scale": 1},
            "reference": {"path": str(world / "scene.tif"), "layer": "B02", "legend": "urban"},
            "units": {"kind": "pixels"},
            "samples": {"split": "polygons"},
            "model": {"name": "forest"},
        }
    )
    with pytest.raises(InputError):
        run_city_map(config, tmp_path)
