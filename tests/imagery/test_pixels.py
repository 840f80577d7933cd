import itertools

import numpy as np
import pytest

from citygrain.imagery._pixels import network


@pytest.mark.parametrize("n", range(1, 15))
def test_the_network_sorts_whatever_there_is(n: int) -> None:
    """A network that sorts all rows of noughts and ones sorts everything (Knuth, 5.3.4)."""
    rows = np.array(list(itertools.product([0, 1], repeat=n))).T
    for one, other in network(n):
        rows[one], rows[other] = np.minimum(rows[one], rows[other]), np.maximum(rows[one], rows[other])
    assert (np.diff(rows, axis=0) >= 0).all()


@pytest.mark.parametrize("n", [31, 64, 100])
def test_the_network_sorts_many(n: int) -> None:
    rows = np.random.default_rng(0).random((n, 200))
    wanted = np.sort(rows, axis=0)
    for one, other in network(n):
        rows[one], rows[other] = np.minimum(rows[one], rows[other]), np.maximum(rows[one], rows[other])
    np.testing.assert_array_equal(rows, wanted)
    assert len(network(n)) < n * n / 4  # what insertion would take
