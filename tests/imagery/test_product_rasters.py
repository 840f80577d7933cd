from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.imagery import product_rasters
from citygrain.imagery.product_rasters import read_product, write_product
from citygrain.imagery.references import map_product
from citygrain.imagery.schemes import Evidence, named_scheme
from citygrain.legend import DYNAMIC_WORLD, WORLDCOVER
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import read_class_names, read_codes

COVER = map_product("worldcover")
GRID = GeoBox.from_bbox((384_000, 5_818_000, 385_000, 5_819_000), "EPSG:32633", resolution=10)
BERLIN = GeoBox.from_bbox((390_500, 5_818_600, 392_500, 5_820_400), "EPSG:32633", resolution=10)


def tile(path: Path, values: npt.NDArray[np.generic], geobox: GeoBox, *, tags: Mapping[str, str] | None = None) -> Path:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=values.dtype,
        crs=str(geobox.crs), transform=geobox.affine,
    ) as target:  # fmt: skip
        target.write(values, 1)
        target.update_tags(**(tags or {}))
    return path


def quilt(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).choice(WORLDCOVER.values, shape).astype(np.uint8)


def degrees(west: float, north: float, shape: tuple[int, int]) -> GeoBox:
    return GeoBox(shape, Affine(1 / 12_000, 0, west, 0, -1 / 12_000, north), "EPSG:4326")


def test_on_its_own_grid_it_is_itself(tmp_path: Path) -> None:
    values = quilt((100, 100))
    assert (read_product(COVER, [tile(tmp_path / "a.tif", values, GRID)], GRID) == values).all()


def test_ten_times_coarser_takes_the_commonest_of_all_hundred(tmp_path: Path) -> None:
    values = quilt((100, 100))
    coarse = read_product(COVER, [tile(tmp_path / "a.tif", values, GRID)], GRID.zoom_out(10))
    cells = values.reshape(10, 10, 10, 10).swapaxes(1, 2).reshape(10, 10, 100)
    counts = np.stack([(cells == value).sum(-1) for value in WORLDCOVER.values])
    assert (np.take_along_axis(counts, WORLDCOVER.columns(coarse)[None], 0)[0] == counts.max(0)).all()


@pytest.mark.parametrize("step", [1.0, 0.4, 3.0])
def test_windows_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    source = tile(tmp_path / "a.tif", quilt((400, 700)), degrees(13.37, 52.53, (400, 700)))
    grid = BERLIN.zoom_out(step)
    whole = read_product(COVER, [source], grid)
    for points in (37**2, 1_000, 60_000):
        monkeypatch.setattr(product_rasters, "_POINTS", points)
        assert (read_product(COVER, [source], grid) == whole).all()


def test_tiles_side_by_side_are_one_map(tmp_path: Path) -> None:
    values = quilt((400, 700))
    whole = tile(tmp_path / "whole.tif", values, degrees(13.37, 52.53, (400, 700)))
    west = tile(tmp_path / "west.tif", values[:, :300], degrees(13.37, 52.53, (400, 300)))
    east = tile(tmp_path / "east.tif", values[:, 300:], degrees(13.37 + 300 / 12_000, 52.53, (400, 400)))
    for grid in (BERLIN, BERLIN.zoom_out(7)):
        assert (read_product(COVER, [east, west], grid) == read_product(COVER, [whole], grid)).all()


def test_tiles_of_two_zones_meet(tmp_path: Path) -> None:
    esri = map_product("esri-lulc")
    left = GeoBox.from_bbox((790_000, 5_800_000, 800_000, 5_810_000), "EPSG:32632", resolution=10)
    middle = GeoBox.from_bbox((380_000, 5_795_000, 400_000, 5_815_000), "EPSG:32633", resolution=10)
    files = [
        tile(tmp_path / "32U.tif", np.where(np.indices(tuple(left.shape))[1] < 500, 2, 0).astype(np.uint8), left),
        tile(tmp_path / "33U.tif", np.full(tuple(middle.shape), 7, np.uint8), middle),
    ]
    grid = GeoBox.from_bbox((795_000 - 1_000, 5_804_000, 795_000 + 1_000, 5_806_000), "EPSG:32632", resolution=10)
    values = read_product(esri, files, grid)
    assert (values[:, :99] == 2).all()
    assert (values[:, 101:] == 7).all()


def test_beyond_the_files_there_is_no_data(tmp_path: Path) -> None:
    half = tile(tmp_path / "a.tif", np.full((50, 100), 50, np.uint8), GRID[:50, :])
    values = read_product(COVER, [half], GRID)
    assert (values[:50] == 50).all()
    assert (values[50:] == 0).all()


def test_what_is_written_says_what_it_is_and_is_a_reference(tmp_path: Path) -> None:
    source = tile(tmp_path / "a.tif", quilt((400, 700)), degrees(13.37, 52.53, (400, 700)))
    path = tmp_path / "out" / "cover.tif"
    write_product(path, COVER, [source], BERLIN)
    assert (read_codes(path).values == read_product(COVER, [source], BERLIN)).all()
    with rasterio.open(path) as file:
        assert file.tags()["licence"] == "CC BY 4.0"
        assert "Zanaga et al. 2022" in file.tags()["citation"]
        assert file.colormap(1)[50] == (250, 0, 0, 255)
        said = named_scheme(Evidence("x.tif", tags=file.tags()))
    assert said is not None
    assert said.scheme == "worldcover"
    assert read_class_names(path)[50] == "Built-up"
    codes, legend = read_reference(path, BERLIN, legend=WORLDCOVER)
    assert legend == WORLDCOVER
    assert (codes.values == read_codes(path).values).all()


def test_water_is_nought_in_dynamic_world(tmp_path: Path) -> None:
    product = map_product("dynamic-world")
    values = np.random.default_rng(0).integers(0, 9, (100, 100)).astype(np.uint8)
    values[:5] = 255
    path = tmp_path / "dw.tif"
    write_product(path, product, [tile(tmp_path / "a.tif", values, GRID)], GRID)
    codes, _ = read_reference(path, GRID, legend=DYNAMIC_WORLD)
    assert (codes.values == np.where(values == 255, 0, values + 1)).all()


def test_corine_holds_codes_that_are_no_class(tmp_path: Path) -> None:
    values = np.full((100, 100), 2, np.int16)
    values[:10], values[10:20] = 48, -128
    corine = map_product("corine")
    with rasterio.open(tile(tmp_path / "clc.tif", values, GRID), "r+") as file:
        file.nodata = -128
    found = read_product(corine, [tmp_path / "clc.tif"], GRID)
    assert np.unique(found).tolist() == [0, 2]
    assert (found[:20] == 0).all()


def test_another_product_is_refused(tmp_path: Path) -> None:
    source = tile(tmp_path / "a.tif", quilt((100, 100)), GRID, tags={"title": "ESA WorldCover product at 10m"})
    with pytest.raises(InputError, match="is worldcover by its tag title"):
        read_product(map_product("from-glc10"), [source], GRID)
    with pytest.raises(InputError, match=r"a\.tif holds 10, which Dynamic World"):
        read_product(map_product("dynamic-world"), [tile(tmp_path / "a.tif", quilt((100, 100)), GRID)], GRID)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no more")
    with pytest.raises(InputError, match=r"broken\.tif cannot be read"):
        read_product(COVER, [tmp_path / "broken.tif"], GRID)
    away = tile(tmp_path / "far.tif", quilt((10, 10)), degrees(100, 0, (10, 10)))
    with pytest.raises(InputError, match=r"far\.tif does not meet the grid"):
        read_product(COVER, [away], GRID)
    with pytest.raises(InputError, match="no file does not meet"):
        read_product(COVER, [], GRID)
    with pytest.raises(InputError, match="is polygons"):
        read_product(map_product("urban-atlas"), [away], GRID)
    heights = tile(tmp_path / "dem.tif", np.zeros((100, 100), np.float32), GRID)
    with pytest.raises(InputError, match="holds float32"):
        read_product(COVER, [heights], GRID)


def test_the_real_map_of_berlin(data: Path) -> None:
    source = data / "lcz/reference_polygons/worldcover_berlin.tif"
    near = read_product(COVER, [source], BERLIN)
    by_gdal, _ = read_reference(source, BERLIN, legend=WORLDCOVER)
    inside = near > 0
    assert inside.mean() > 0.9
    agreement = (near == by_gdal.values)[inside].mean()
    assert agreement > 0.97  # two ways to take the majority of 1.4 x 1.4 pixels
    lcz = replace(map_product("lcz-map"))
    zones = read_product(lcz, [data / "lcz/global_map_v3_crops/lcz_v3_berlin.tif"], BERLIN)
    assert set(np.unique(zones)) <= set(range(18))
