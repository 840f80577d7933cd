"""Area of applicability: the definition by brute force, a case worked by hand, and what is kept is what was learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.maps.applicability import MOST_ROWS, Applicability, learn_applicability

RNG = np.random.default_rng


def brute(train, group, weights, new):
    """The definition of Meyer and Pebesma (2021), pair by pair: index of new rows, and the threshold."""
    center, scale = train.mean(0), train.std(0, ddof=1)
    rows, far = ((x - center) / scale * weights for x in (train, new))
    n = len(rows)
    pairs = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in rows] for a in rows])
    mean = pairs[~np.eye(n, dtype=bool)].mean()
    own = np.array([min(pairs[i, j] for j in range(n) if group[i] != group[j]) for i in range(n)]) / mean
    whisker = np.quantile(own, 0.75) + 1.5 * (np.quantile(own, 0.75) - np.quantile(own, 0.25))
    index = np.array([min(np.sqrt(((a - b) ** 2).sum()) for b in rows) for a in far]) / mean
    return index, min(whisker, own.max())


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(8, 40))
def test_it_is_the_definition_by_brute_force(seed, features, n):
    rng = RNG(seed)
    train, new = rng.normal(3, [[2.0]] * n, (n, features)), rng.normal(4, 3, (9, features))
    group, weights = np.arange(n) % 4, rng.random(features) + 0.1
    found = learn_applicability(train.astype(np.float32), group, weights, rng=rng)
    index, threshold = brute(train.astype(np.float32), group, weights, new.astype(np.float32))
    assert found.threshold == pytest.approx(threshold, rel=1e-4)
    assert found.dissimilarity(new.astype(np.float32)) == pytest.approx(index, rel=1e-3, abs=1e-5)


def test_a_case_worked_by_hand():
    """Two features, four rows in two folds; the second feature counts half.

    Standardised (n - 1): a = -1.161895, -0.387298, 0.387298, 1.161895 and b = half of the same. Distances are
    0.774597 sqrt(1.25) times 1, 2 or 3; their mean is 5 / 3 of that unit. Across the folds the nearest are 2, 1, 1, 2
    units away: indices 1.2, 0.6, 0.6, 1.2, whose quartiles are 0.6 and 1.2. The whisker of 2.1 is beyond the largest.
    """
    rows = np.array([[0, 10], [1, 20], [2, 30], [3, 40]], np.float32)
    known = learn_applicability(rows, np.array([0, 0, 1, 1]), [1, 0.5], rng=RNG(0))
    assert known.mean_distance == pytest.approx(5 / 3 * 0.7745967 * np.sqrt(1.25), rel=1e-5)
    assert known.threshold == pytest.approx(1.2, rel=1e-5)
    assert known.dissimilarity(np.array([[4, 50], [1, 20], [1.5, 25]], np.float32)) == pytest.approx(
        [0.6, 0, 0.3], abs=1e-5
    )


def test_an_outlier_among_the_training_rows_does_not_make_everything_applicable():
    rng = RNG(0)
    rows = rng.normal(0, 1, (200, 3)).astype(np.float32)
    without = learn_applicability(rows, np.arange(200) % 5, rng=rng)
    rows[0] = 60
    with_it = learn_applicability(rows, np.arange(200) % 5, rng=rng)
    assert with_it.threshold < 3 * without.threshold


def test_what_is_like_the_training_rows_is_inside_and_the_rest_outside():
    rng = RNG(0)
    rows = rng.normal(0, 1, (400, 4)).astype(np.float32)
    known = learn_applicability(rows, np.arange(400) % 8, rng=rng)
    alike, strange = (known.dissimilarity(rng.normal(m, 1, (300, 4)).astype(np.float32)) for m in (0, 12))
    assert (alike <= known.threshold).mean() > 0.9
    assert (strange > known.threshold).all()


def test_a_feature_that_the_model_does_not_use_does_not_count():
    rng = RNG(0)
    rows = rng.normal(0, 1, (100, 2)).astype(np.float32)
    known = learn_applicability(rows, np.arange(100) % 4, [1, -3], rng=rng)
    moved = rows.copy()
    moved[:, 1] += 1000
    assert known.dissimilarity(moved) == pytest.approx(np.zeros(100), abs=1e-6)


def test_a_row_with_a_missing_value_has_no_index_and_teaches_nothing():
    rows = RNG(0).normal(0, 1, (50, 2)).astype(np.float32)
    rows[3, 1] = np.nan
    known = learn_applicability(rows, np.arange(50) % 3, rng=RNG(0))
    assert len(known.rows) == 49
    assert np.isnan(known.dissimilarity(rows)).tolist() == [row == 3 for row in range(50)]
    assert known.dissimilarity(rows[:0]).shape == (0,)


def test_what_is_kept_is_what_was_learned():
    rows = RNG(0).normal(0, 1, (3000, 3)).astype(np.float32)
    known = learn_applicability(rows, np.arange(3000) % 7, rng=RNG(1))
    assert len(known.rows) == MOST_ROWS
    again = Applicability.from_arrays(known.to_arrays())
    assert np.array_equal(again.dissimilarity(rows), known.dissimilarity(rows))
    assert again.threshold == known.threshold


def test_what_cannot_be_learned_from():
    rows = RNG(0).normal(0, 1, (20, 2)).astype(np.float32)
    with pytest.raises(InputError, match="one block"):
        learn_applicability(rows, np.zeros(20, int), rng=RNG(0))
    with pytest.raises(InputError, match="all the same"):
        learn_applicability(np.ones((20, 2), np.float32), np.arange(20) % 2, rng=RNG(0))
    known = learn_applicability(rows, np.arange(20) % 2, rng=RNG(0))
    with pytest.raises(InputError, match="2 features"):
        known.dissimilarity(np.zeros((3, 5), np.float32))
    with pytest.raises(InputError, match="without numbers"):
        Applicability.from_arrays({k: v for k, v in known.to_arrays().items() if k != "numbers"})
    with pytest.raises(InputError, match="do not fit"):
        Applicability.from_arrays(known.to_arrays() | {"center": np.zeros(7, np.float32)})
