import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.grids import raster_like
from citygrain.imagery.composite import METHODS, Method, as_numbers, best_pixel_score, composite
from citygrain.tiles import tile_grid

methods = st.sampled_from(METHODS)


@st.composite
def observations(draw: st.DrawFn) -> tuple[xr.DataArray, npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Reflectance in steps of 1/10,000 with few different values, so that equals are frequent; some bands missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    values = np.float32(rng.integers(-200, 200 + 10 ** draw(st.integers(1, 4)), shape)) / np.float32(10_000)
    values[rng.random(shape) < draw(st.sampled_from([0, 0.1]))] = np.nan
    clear = rng.random((shape[0], *shape[2:])) < draw(st.floats(0, 1))
    score = np.float32(rng.integers(0, 4, clear.shape))
    return stacked(values), clear, score


def stacked(values: npt.NDArray[np.float32]) -> xr.DataArray:
    return xr.DataArray(values, {"band": [f"B{b:02}" for b in range(values.shape[1])]}, ("time", "band", "y", "x"))


def made(stack: xr.DataArray, clear: Any, score: Any, method: Method) -> tuple[Any, Any, Any]:
    told = composite(stack, clear, method=method, score=score)
    return told.values.values, told.count.values, None if told.chosen is None else told.chosen.values


def usable(stack: xr.DataArray, clear: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return clear & np.isfinite(stack.values).all(1)


@given(observations())
def test_the_median_is_numpys(case: Any) -> None:
    stack, clear, score = case
    values, count, chosen = made(stack, clear, score, "median")
    good = usable(stack, clear)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        wanted = np.nanmedian(np.where(good[:, None], stack.values, np.nan), axis=0)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(count, good.sum(0))
    assert chosen is None and count.dtype == np.uint16 and values.dtype == np.float32


@given(observations())
def test_the_medoid_is_the_real_spectrum_nearest_to_the_median(case: Any) -> None:
    stack, clear, score = case
    values, _, chosen = made(stack, clear, score, "medoid")
    good = usable(stack, clear)
    for y, x in np.ndindex(*chosen.shape):
        here = np.flatnonzero(good[:, y, x])
        if not here.size:
            assert chosen[y, x] == -1 and np.isnan(values[:, y, x]).all()
            continue
        spectra = np.rint(stack.values[here, :, y, x].astype(np.float64) * 10_000)
        distance = ((spectra - np.median(spectra, axis=0)) ** 2).sum(1)
        nearest = spectra[distance == distance.min()]
        wanted = min(map(tuple, nearest))  # of equals the darkest
        assert tuple(np.rint(values[:, y, x].astype(np.float64) * 10_000)) == wanted
        np.testing.assert_array_equal(values[:, y, x], stack.values[chosen[y, x], :, y, x])
        assert good[chosen[y, x], y, x]


@given(observations())
def test_the_best_pixel_has_the_highest_score(case: Any) -> None:
    stack, clear, score = case
    values, _, chosen = made(stack, clear, score, "best")
    good = usable(stack, clear)
    reach = np.where(good, score, -np.inf).max(0)
    for y, x in np.ndindex(*chosen.shape):
        if not good[:, y, x].any():
            assert chosen[y, x] == -1 and np.isnan(values[:, y, x]).all()
        else:
            assert good[chosen[y, x], y, x] and score[chosen[y, x], y, x] == reach[y, x]
            np.testing.assert_array_equal(values[:, y, x], stack.values[chosen[y, x], :, y, x])


@given(observations(), methods, st.randoms(use_true_random=False))
def test_the_order_of_observations_changes_nothing(case: Any, method: Method, random: Any) -> None:
    stack, clear, score = case
    order = random.sample(range(len(stack)), len(stack))
    first = made(stack, clear, score, method)
    second = made(stack[order], clear[order], score[order], method)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@given(observations(), methods, st.integers(1, 4))
def test_windows_give_what_the_whole_gives(case: Any, method: Method, size: int) -> None:
    stack, clear, score = case
    whole = made(stack, clear, score, method)
    for tile in tile_grid(clear.shape[1:], size):
        w = tile.slices
        part = made(stack[:, :, w[0], w[1]], clear[:, w[0], w[1]], score[:, w[0], w[1]], method)
        np.testing.assert_array_equal(part[0], whole[0][:, w[0], w[1]])
        np.testing.assert_array_equal(part[1], whole[1][w])


@pytest.mark.slow
@given(observations(), methods)
def test_what_is_cloudy_has_no_say(case: Any, method: Method) -> None:
    stack, clear, score = case
    good = usable(stack, clear)
    spoilt = stack.copy(data=np.where(good[:, None], stack.values, np.float32(9)))
    np.testing.assert_array_equal(made(stack, clear, score, method)[0], made(spoilt, good, score, method)[0])
    np.testing.assert_array_equal(np.isnan(made(stack, clear, score, method)[0]).all(0), ~good.any(0))


@given(observations(), methods)
def test_one_observation_alone_is_the_composite(case: Any, method: Method) -> None:
    stack, clear, score = case
    values, *_ = made(stack[:1], clear[:1], score[:1], method)
    good = usable(stack, clear)[0]
    np.testing.assert_array_equal(values, np.where(good, stack.values[0], np.nan))


def test_the_result_lies_on_the_grid_of_its_observations() -> None:
    from odc.geo.geobox import GeoBox

    grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    one = raster_like(np.ones((2, 3), np.float32), grid).expand_dims(time=[datetime(2025, 5, 1)], band=["B04"])
    one.attrs["level"] = "L2A"
    told = composite(one, np.ones((1, 2, 3), bool), method="medoid")
    assert told.chosen is not None
    for raster in (told.values, told.count, told.chosen):
        assert raster.odc.geobox == grid and "time" not in raster.coords
    assert told.values.band.values.tolist() == ["B04"]
    assert told.values.attrs == {"level": "L2A", "composite": "medoid", "observations": 1}


def test_what_does_not_fit_is_refused() -> None:
    stack, clear = stacked(np.ones((2, 1, 3, 3), np.float32)), np.ones((2, 3, 3), bool)
    with pytest.raises(InputError, match=r"'mean'.*median, medoid, best"):
        composite(stack, clear, method="mean")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="masks of shape"):
        composite(stack, clear[:1])
    with pytest.raises(InputError, match="without a score"):
        composite(stack, clear, method="best")
    with pytest.raises(InputError, match="scores of shape"):
        composite(stack, clear, method="best", score=np.ones((2, 3, 2), np.float32))
    with pytest.raises(InputError, match="shape"):
        composite(stack[0], clear)


MIDDLE = datetime(2025, 7, 16, tzinfo=UTC)


@given(st.integers(-90, 90), st.integers(-90, 90), st.floats(0, 4000), st.floats(0, 100))
def test_nearer_to_the_middle_farther_from_clouds_and_clearer_is_better(
    one: int, other: int, distance: float, cloud: float
) -> None:
    def score(day: int, metres: float, percent: float) -> float:
        told = best_pixel_score(
            np.full((1, 1, 1), metres),
            [MIDDLE + timedelta(days=day)],
            middle=MIDDLE,
            cloud_percent=np.full((1, 1, 1), percent),
        )
        return float(told[0, 0, 0])

    if abs(one) <= abs(other):
        assert score(one, distance, cloud) >= score(other, distance, cloud)
    assert score(one, distance + 100, cloud) >= score(one, distance, cloud)
    assert score(one, distance, cloud / 2) >= score(one, distance, cloud)
    assert score(one, 1500, cloud) == score(one, 9000, cloud)
    assert 0 <= score(one, distance, cloud) <= 3


def test_the_score_by_hand() -> None:
    told = best_pixel_score(
        np.array([[[0.0]], [[750.0]]]),
        [datetime(2025, 6, 16), MIDDLE],  # 30 days before; without a zone it is UTC
        middle=MIDDLE,
        cloud_percent=np.array([[[50.0]], [[np.nan]]]),
        weights=(2, 1, 1),
    )
    wanted = [2 * np.exp(-0.5) + 1 / (1 + np.exp(5)) + 0.5, 2 + 0.5 + 0]
    np.testing.assert_allclose(told[:, 0, 0], wanted, rtol=1e-6)
    with pytest.raises(InputError, match="1 times for 2"):
        best_pixel_score(np.ones((2, 1, 1)), [MIDDLE], middle=MIDDLE)


@given(st.lists(st.integers(1, 65_535), min_size=1, max_size=50))
def test_whole_numbers_come_back_as_they_were(numbers: list[int]) -> None:
    values = np.array(numbers, np.float32) / np.float32(10_000)
    assert as_numbers(values).tolist() == numbers


def test_what_is_measured_never_becomes_no_data() -> None:
    assert as_numbers(np.float32([-0.2, 0, 0.00004, 0.00016, np.nan, np.inf])).tolist() == [1, 1, 1, 2, 0, 65_535]


@pytest.mark.slow
def test_quicker_than_numpy() -> None:
    rng = np.random.default_rng(0)
    values = np.float32(rng.random((30, 4, 128, 128)))
    clear = rng.random((30, 128, 128)) < 0.6
    stack = stacked(values)
    composite(stack[:, :, :2, :2], clear[:, :2, :2])  # compiled
    start = time.process_time()
    ours = composite(stack, clear).values.values
    between = time.process_time()
    theirs = np.nanmedian(np.where(clear[:, None], values, np.nan), axis=0)
    end = time.process_time()
    np.testing.assert_array_equal(ours, theirs)
    assert between - start < end - between
