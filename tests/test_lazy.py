"""A lazy raster is the raster: every index gives the same values, and windows read no more than they show."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain import lazy
from citygrain.lazy import is_lazy, lazy_raster, loaded, read_window
from citygrain.tessellation import raster_like

GRID = GeoBox.from_bbox((0, 0, 130, 90), "EPSG:32633", resolution=10)
VALUES = np.random.default_rng(0).random((3, *GRID.shape), np.float32)


@dataclass
class Reader:
    """Windows of an array, with a note of each."""

    values: npt.NDArray[np.float32]
    read: list[tuple[int, int, int]] = field(default_factory=list)

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        window = self.values[bands][:, rows, columns]
        self.read.append(window.shape)
        return window


def pair() -> tuple[Reader, xr.DataArray, xr.DataArray]:
    reader = Reader(VALUES)
    names = ["B02", "B03", "B04"]
    eager = xr.concat([raster_like(band, GRID) for band in VALUES], "band").assign_coords(band=names)
    return reader, lazy_raster(reader, GRID, names, attrs={"units": "reflectance"}), eager


INDEX = st.one_of(
    st.integers(-3, 2),
    st.slices(9).filter(lambda s: s.step is None or s.step > 0),  # xarray itself errs in slices that run backwards
    st.lists(st.integers(0, 2), min_size=0, max_size=4),
)


@given(band=INDEX, y=INDEX, x=INDEX)
def test_every_index_gives_what_an_array_gives(band: object, y: object, x: object) -> None:
    _, raster, eager = pair()
    got, wanted = raster[band, y, x], eager[band, y, x]
    np.testing.assert_array_equal(got.values, wanted.values)
    assert got.dims == wanted.dims


def test_names_grid_and_attributes() -> None:
    _, raster, eager = pair()
    assert raster.odc.geobox == eager.odc.geobox == GRID
    np.testing.assert_array_equal(raster.sel(band=["B04", "B02"]).isel(y=slice(2, 5)).values, VALUES[[2, 0], 2:5])
    assert raster.attrs == {"units": "reflectance"} and raster.isel(band=0).attrs == raster.attrs
    assert is_lazy(raster) and is_lazy(raster[:, 1:3]) and not is_lazy(eager) and not is_lazy(raster.load())


def test_a_window_reads_no_more_than_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, raster, _ = pair()
    window = read_window(raster, slice(2, 6), slice(3, 13))
    assert window.flags.c_contiguous and reader.read == [(3, 4, 10)]
    reader.read.clear()
    monkeypatch.setattr(lazy, "_STRIP", 3 * 13)  # a thinned raster is read by strips
    np.testing.assert_array_equal(raster[:, ::2, ::4].values, VALUES[:, ::2, ::4])
    assert max(rows for _, rows, _ in reader.read) <= 3


@given(height=st.integers(1, 40), width=st.integers(1, 40), part=st.integers(1, 300), block=st.integers(1, 50))
def test_loaded_by_windows_it_is_the_whole(height: int, width: int, part: int, block: int) -> None:
    values = np.random.default_rng(0).random((3, height, width), np.float32)
    grid = GeoBox.from_bbox((0, 0, 10 * width, 10 * height), "EPSG:32633", resolution=10)
    raster = lazy_raster(Reader(values), grid, ["B02", "B03", "B04"], attrs={"units": "reflectance"}, name="scene")
    raster.encoding["preferred_chunks"] = {"y": block, "x": block}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "_PART", part)
        whole = loaded(raster)
    assert not is_lazy(whole) and whole.values.tobytes() == values.tobytes()
    assert whole.identical(raster.load()) and whole.encoding == raster.encoding
    assert loaded(whole) is whole


def test_it_is_pickled_as_its_recipe() -> None:
    reader, raster, _ = pair()
    again = pickle.loads(pickle.dumps(raster[:, 2:4]))  # noqa: S301 - our own
    assert is_lazy(again) and again.shape == (3, 2, 13)
    assert reader.read == []
