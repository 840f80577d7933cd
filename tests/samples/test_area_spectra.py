"""Spectra of training areas: means by pixel, distances by the formula, and mislabelled polygons found."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Polygon, box

from citygrain.samples.area_checks import check_areas
from citygrain.samples.area_spectra import polygon_means, spectral_distances
from citygrain.samples.training_areas import TrainingAreas, read_training_areas
from citygrain.scene.read import read_scene
from citygrain.tessellation import raster_like

AFFINE = Affine(100, 0, 500_000, 0, -100, 5_800_000)
GRID = GeoBox((40, 40), AFFINE, "EPSG:32633")


def cells(left: int, top: int, right: int, bottom: int) -> Polygon:
    return box(*(AFFINE * (left, bottom)), *(AFFINE * (right, top)))


def world(codes: list[int], seed: int = 0) -> tuple[gpd.GeoDataFrame, xr.DataArray]:
    """Polygons of 3 x 3 pixels in rows, each with the spectrum of its class and a little noise; what is left is 9."""
    rng = np.random.default_rng(seed)
    values = np.full((2, 40, 40), 9.0, np.float32)
    shapes = []
    for i, code in enumerate(codes):
        row, column = 4 * (i // 9), 4 * (i % 9)
        spectrum = np.array([0.1 * code, 1 - 0.05 * code]) + rng.normal(0, 0.01, 2)
        values[:, row : row + 3, column : column + 3] = spectrum[:, None, None]
        shapes.append(cells(column, row, column + 3, row + 3))
    columns = {"polygon": np.arange(len(codes)) + 1, "code": codes, "name": "", "folder": ""}
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=32633).to_crs(4326)
    layers = xr.concat([raster_like(layer, GRID) for layer in values], "band").assign_coords(band=["B04", "B08"])
    return frame, layers


def test_means_are_those_of_the_pixels() -> None:
    frame, scene = world([2, 5, 17])
    scene.values[:, 0, 0] = [np.nan, 5]  # a pixel without all bands does not count
    scene.values[:, 0:3, 4:7] = np.nan
    means = polygon_means(frame, scene)
    np.testing.assert_allclose(means[0], scene.values[:, 1, 1], rtol=1e-6)
    assert np.isnan(means[1]).all()
    np.testing.assert_allclose(means[2], scene.values[:, 1, 9], rtol=1e-6)


def test_distances_follow_the_formula() -> None:
    codes = [2, 2, 2, 2, 5, 5, 5, 17, 17]
    frame, scene = world(codes)
    means, labels = polygon_means(frame, scene), np.array(codes)

    def median(code: int, without: int) -> np.ndarray:
        chosen = [j for j in range(9) if j != without and labels[j] == code]
        return np.median(means[chosen], axis=0)

    off = [abs(means[i] - median(codes[i], i)) for i in range(7)]
    scale = 1.4826 * np.median(off, axis=0)
    table = spectral_distances(frame, scene)
    for i in range(7):
        distance = {c: np.sqrt((((means[i] - median(c, i)) / scale) ** 2).mean()) for c in (2, 5)}
        other = 5 if codes[i] == 2 else 2
        assert table.iloc[i].tolist() == pytest.approx([distance[codes[i]], distance[other], other])
    assert table.iloc[7:].isna().all(axis=None)  # two of a class are too few to judge


def test_a_mislabelled_polygon_is_found() -> None:
    codes = [2] * 6 + [5] * 6 + [17] * 6
    frame, scene = world(codes)
    frame.loc[3, "code"] = 17
    checks = check_areas(TrainingAreas(frame, "a.kml"), scene=scene)
    assert [i for i, flags in enumerate(checks.polygons["flags"]) if "outlier" in flags] == [3]
    assert "looks like LCZ 2 (" in checks.polygons["notes"].iloc[3]
    assert checks.to_dict()["polygons"][3]["nearest_code"] == 2


def test_too_little_to_judge() -> None:
    frame, scene = world([2, 2, 5])
    assert spectral_distances(frame, scene).isna().all(axis=None)
    only, scene = world([2, 2, 2])
    table = spectral_distances(only, scene)
    assert table["own_distance"].notna().all()
    assert table["nearest_code"].isna().all()


@pytest.mark.slow
def test_planted_mistakes_in_hong_kong(data: Path) -> None:
    # Ten of 173 polygons get another class; more than half are found, and few others are called doubtful.
    folder = data / "scenes/hong_kong"
    areas = read_training_areas(folder / "lcz_reference_polygons.gpkg")
    names = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11"]
    scene = read_scene(folder / "landsat8_20131129.tif", bands=names, sensor="landsat-8", reflectance=False)
    rng, found, wrongly = np.random.default_rng(0), 0, 0
    known = areas.frame["code"].unique()
    for _ in range(5):
        frame = areas.frame.copy()
        planted = rng.choice(frame.index, 10, replace=False)
        frame.loc[planted, "code"] = [rng.choice(known[known != code]) for code in frame.loc[planted, "code"]]
        flags = check_areas(replace(areas, frame=frame), scene=scene).polygons["flags"]
        marked = flags.index[flags.map(lambda kinds: "outlier" in kinds)]
        found += np.isin(planted, marked).sum()
        wrongly += (~np.isin(marked, planted)).sum()
    assert found >= 25
    assert wrongly <= 5 * 5
