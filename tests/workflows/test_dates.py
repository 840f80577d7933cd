"""Dates side by side: gaps filled from the other dates, the same whether whole or by windows."""

import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.lazy import is_lazy, lazy_raster
from citygrain.workflows.config import SceneConfig
from citygrain.workflows.dates import join_dates, read_dates
from helpers.safe_products import write_safe

GRID = GeoBox.from_bbox((0, 0, 90, 70), "EPSG:32633", resolution=10)


class Reader:
    """Windows of an array."""

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self.values = values

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        return self.values[bands][:, rows, columns]


def dates(number: int = 3) -> list[xr.DataArray]:
    rng = np.random.default_rng(0)
    rasters = []
    for _ in range(number):
        values = rng.random((2, *GRID.shape), np.float32)
        values[rng.random(values.shape) < 0.4] = np.nan
        values[0, 0, 0] = np.inf
        rasters.append(lazy_raster(Reader(values), GRID, ["B04", "NDVI"], attrs={"units": "reflectance"}))
    return rasters


def test_a_gap_takes_the_mean_of_the_dates_that_have_a_value() -> None:
    loaded = [date.load() for date in dates()]
    joined = join_dates(loaded)
    assert joined.band.values.tolist() == ["B04 @1", "NDVI @1", "B04 @2", "NDVI @2", "B04 @3", "NDVI @3"]
    cube = np.stack([np.where(np.isfinite(date.values), date.values, np.nan) for date in loaded])
    count = np.isfinite(cube).sum(0)
    mean = np.where(count > 0, np.nansum(cube, 0, dtype=np.float32) / np.maximum(count, 1), np.nan)
    wanted = np.where(np.isfinite(cube), cube, mean).reshape(joined.shape)
    np.testing.assert_allclose(joined.values, wanted, rtol=1e-6)
    assert (count == 0).any() and np.isnan(joined.values).any()
    one = dates(1)[0]
    assert join_dates([one]) is one


@pytest.mark.slow
@given(
    bands=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    place=st.tuples(*[st.integers(0, 6)] * 4),
    mixed=st.booleans(),
)
def test_windows_of_lazy_dates(bands: list[int], place: tuple[int, int, int, int], mixed: bool) -> None:
    rasters = dates()
    whole = join_dates([date.load() for date in dates()])
    lazy = join_dates([rasters[0].load(), *rasters[1:]] if mixed else rasters)
    assert is_lazy(lazy) and not is_lazy(whole)
    top, left, height, width = place
    window = (bands, slice(top, top + height + 1), slice(left, left + width + 1))
    assert lazy[window].values.tobytes() == whole[window].values.tobytes()


def test_lazy_dates_look_like_the_others() -> None:
    again = pickle.loads(pickle.dumps(join_dates(dates())))  # noqa: S301 - our own
    xr.testing.assert_identical(again, join_dates([date.load() for date in dates()]))


def test_dates_of_two_levels_are_refused(tmp_path: Path) -> None:
    paths = [str(write_safe(tmp_path, level=level, size=600).path) for level in ("L2A", "L1C")]
    with pytest.raises(InputError, match=r"S2A_MSIL1C_.* is of L1C, S2A_MSIL2A_.* of L2A; wanted: dates of one level"):
        read_dates(SceneConfig(dates=paths), lazy=True)
    assert len(read_dates(SceneConfig(dates=paths[:1] * 2), lazy=True)) == 2
