"""Paired comparison: published and hand-worked numbers, an oracle, and what must hold for any two maps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from citygrain.accuracy.assess import assess
from citygrain.accuracy.comparing import McNemar, compare_labels, mcnemar, paired_difference
from citygrain.errors import InputError
from citygrain.legend import URBAN

COUNT = st.integers(0, 400)
RNG = np.random.default_rng


def test_the_table_of_approval_ratings():
    """Agresti, Categorical Data Analysis (2002), table 10.1: z = -4.17, z squared = 17.36."""
    test = McNemar(both=794, first_only=86, second_only=150, neither=570)
    assert test.total == 1600
    assert round(test.z, 2) == -4.17
    assert round(test.chi2, 2) == 17.36
    assert test.p_chi2 == pytest.approx(3.1e-5, rel=0.02)


def test_a_table_worked_by_hand():
    """b = 11, c = 1: chi2 = 100 / 12, exact p = 2 (1 + 12) / 4096."""
    test = McNemar(both=29, first_only=11, second_only=1, neither=9)
    assert test.chi2 == pytest.approx(100 / 12)
    assert test.p_exact == pytest.approx(26 / 4096)


@given(COUNT, COUNT)
def test_probabilities_are_scipys(b, c):
    test = McNemar(5, b, c, 7)
    assert test.p_chi2 == pytest.approx(chi2.sf(test.chi2, 1), rel=1e-9)
    if b + c:
        assert test.p_exact == pytest.approx(binomtest(b, b + c, 0.5).pvalue, rel=1e-9)
        assert test.z == pytest.approx((b - c) / np.sqrt(b + c))
    else:
        assert (test.p_exact, test.z) == (1.0, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=40))
def test_counts_are_those_of_the_units_and_sides_can_be_changed(rows):
    first, second, weight = (np.array(column) for column in zip(*rows, strict=True))
    test, turned = mcnemar(first, second, weights=weight), mcnemar(second, first, weights=weight)
    assert test.total == weight.sum()
    assert test.first_only == weight[first & ~second].sum()
    assert test.second_only == weight[second & ~first].sum()
    assert (turned.first_only, turned.second_only, turned.both) == (test.second_only, test.first_only, test.both)
    assert (turned.p_exact, turned.z) == (test.p_exact, -test.z)


@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_the_interval_turns_with_the_sides_and_holds_what_is_certain(blocks, seed):
    rng = RNG(seed)
    block = rng.integers(blocks, size=200)
    first, second = rng.random((2, 200)) < 0.7
    paired = paired_difference(first, second, block, rng=RNG(1), draws=100)
    turned = paired_difference(second, first, block, rng=RNG(1), draws=100)
    assert paired.difference == pytest.approx(second.mean() - first.mean())
    assert turned.interval == pytest.approx((-paired.interval[1], -paired.interval[0]))
    same = paired_difference(first, first, block, rng=RNG(1), draws=100)
    assert same.interval == (0.0, 0.0)
    gained = paired_difference(first & second, second, block, rng=RNG(1), draws=100)
    assert gained.interval[0] >= 0


def test_neighbours_that_are_copies_do_not_narrow_the_interval():
    rng = RNG(3)
    first, second = rng.random((2, 60)) < 0.7
    block = np.arange(60)
    few = paired_difference(first, second, block, rng=RNG(0)).interval
    copies = paired_difference(first.repeat(50), second.repeat(50), block.repeat(50), rng=RNG(0)).interval
    assert copies == pytest.approx(few)
    naive = paired_difference(first.repeat(50), second.repeat(50), np.arange(3000), rng=RNG(0)).interval
    assert naive[1] - naive[0] < 0.3 * (few[1] - few[0])


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says():
    """Blocks whose difference has mean 0.05: about 95 of 100 intervals hold it."""
    held = 0
    for seed in range(100):
        rng = RNG(seed)
        share = rng.uniform(0.5, 0.9, 80).repeat(20)  # hard and easy blocks
        first = rng.random(1600) < share
        second = rng.random(1600) < share + 0.05
        low, high = paired_difference(first, second, np.arange(80).repeat(20), rng=rng, draws=300).interval
        held += low <= 0.05 <= high
    assert 0.89 <= held / 100 <= 0.99


def test_a_weight_is_so_many_units():
    first, second, weight, block = [True, False, True], [False, True, True], [3, 1, 2], [0, 1, 1]
    one = paired_difference(first, second, block, rng=RNG(0), weights=weight)
    many = paired_difference(np.repeat(first, weight), np.repeat(second, weight), np.repeat(block, weight), rng=RNG(0))
    assert one == many


def test_one_block_tells_no_spread():
    assert paired_difference([True], [False], [7], rng=RNG(0)).interval is None


def test_a_unit_without_a_class_is_left_out_for_both():
    labels = np.array([1, 1, 0, 4, 4]), np.array([1, 4, 1, 0, 4])
    reference = np.array([1, 1, 1, 4, 0])
    paired = compare_labels(labels, reference, np.arange(5), URBAN, rng=RNG(0))
    assert paired.first.total == paired.second.total == paired.test.total == 2
    assert (paired.first.matrix == assess(reference[:2], labels[0][:2], URBAN).matrix).all()
    assert paired.difference.first == paired.first.overall_accuracy == 1.0
    assert paired.difference.second == paired.second.overall_accuracy == 0.5
    plain = paired.to_dict()
    assert plain["overall_accuracy"]["difference"] == -0.5
    assert plain["mcnemar"]["first_only"] == 1


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="same units"):
        mcnemar([True], [True, False])
    with pytest.raises(InputError, match="same units"):
        compare_labels(([1], [1]), [1, 2], [0], URBAN, rng=RNG(0))
    with pytest.raises(InputError, match="common ground"):
        compare_labels(([1], [0]), [1], [0], URBAN, rng=RNG(0))
    with pytest.raises(InputError, match="a block for each"):
        paired_difference([], [], [], rng=RNG(0))
    with pytest.raises(InputError, match="confidence level"):
        paired_difference([True], [True], [0], rng=RNG(0), level=1.0)
