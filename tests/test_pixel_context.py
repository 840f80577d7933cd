"""Pixels with their surroundings: rows are what NumPy says, however they are asked for, and say what they saw."""

import numpy as np
import pytest
import xarray as xr

from citygrain.errors import InputError
from citygrain.pixel_context import PixelContext
from citygrain.tiles import Tile
from helpers.lazy_scenes import lazy_twin

Quilt = tuple[xr.DataArray, xr.DataArray]


@pytest.mark.parametrize("window", [3, 7])
def test_rows_are_value_mean_and_deviation(quilt: Quilt, window: int) -> None:
    features, _ = quilt
    rows = PixelContext.of(features, window=window).gather(features)
    reach = window // 2
    padded = np.pad(features.values, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))
    pixels = np.flatnonzero(np.isfinite(windows).all((0, 3, 4)).ravel())
    means, deviations = (f(windows, axis=(3, 4)).reshape(len(features), -1).T for f in (np.mean, np.std))
    own = features.values.reshape(len(features), -1).T
    np.testing.assert_allclose(rows[pixels], np.hstack([own, means, deviations])[pixels], rtol=1e-4, atol=1e-5)


def test_rows_do_not_depend_on_how_they_are_asked_for(quilt: Quilt) -> None:
    features, _ = quilt
    cut = PixelContext.of(features)
    whole = cut.rows(features)
    everything = whole[:]
    assert everything.shape == whole.shape == (len(cut), 3 * len(features))
    chosen = np.random.default_rng(0).permutation(len(cut))[:50]
    np.testing.assert_array_equal(whole[chosen], everything[chosen])
    np.testing.assert_array_equal(whole.subset(chosen).loaded()[:], everything[chosen])
    np.testing.assert_array_equal(whole.subset(chosen)[7], everything[chosen[7]])
    unread = cut.rows(lazy_twin(features)[0])
    assert unread.lazy
    np.testing.assert_array_equal(unread[chosen], everything[chosen])
    np.testing.assert_array_equal(unread.subset(chosen).cropped()[5:9], everything[chosen[5:9]])


def test_extents_hold_the_window(quilt: Quilt) -> None:
    features, _ = quilt
    cut = PixelContext.of(features, window=5)
    numbers = cut.parts(Tile(0, 0, *cut.geobox.shape))
    extent, pixel = cut.extents(), cut.geobox.resolution.x
    middle = numbers[10, 10]
    left, bottom, right, top = extent[middle if middle >= 0 else numbers.max()]
    assert right - left <= 5 * pixel + 1e-6 and top - bottom <= 5 * pixel + 1e-6
    assert np.isfinite(extent).all()
    corner = extent[0]
    assert corner[2] - corner[0] == pytest.approx(3 * pixel)  # the scene ends


@pytest.mark.parametrize("window", [1, 2, 4, 999])
def test_a_window_without_a_middle_is_refused(quilt: Quilt, window: int) -> None:
    with pytest.raises(InputError, match="odd"):
        PixelContext.of(quilt[0], window=window)
