from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

from citygrain.imagery.resample import Resampling, places, resample
from citygrain.tiles import tile_grid

ZONE_32, ZONE_33 = "EPSG:32632", "EPSG:32633"
METHODS = st.sampled_from(["nearest", "bilinear"])


def grid(left: float, top: float, shape: tuple[int, int], step: float, crs: str = ZONE_33) -> GeoBox:
    return GeoBox(shape, Affine(step, 0, left, 0, -step, top), crs)


def reading(values: npt.NDArray[Any]) -> Any:
    return lambda rows, columns: values[rows, columns].astype(np.float32)


def made(values: npt.NDArray[Any], source: GeoBox, target: GeoBox, how: Resampling) -> npt.NDArray[np.float32]:
    return resample(reading(values), source, target, how)


@pytest.fixture(scope="module")
def picture() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    values = np.float32(np.rint(1000 + 500 * ndimage.gaussian_filter(rng.normal(size=(130, 150)), 3)))
    values[40:60, 70:75] = np.nan
    return values


@given(st.integers(-40, 140), st.integers(-40, 160), st.integers(1, 30), st.integers(1, 30), METHODS)
def test_the_same_grid_is_a_copy(top: int, left: int, height: int, width: int, how: Resampling) -> None:
    values = np.arange(130 * 150, dtype=np.float32).reshape(130, 150)
    source = grid(300_000, 5_800_000, values.shape, 10)
    target = grid(300_000 + 10 * left, 5_800_000 - 10 * top, (height, width), 10)
    padded = np.pad(values, 200, constant_values=np.nan)
    wanted = padded[200 + top : 200 + top + height, 200 + left : 200 + left + width]
    np.testing.assert_array_equal(made(values, source, target, how), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    ("step", "crs", "corner"),
    [
        (10, ZONE_32, (703_000, 5_815_000)),  # into the next zone
        (10, ZONE_33, (295_003, 5_815_004)),  # shifted by part of a pixel
        (20, ZONE_33, (295_000, 5_815_000)),  # to half the resolution
        (20, ZONE_32, (703_000, 5_815_000)),
        (4, ZONE_33, (295_000, 5_815_000)),
        (15, ZONE_33, (295_000, 5_815_000)),
    ],
)
def test_windows_give_what_the_whole_gives(
    picture: npt.NDArray[np.float32], step: float, crs: str, corner: tuple[float, float], how: Resampling
) -> None:
    source = grid(295_000, 5_815_000, picture.shape, 10)
    target = grid(*corner, (90, 100), step, crs)
    if crs == ZONE_32:  # the same ground
        x, y = Transformer.from_crs(ZONE_33, ZONE_32, always_xy=True).transform(295_000, 5_815_000)
        target = grid(round(x / step) * step, round(y / step) * step, (90, 100), step, crs)
    whole = made(picture, source, target, how)
    assert np.isfinite(whole).mean() > 0.2
    for size in (7, 33, 64):
        for tile in tile_grid((90, 100), size):
            part = made(picture, source, target[tile.slices], how)
            np.testing.assert_array_equal(part, whole[tile.slices])


def test_places_are_right_to_a_thousandth_of_a_pixel() -> None:
    source, target = grid(0, 6_000_000, (10, 10), 10, ZONE_32), grid(255_000, 5_815_007, (500, 700), 10)
    rows, columns = places(source, target)
    x, y = np.meshgrid(255_000 + 10 * (np.arange(700) + 0.5), 5_815_007 - 10 * (np.arange(500) + 0.5))
    east, north = Transformer.from_crs(ZONE_33, ZONE_32, always_xy=True).transform(x, y)
    np.testing.assert_allclose(columns, east / 10, atol=1e-3)
    np.testing.assert_allclose(rows, (6_000_000 - north) / 10, atol=1e-3)


def test_bilinear_is_scipys(picture: npt.NDArray[np.float32]) -> None:
    values = np.nan_to_num(picture, nan=900)
    source, target = grid(0, 1300, values.shape, 10), grid(200, 1100, (60, 70), 7)
    rows, columns = places(source, target)
    wanted = ndimage.map_coordinates(values.astype(float), [rows - 0.5, columns - 0.5], order=1)
    np.testing.assert_allclose(made(values, source, target, "bilinear"), wanted, rtol=1e-6)
    nearest = values[np.floor(rows).astype(int), np.floor(columns).astype(int)]
    np.testing.assert_array_equal(made(values, source, target, "nearest"), nearest)


def test_a_plane_stays_a_plane() -> None:
    y, x = np.mgrid[:40, :50]
    source, target = grid(0, 400, (40, 50), 10), grid(100, 300, (40, 40), 5)
    rows, columns = places(source, target)
    wanted = 3 * (columns - 0.5) - 2 * (rows - 0.5)
    np.testing.assert_allclose(made(3 * x - 2 * y, source, target, "bilinear"), wanted, atol=1e-4)


@given(st.sampled_from([2, 3, 4, 6]), st.integers(0, 2**32))
def test_to_coarser_pixels_it_is_the_mean_of_those_inside(factor: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.float32(rng.integers(0, 3000, (24, 36)))
    values[rng.random(values.shape) < 0.3] = np.nan
    target = grid(0, 240, (24 // factor, 36 // factor), 10 * factor)
    blocks = values.reshape(24 // factor, factor, 36 // factor, factor).swapaxes(1, 2).reshape(*target.shape, -1)
    known = np.isfinite(blocks).sum(-1)
    total = np.nansum(blocks, -1)
    wanted = np.where(2 * known >= factor**2, total / np.maximum(known, 1), np.nan)
    told = made(values, grid(0, 240, (24, 36), 10), target, "bilinear")
    np.testing.assert_allclose(told, wanted, rtol=1e-6)


@given(st.integers(0, 2**32))
def test_what_is_seen_neither_grows_nor_shrinks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.float32(rng.integers(1, 3000, (20, 20)))
    values[rng.random(values.shape) < 0.4] = np.nan
    source, target = grid(0, 400, (20, 20), 20), grid(0, 400, (40, 40), 10)
    bilinear, nearest = (made(values, source, target, how) for how in ("bilinear", "nearest"))
    np.testing.assert_array_equal(np.isnan(bilinear), np.isnan(nearest))
    assert np.nanmin(bilinear) >= np.nanmin(values) and np.nanmax(bilinear) <= np.nanmax(values)


def test_classes_stay_classes(picture: npt.NDArray[np.float32]) -> None:
    classes = np.float32(np.nan_to_num(picture) // 100 % 12)
    source, target = grid(0, 1300, classes.shape, 20), grid(55, 1211, (50, 50), 10)
    assert set(np.unique(made(classes, source, target, "nearest"))) <= set(np.unique(classes))


def test_nothing_is_read_where_nothing_is() -> None:
    def never(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        raise AssertionError

    target = grid(9000, 9000, (5, 5), 10)
    assert np.isnan(resample(never, grid(0, 100, (10, 10), 10), target, "bilinear")).all()


def test_only_the_window_that_is_needed_is_read() -> None:
    asked: list[tuple[slice, slice]] = []

    def read(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        asked.append((rows, columns))
        return np.ones((rows.stop - rows.start, columns.stop - columns.start), np.float32)

    resample(read, grid(0, 10_000, (1000, 1000), 10), grid(2000, 8000, (10, 10), 20), "bilinear")
    ((rows, columns),) = asked
    assert (rows.start, rows.stop) == (199, 221) and (columns.start, columns.stop) == (199, 221)
