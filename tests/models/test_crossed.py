"""Cross-validated probabilities: each row by the model that has not seen it."""

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.models.crossed import crossed_probabilities
from citygrain.models.forest import ForestClassifier
from citygrain.samples.folds import random_folds
from helpers.worlds import toy_rows


def forest() -> ForestClassifier:
    return ForestClassifier(trees=10)


def test_each_row_is_judged_by_the_other_folds_alone():
    samples = toy_rows(60)
    folds = random_folds(samples, 3, rng=np.random.default_rng(0))
    ticks: list[tuple[int, int]] = []
    p = crossed_probabilities(samples, folds, forest, progress=lambda *tick: ticks.append(tick))
    train, test = folds[1]
    assert p[test] == pytest.approx(forest().fit(samples[train]).predict_proba(samples[test].x))
    assert p.sum(1) == pytest.approx(1, abs=1e-5) and ticks == [(1, 3), (2, 3), (3, 3)]


def test_rows_of_no_fold_are_unknown():
    samples = toy_rows(60)
    samples.y[:5] = 0
    p = crossed_probabilities(samples, random_folds(samples, 2, rng=np.random.default_rng(0)), forest)
    assert np.isnan(p[:5]).all() and np.isfinite(p[5:]).all()


def test_one_class_to_train_on_is_refused():
    samples = toy_rows(9)
    with pytest.raises(InputError, match="one class only"):
        crossed_probabilities(samples, [(np.array([0, 3]), np.array([1]))], forest)
