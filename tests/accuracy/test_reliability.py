"""Reliability bins: nothing lost, edges where they belong, and the calibration error of known cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.accuracy.reliability import reliability_bins
from citygrain.errors import InputError


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20))
def test_every_unit_is_in_the_bin_of_its_confidence(rows, bins):
    sure, right = (np.array(column) for column in zip(*rows, strict=True))
    found = reliability_bins(sure, right, bins)
    assert found.counts.sum() == len(rows)
    filled = found.counts > 0
    assert np.average(found.accuracy[filled], weights=found.counts[filled]) == pytest.approx(right.mean())
    assert (found.confidence[filled] >= found.edges[:-1][filled] - 1e-4).all()
    assert (found.confidence[filled] <= found.edges[1:][filled] + 1e-4).all()
    assert np.isnan(found.accuracy[~filled]).all()
    assert 0 <= found.ece <= 1


def test_the_error_of_a_case_worked_by_hand():
    """Bins 0.5-0.6 (2 units, confidence 0.55, half right) and 0.9-1 (3 units, 0.95, all right)."""
    found = reliability_bins([0.55, 0.55, 0.95, 0.95, 0.95], [True, False, True, True, True])
    assert found.ece == pytest.approx((2 * 0.05 + 3 * 0.05) / 5)


def test_stored_per_cents_begin_their_bins():
    sure = np.arange(101, dtype=np.float32) / np.float32(100)
    assert reliability_bins(sure, np.ones(101, bool)).counts.tolist() == [10] * 9 + [11]


def test_one_bin_is_the_whole_and_no_data_is_left_out():
    found = reliability_bins([0.5, np.nan, 0.7], [True, True, False], 1)
    assert found.counts.tolist() == [2]
    assert found.ece == pytest.approx(0.1)
    assert np.isnan(reliability_bins([np.nan], [True]).ece)


@pytest.mark.parametrize(("sure", "right", "bins"), [([0.5], [], 10), ([0.5], [True], 0), ([1.5], [True], 10)])
def test_what_is_no_confidence(sure, right, bins):
    with pytest.raises(InputError):
        reliability_bins(sure, right, bins)
