import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.buffer import without_neighbours
from citygrain.samples.samples import Samples


def scattered(n: int, seed: int) -> Samples:
    """Windows of 90 m on a lattice of 10 m, in groups of ten."""
    corner = np.random.default_rng(seed).integers(0, 100, (n, 2)) * 10.0
    extent = np.hstack([corner, corner + 90])
    codes, group = 1 + np.arange(n) % 2, np.arange(n) // 10
    return Samples.of(np.zeros((n, 1)), codes, features=("B02",), legend=URBAN, extent=extent, group=group)


@given(st.integers(0, 1000), st.integers(0, 30).map(lambda tens: 10.0 * tens))
def test_what_stays_keeps_away_and_what_goes_does_not(seed: int, buffer: float) -> None:
    samples = scattered(60, seed)
    test, train = np.arange(20), np.arange(20, 60)
    kept = without_neighbours(samples, train, test, buffer=buffer)
    one, other = samples.extent[train][:, None], samples.extent[test][None]
    gap = np.maximum(one[..., :2] - other[..., 2:], other[..., :2] - one[..., 2:]).max(-1)  # along the wider axis
    assert np.isin(train, kept).tolist() == (gap >= buffer).all(1).tolist()


def test_rows_without_ground_stay_and_a_negative_buffer_is_refused() -> None:
    lost = Samples.of(np.zeros((4, 1)), [1, 1, 2, 2], features=("B02",), legend=URBAN)
    rows = np.arange(4)
    assert without_neighbours(lost, rows[:2], rows[2:], buffer=100).tolist() == [0, 1]
    with pytest.raises(InputError, match="buffer of -1 m"):
        without_neighbours(lost, rows[:2], rows[2:], buffer=-1)
