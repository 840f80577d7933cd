import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from skimage.measure import regionprops

from citygrain.errors import InputError
from citygrain.grid_patches import GridPatches
from citygrain.pixel_context import PixelContext
from citygrain.tessellation import Pixels, SegmentPatches, SegmentStatistics, Tessellation, raster_like
from citygrain.tiles import Tile, tile_grid

Quilt = tuple[xr.DataArray, xr.DataArray]


def tessellations(quilt: Quilt) -> list[Tessellation]:
    features, labels = quilt
    cells = [GridPatches.of(features, size=size, stride=stride) for size, stride in ((7, 1), (8, 5), (4, 9))]
    return [
        Pixels.of(features),
        PixelContext.of(features, window=3),
        SegmentPatches(labels, 7),
        SegmentStatistics(labels, 7),
        *cells,
    ]


def has_data(features: xr.DataArray, cut: Tessellation) -> np.ndarray:
    """Whether half of the scene's pixels in each pixel of the cut's grid have data."""
    valid = np.isfinite(features.values).any(0)
    side = cut.stride if isinstance(cut, GridPatches) else 1
    rows, columns = cut.geobox.shape
    blocks = [[valid[r * side :][:side, c * side :][:, :side] for c in range(columns)] for r in range(rows)]
    return np.array([[block.mean() >= 0.5 for block in row] for row in blocks])


def test_scatter_puts_every_unit_back(quilt: Quilt) -> None:
    for cut in tessellations(quilt):
        numbers = np.arange(1, len(cut) + 1, dtype=np.int32)
        whole = cut.parts(Tile(0, 0, *cut.geobox.shape))
        assert np.array_equal(cut.scatter(numbers).values, whole + 1)


def test_only_no_data_stays_no_data(quilt: Quilt) -> None:
    for cut in tessellations(quilt):
        valid = has_data(quilt[0], cut)
        ones = cut.scatter(np.ones(len(cut), np.uint8)).values
        assert np.array_equal(ones > 0, valid)
        assert np.array_equal(np.isfinite(cut.scatter(np.ones(len(cut), np.float32)).values), valid)


@settings(max_examples=20)
@given(size=st.integers(1, 45), stride=st.integers(1, 12))
def test_parts_by_tile_are_the_whole(size: int, stride: int) -> None:
    grid = GeoBox.from_bbox((0, 0, 600, 400), "EPSG:32633", resolution=10)
    numbers = np.arange(2400).reshape(40, 60)
    for cut in (
        SegmentPatches(raster_like((numbers % 97).astype(np.int32), grid), 5),
        GridPatches(raster_like(numbers % 7 > 2, grid), 5, stride),
    ):
        shape = cut.geobox.shape
        joined = np.empty(shape, np.int64)
        for tile in tile_grid(shape, size):
            joined[tile.slices] = cut.parts(tile)
        assert np.array_equal(joined, cut.parts(Tile(0, 0, *shape)))


def test_pixel_rows_are_the_pixels(quilt: Quilt) -> None:
    features, _ = quilt
    rows = Pixels.of(features).gather(features)
    assert np.array_equal(rows[:], features.values.reshape(2, -1).T, equal_nan=True)
    assert np.array_equal(rows[[3, 61]], features.values.reshape(2, -1).T[[3, 61]], equal_nan=True)


@pytest.mark.parametrize("window", [1, 4, 7, 25])
def test_patches_are_windows_of_the_reflected_scene(quilt: Quilt, window: int) -> None:
    features, labels = quilt
    cut = SegmentPatches(labels, window, outline=True)
    patches = cut.gather(features)[:]
    padded = np.pad(features.values, ((0, 0), (window, window), (window, window)), mode="reflect")
    outlines = np.pad(labels.values, window, mode="reflect")
    for unit, region in enumerate(regionprops(labels.values)):
        row, column = (int(np.floor(c + 0.5)) for c in region.centroid)
        top, left = row - window // 2 + window, column - window // 2 + window
        where = slice(top, top + window), slice(left, left + window)
        assert np.array_equal(patches[unit, :2], padded[:, *where], equal_nan=True)
        assert np.array_equal(patches[unit, 2], outlines[where] == unit + 1)


def test_chosen_patches_are_those_of_all(quilt: Quilt) -> None:
    features, labels = quilt
    rows = SegmentPatches(labels, 5).gather(features)
    everything = rows[:]
    order = np.array([7, 3, 3, 90])
    assert np.array_equal(rows[order], everything[order], equal_nan=True)
    assert np.array_equal(rows.subset(order)[1:3], everything[order[1:3]], equal_nan=True)
    assert np.array_equal(rows[4], everything[4], equal_nan=True)
    assert rows.shape == everything.shape


def test_statistics_are_those_of_numpy(quilt: Quilt) -> None:
    features, labels = quilt
    values = features.values.copy()
    values[0, 0, 0] = np.nan  # a single missing value is left out of the sums
    holed = features.copy(data=values)
    rows = SegmentStatistics(labels, 7).gather(holed)
    patches = SegmentPatches(labels, 7).gather(holed)[:]
    for unit in range(len(rows)):
        inside = values[:, labels.values == unit + 1]
        around = patches[unit].reshape(2, -1)
        wanted = [np.nanmean(inside, 1), np.nanstd(inside, 1), np.nanmean(around, 1), np.nanstd(around, 1)]
        np.testing.assert_allclose(rows[unit], np.concatenate(wanted), rtol=1e-4, atol=1e-6)


def test_permuted_bands_permute_statistics(quilt: Quilt) -> None:
    features, labels = quilt
    cut = SegmentStatistics(labels, 5)
    forward, backward = cut.gather(features), cut.gather(features[::-1])
    assert np.array_equal(forward[:, [1, 0, 3, 2, 5, 4, 7, 6]], backward, equal_nan=True)


def test_extents_hold_window_and_unit(quilt: Quilt) -> None:
    _, labels = quilt
    wide = SegmentPatches(labels, 15).extents()
    assert wide[0].tolist() == [0, 300, 100, 400]  # centre (2, 2): rows and columns 0 to 9 lie in the scene
    narrow = SegmentPatches(labels, 1).extents()
    assert narrow[0].tolist() == [0, 350, 50, 400]  # the superpixel is larger than the window


def test_bad_segments_are_refused(quilt: Quilt) -> None:
    features, labels = quilt
    with pytest.raises(InputError, match="smaller than the window"):
        len(SegmentPatches(labels, 41))
    with pytest.raises(InputError, match="without pixels"):
        len(SegmentPatches(labels * 2, 5))
    with pytest.raises(InputError, match="one grid"):
        SegmentPatches(labels, 5).gather(features[:, :30])
    with pytest.raises(InputError, match="one value for each unit"):
        SegmentPatches(labels, 5).scatter(np.zeros(3))
    with pytest.raises(InputError, match="integers"):
        len(SegmentPatches(labels.astype("float32"), 5))
