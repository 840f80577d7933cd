"""Conformal sets: the coverage that is promised, where plain sets break it, and the quantile of another library."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin

from citygrain.accuracy.conformal import (
    SetRule,
    block_quantile,
    class_scores,
    fit_rules,
    fit_sets,
    jackknife_quantile,
    pooled_quantile,
    set_figures,
)
from citygrain.errors import InputError

RNG = np.random.default_rng


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose rows are its own answers, for the library that is asked for comparison."""

    def fit(self, x, y):
        self.classes_, self.fitted_ = np.unique(y), True
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(1)


def exchangeable(n: int, rng: np.random.Generator, k: int = 4):
    """Rows that say too little of what they know: sets are wanted, and no order among rows."""
    p = rng.dirichlet(np.full(k, 0.5), n)
    columns = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    flat = p**0.5
    return flat / flat.sum(1, keepdims=True), columns


def hierarchical(blocks: int, rows: int, rng: np.random.Generator):
    """Blocks that are easy or hard as a whole: what the right class is given depends on the block above all."""
    hardness = rng.uniform(0, 0.9, blocks)
    block = np.repeat(np.arange(blocks), rows)
    lost = np.clip(hardness[block] + rng.normal(0, 0.03, block.size), 0, 1)
    return np.stack([1 - lost, lost], 1), np.zeros(block.size, int), block


@given(st.integers(20, 400), st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.integers(0, 1000))
def test_the_plain_quantile_is_that_of_mapie(n, level, seed):
    p, columns = exchangeable(n, RNG(seed))
    columns[:4] = range(4)  # each class is there, as the other library wants
    theirs = SplitConformalClassifier(Given().fit(p, columns), confidence_level=level, conformity_score="lac")
    theirs.conformalize(p, columns)
    new, _ = exchangeable(50, RNG(seed + 1))
    _, sets = theirs.predict_set(new)
    ours = class_scores(p, "lac")[np.arange(n), columns]
    threshold = pooled_quantile(ours, level)
    assert np.array_equal(sets[:, :, 0], class_scores(new, "lac") <= threshold + 1e-12)


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_exchangeable_rows_are_covered_as_promised(score):
    """2,000 new rows after each of 120 calibrations: the mean coverage is level to level + 1 / (n + 1)."""
    rng, covered = RNG(0), []
    for _ in range(120):
        p, y = exchangeable(199, rng)
        threshold = pooled_quantile(class_scores(p, score)[np.arange(199), y], 0.9)
        new, truth = exchangeable(2000, rng)
        covered.append((class_scores(new, score)[np.arange(2000), truth] <= threshold).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert 0.9 - 3 * error < np.mean(covered) < 0.9 + 1 / 200 + 3 * error


def test_with_one_row_in_each_block_both_quantiles_agree():
    for n, level in [(9, 0.9), (30, 0.8), (57, 0.95), (12, 0.5)]:
        scores = RNG(n).random(n)
        assert block_quantile(scores, np.arange(n), level) == pooled_quantile(scores, level)


def test_where_blocks_differ_the_plain_threshold_fails_and_ours_holds():
    """12 blocks calibrate and another one is judged, 800 times: the mean over those is what is promised."""
    rng, plain, ours = RNG(1), [], []
    for _ in range(800):
        p, y, block = hierarchical(13, 40, rng)
        own = class_scores(p, "lac")[np.arange(len(y)), y]
        known, new = block < 12, block == 12
        plain.append((own[new] <= pooled_quantile(own[known], 0.9)).mean())
        ours.append((own[new] <= block_quantile(own[known], block[known], 0.9)).mean())
    error = np.std(plain) / np.sqrt(len(plain))
    assert np.mean(plain) < 0.9 - 3 * error
    assert np.mean(ours) > 0.9 - 3 * np.std(ours) / np.sqrt(len(ours))


def test_too_few_blocks_for_the_level_have_no_finite_threshold():
    scores, block = RNG(0).random(80), np.arange(80) % 8
    assert block_quantile(scores, block, 0.9) == np.inf
    assert block_quantile(scores, block, 8 / 9) == scores.max()


def test_leaving_a_block_out_can_only_raise_the_threshold_over_that_of_all():
    scores, block = RNG(0).random(300), np.arange(300) % 6
    highest = max(np.quantile(scores[block != left], 0.9, method="inverted_cdf") for left in range(6))
    assert jackknife_quantile(scores, block, 0.9) == pytest.approx(highest)


def test_the_rule_says_what_it_can_promise():
    p, y = exchangeable(600, RNG(0))
    few, many = fit_sets(p, y, np.arange(600) % 6), fit_sets(p, y, np.arange(600) % 30)
    assert (few.guarantee, few.blocks) == ("none", 6)
    assert (many.guarantee, many.blocks) == ("blocks", 30)
    assert fit_sets(p[:80], y[:80], np.arange(80) % 8) is None
    assert fit_sets(p, y, np.zeros(600, int)) is None
    assert SetRule(**json.loads(json.dumps(many.to_dict()))) == many


@given(st.integers(2, 40), st.integers(0, 100))
def test_a_higher_level_never_has_smaller_sets(blocks, seed):
    p, y = exchangeable(400, RNG(seed))
    rules = fit_rules(p, y, np.arange(400) % blocks)
    sets = [rule.sets(p) for rule in rules]
    assert len({rule.score for rule in rules}) == 1
    assert all((small <= large).all() for small, large in pairwise(sets))


def test_the_score_with_the_smaller_sets_is_chosen():
    p, y = exchangeable(3000, RNG(3))
    block = np.arange(3000) % 30
    chosen = fit_sets(p, y, block)
    for name in ("lac", "aps"):
        threshold = block_quantile(class_scores(p, name)[np.arange(3000), y], block, 0.9)
        other = SetRule(0.9, name, threshold, 3000, 30, "blocks")
        assert chosen.sets(p).sum() <= other.sets(p).sum()


def test_a_set_is_never_empty_and_holds_the_likeliest_class():
    p, _ = exchangeable(500, RNG(4))
    for score in ("lac", "aps"):
        sets = SetRule(0.9, score, 0.1, 500, 20, "blocks").sets(p)
        assert sets[np.arange(500), p.argmax(1)].all()


def test_sums_of_the_likelier_classes_by_hand():
    assert np.allclose(class_scores(np.array([[0.2, 0.5, 0.3]]), "aps"), [[1.0, 0.5, 0.8]])
    assert np.allclose(class_scores(np.array([[0.2, 0.5, 0.3]]), "lac"), [[0.8, 0.5, 0.7]])


def test_masks_hold_a_bit_for_each_class():
    p, _ = exchangeable(200, RNG(5))
    rule = SetRule(0.9, "aps", 0.8, 500, 20, "blocks")
    bits = (rule.masks(p)[:, None] >> np.arange(4)) & 1
    assert np.array_equal(bits.astype(bool), rule.sets(p))
    assert rule.masks(np.full((1, 32), 1 / 32)).dtype == np.uint32
    assert SetRule(0.9, "lac", 1.0, 1, 1, "none").masks(np.full((1, 32), 1 / 32)).tolist() == [2**32 - 1]
    with pytest.raises(InputError, match="33 classes"):
        rule.masks(np.full((1, 33), 1 / 33))


def test_figures_of_a_case_worked_by_hand():
    sets = np.array([[1, 0], [1, 1], [0, 1], [0, 1], [1, 0]], bool)
    found = set_figures(sets, np.array([0, 1, 0, 1, -1]), np.array([0, 0, 1, 1, 1]), rng=RNG(0))
    assert (found["units"], found["blocks"], found["coverage"], found["mean_size"]) == (4, 2, 0.75, 1.25)
    assert found["sizes"] == {"1": 3, "2": 1}
    assert found["share_of_one_class"] == 0.75
    assert found["coverage_of_blocks"] == 0.75
    assert found["interval_95"]["coverage"] == [0.5, 1.0]
    assert set_figures(sets, np.full(5, -1), np.zeros(5, int), rng=RNG(0))["coverage"] is None


def test_the_block_interval_holds_the_binomial_one_where_rows_are_independent():
    rng = RNG(0)
    held = rng.random(4000) < 0.9
    found = set_figures(np.stack([held, ~held], 1), np.zeros(4000, int), np.arange(4000) // 4, rng=rng)
    expected = binom.ppf([0.025, 0.975], 4000, 0.9) / 4000
    assert found["interval_95"]["coverage"] == pytest.approx(list(expected), abs=0.008)


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_what_is_no_level(level):
    with pytest.raises(InputError, match="between 0 and 1"):
        pooled_quantile(np.ones(3), level)
