"""Rasters of codes: values, and the names that GDAL keeps beside them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from citygrain.errors import InputError
from citygrain.lazy import blocks_of, is_lazy
from citygrain.scene.codes import open_codes, read_class_names, read_codes
from citygrain.scene.write import write_cog

GRID = GeoBox.from_bbox((0, 0, 80, 60), "EPSG:32633", resolution=10)


@given(names=st.dictionaries(st.integers(1, 255), st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_names_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, names: dict[int, str]) -> None:
    path = tmp_path_factory.mktemp("named") / "map.tif"
    write_cog(path, np.ones(GRID.shape, np.uint8), GRID, colormap={1: (1, 2, 3, 255)}, names=names)
    said = {code: "".join(c if c.isprintable() else " " for c in name) for code, name in names.items()}
    assert read_class_names(path) == said


@pytest.mark.parametrize(
    "text", ["", "<a>", "<PAMDataset/>", '<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset>&b;</PAMDataset>']
)
def test_a_broken_or_hostile_side_file_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.tif.aux.xml").write_text(text)
    assert read_class_names(tmp_path / "map.tif") == read_class_names(tmp_path / "none.tif") == {}


def test_what_holds_no_codes(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", np.ones(GRID.shape, np.float32), GRID)
    with pytest.raises(InputError) as refused:
        read_codes(tmp_path / "a.tif")
    assert str(refused.value) == f"{tmp_path / 'a.tif'} holds float32; wanted: integers: labels or class codes"
    with pytest.raises(InputError, match="cannot be read"):
        read_codes(tmp_path / "none.tif")
    with pytest.raises(InputError, match="cannot be read"):
        read_codes(tmp_path / "a.tif", band=2)
    with pytest.raises(InputError, match="holds float32"):
        open_codes(tmp_path / "a.tif")


@pytest.mark.slow
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int32", "uint32"]),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 300), st.integers(1, 40)),
    place=st.tuples(*[st.integers(0, 299)] * 4),
)
def test_windows_of_codes_are_the_codes(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, shape: tuple[int, int, int], place: tuple[int, ...]
) -> None:
    path = tmp_path_factory.mktemp("codes") / "labels.tif"
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    grid = GeoBox.from_bbox((0, 0, 10 * shape[2], 10 * shape[1]), "EPSG:32633", shape=shape[1:])
    write_cog(path, values, grid, nodata=0)
    whole, lazy = read_codes(path, band=shape[0]), open_codes(path, band=shape[0])
    assert is_lazy(lazy) and not is_lazy(whole)
    with rasterio.open(path) as file:
        xr.testing.assert_identical(whole, wrap_xr(values[-1], GeoBox.from_rio(file)))
    again: Any = pickle.loads(pickle.dumps(lazy))  # noqa: S301 - our own
    xr.testing.assert_identical(again, whole)
    top, left = place[0] % shape[1], place[1] % shape[2]
    window = (slice(top, top + place[2] + 1), slice(left, left + place[3] + 1))
    part = lazy[window].values
    assert part.dtype == dtype and part.tobytes() == values[-1][window].tobytes()


def test_codes_are_kept_in_blocks_and_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    write_cog(path, np.ones(GRID.shape, np.uint8), GRID)
    lazy = open_codes(path)
    assert blocks_of(lazy[2:]) == (256, 256)
    write_cog(path, np.ones((8, 8), np.uint8), GeoBox.from_bbox((0, 0, 80, 80), "EPSG:32633", resolution=10))
    with pytest.raises(InputError, match="has changed since it was opened"):
        lazy.load()
    path.unlink()
    with pytest.raises(InputError, match=r"labels\.tif is not there"):
        lazy.load()
