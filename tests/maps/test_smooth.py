import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.errors import InputError
from citygrain.maps.smooth import LCZ_KERNELS, lcz_filter, majority_filter

Codes = npt.NDArray[np.uint8]

MAPS = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.sampled_from([0, 2, 6, 8, 14, 17])
)


def dense(codes: Codes, resolution: float) -> Codes:
    """The filter as its definition reads: for each zone the sum over the whole square of the kernel, pixel by pixel."""
    sums = np.zeros((18, *codes.shape))
    for zone, (radius, sigma) in LCZ_KERNELS.items():
        reach = int(radius // resolution)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * resolution
        kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
        kernel /= kernel.sum()
        mask = np.pad((codes == zone).astype(float), reach)
        for row, column in np.ndindex(*codes.shape):
            window = mask[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            sums[zone, row, column] = (window * kernel).sum()
    return np.where(codes > 0, np.round(sums, 9).argmax(0), 0).astype(np.uint8)


@settings(max_examples=25)
@given(codes=MAPS, resolution=st.sampled_from([100.0, 50.0, 75.0]))
def test_the_filter_is_the_dense_convolution(codes: Codes, resolution: float) -> None:
    assert np.array_equal(lcz_filter(codes, resolution), dense(codes, resolution))


@given(codes=MAPS, tile=st.integers(3, 9))
def test_tiled_is_whole(codes: Codes, tile: int) -> None:
    assert np.array_equal(lcz_filter(codes, 100, tile=tile), lcz_filter(codes, 100))
    assert np.array_equal(majority_filter(codes, 2, tile=tile), majority_filter(codes, 2))


@given(codes=MAPS)
def test_no_data_and_only_no_data_stays_no_data(codes: Codes) -> None:
    for smoothed in (lcz_filter(codes, 100), majority_filter(codes, 1)):
        assert np.array_equal(smoothed == 0, codes == 0)
        assert set(np.unique(smoothed)) <= set(np.unique(codes))


@given(codes=MAPS)
def test_turning_the_map_turns_the_result(codes: Codes) -> None:
    assert np.array_equal(lcz_filter(codes.T, 100), lcz_filter(codes, 100).T)
    assert np.array_equal(lcz_filter(codes[::-1], 100), lcz_filter(codes, 100)[::-1])


def test_water_neither_grows_nor_gives_way() -> None:
    # At 100 m its kernel is its own pixel, whose weight of 1 no other zone can reach.
    codes = np.random.default_rng(0).choice([6, 14, 17], (60, 60)).astype(np.uint8)
    assert np.array_equal(lcz_filter(codes, 100) == 17, codes == 17)


def test_one_zone_everywhere_stays_as_it_is() -> None:
    for zone in LCZ_KERNELS:
        codes = np.full((12, 12), zone, np.uint8)
        assert np.array_equal(lcz_filter(codes, 100), codes)


def test_of_two_equal_sums_the_lower_code_wins() -> None:
    codes = np.array([[6, 0, 5], [6, 8, 5], [6, 0, 5]], np.uint8)  # 5 and 6 have one kernel; alone, 8 weighs less
    for turned in (codes, codes[:, ::-1], codes.T, codes.T[::-1]):
        assert lcz_filter(turned, 250)[1, 1] == 5


@given(codes=MAPS, radius=st.integers(0, 3))
def test_majority_is_the_most_frequent_class(codes: Codes, radius: int) -> None:
    smoothed = majority_filter(codes, radius)
    for row, column in np.argwhere(codes > 0):
        window = codes[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
        counts = np.bincount(window[window > 0], minlength=18)
        winners = np.flatnonzero(counts == counts.max())
        own = codes[row, column]
        assert smoothed[row, column] == (own if own in winners else winners[0])


def test_foreign_maps_are_refused() -> None:
    good = np.ones((3, 3), np.uint8)
    with pytest.raises(InputError, match=r"\[18\]"):
        lcz_filter(good * 18, 100)
    with pytest.raises(InputError, match="positive"):
        lcz_filter(good, 0)
    with pytest.raises(InputError, match="uint8"):
        lcz_filter(good.astype(float), 100)
    with pytest.raises(InputError, match="uint8"):
        majority_filter(good[0])
    with pytest.raises(InputError, match="radius"):
        majority_filter(good, -1)
