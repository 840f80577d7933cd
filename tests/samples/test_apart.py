"""Folds whose sides share neither a group nor ground."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.apart import centre_blocks, folds_apart
from citygrain.samples.samples import Samples


def town(seed: int, n: int = 60) -> Samples:
    """Squares of 30 m anywhere on 1 km, in blocks of 250 m; some have no class."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 970, (n, 2))
    y = rng.choice([0, 1, 4], n)
    group = centre_blocks(low + 15, 250)
    x = np.zeros((n, 1), np.float32)
    return Samples.of(x, y, features=("B02",), legend=URBAN, extent=np.hstack([low, low + 30]), group=group)


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((np.minimum(one[2:], other[2:]) > np.maximum(one[:2], other[:2])).all())


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_each_labelled_row_is_tested_once_and_far_from_training(seed, folds):
    samples = town(seed)
    found = folds_apart(samples, folds, rng=np.random.default_rng(seed))
    tested = np.concatenate([test for _, test in found])
    assert sorted(tested.tolist()) == np.flatnonzero(samples.y).tolist()
    for train, test in found:
        assert not set(samples.group[train]) & set(samples.group[test])
        assert not any(overlap(samples.extent[a], samples.extent[b]) for a in train for b in test)


def test_only_what_meets_is_left_out():
    samples = town(3)
    (train, test), *_ = folds_apart(samples, 3, rng=np.random.default_rng(0))
    others = np.setdiff1d(np.flatnonzero(samples.y), np.concatenate([train, test]))
    assert all(any(overlap(samples.extent[a], samples.extent[b]) for b in test) for a in others)


@given(st.integers(0, 2**32 - 1), st.floats(10, 500))
def test_blocks_are_squares_that_hold_their_centres(seed, size):
    centres = np.random.default_rng(seed).uniform(0, 1000, (40, 2))
    number = centre_blocks(centres, size)
    for one in np.unique(number):
        assert (np.ptp(centres[number == one], axis=0) <= size).all()


def test_ground_that_touches_everywhere_leaves_nothing():
    samples = Samples.of(
        np.zeros((4, 1), np.float32),
        [1, 4, 1, 4],
        features=("B02",),
        legend=URBAN,
        group=np.array([0, 0, 1, 1]),
        extent=np.array([[0, 0, 100, 100]] * 4, float),
    )
    with pytest.raises(InputError, match="larger block"):
        folds_apart(samples, 2, rng=np.random.default_rng(0))


def test_one_block_is_no_fold():
    samples = town(1)
    samples.group[:] = 0
    with pytest.raises(InputError):
        folds_apart(samples, 5, rng=np.random.default_rng(0))
