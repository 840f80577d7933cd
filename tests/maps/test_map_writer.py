"""A map written by windows is the map written whole, to the byte."""

from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.maps.map_writer import MapWriter
from citygrain.maps.predict import MapWindow
from citygrain.maps.thematic_map import ThematicMap
from citygrain.tessellation import raster_like
from citygrain.tiles import tile_grid

GRID = GeoBox.from_bbox((0, 0, 700, 500), "EPSG:32633", resolution=10)


def made() -> ThematicMap:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, GRID.shape).astype(np.uint8)
    sure = np.where(codes > 0, rng.random(GRID.shape, np.float32), np.float32(np.nan))
    return ThematicMap(raster_like(codes, GRID), raster_like(sure, GRID), URBAN)


def windows(city: ThematicMap, size: int) -> list[MapWindow]:
    tiles = tile_grid(city.codes.shape, size)
    return [MapWindow(tile, city.codes.values[tile.slices], city.confidence.values[tile.slices]) for tile in tiles]


@pytest.mark.parametrize("size", [7, 33, 100])
def test_by_windows_or_whole_the_bytes_are_the_same(tmp_path: Path, size: int) -> None:
    city = made()
    city.write(tmp_path / "whole/map.tif")
    with MapWriter(tmp_path / "parts/map.tif", GRID, URBAN) as target:
        for window in windows(city, size):
            target.write(window)
    whole, parts = ({p.name: p.read_bytes() for p in (tmp_path / side).iterdir()} for side in ("whole", "parts"))
    assert whole == parts and len(whole) == 5


def test_an_unfinished_map_leaves_nothing(tmp_path: Path) -> None:
    *most, last = windows(made(), 20)
    with pytest.raises(InputError), MapWriter(tmp_path / "map.tif", GRID, URBAN) as target:
        for window in most:
            target.write(window)
    with pytest.raises(KeyboardInterrupt), MapWriter(tmp_path / "map.tif", GRID, URBAN) as target:
        target.write(last)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
