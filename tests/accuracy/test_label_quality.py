"""Confident learning: the published definition by hand, what it must not depend on, and a finder that finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citygrain.accuracy.label_quality import judge_labels, pool_probabilities
from citygrain.errors import InputError
from citygrain.legend import Legend

LEGEND = Legend.from_names({2: "Forest", 5: "Grass", 9: "Water"})


def worlds() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Labels, some of them missing, and probabilities without ties."""

    def world(n: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
        labels = arrays(np.uint8, n, elements=st.sampled_from([0, 2, 5, 9])).filter(lambda y: (y > 0).any())
        seeds = st.integers(0, 2**32 - 1)
        return st.tuples(labels, seeds.map(lambda s: np.random.default_rng(s).dirichlet([1, 1, 1], n)))

    return st.integers(1, 30).flatmap(world)


def test_the_definition_worked_by_hand():
    """Equations 1 to 3 of the paper on seven rows, as one would do it with a pencil.

    Thresholds: Forest (0.8 + 0.6 + 0.1) / 3 = 0.5; Grass (0.7 + 0.5) / 2 = 0.6; Water (0.9 + 0.3) / 2 = 0.6.
    Row 2 (Forest) reaches Grass at 0.8. Row 4 (Grass) reaches Forest at 0.5, although Grass is as likely, since 0.5 is
    below Grass's threshold. Row 6 (Water) reaches nothing and is not counted.
    Confident joint: Forest [2, 1, 0], Grass [1, 1, 0], Water [0, 0, 1].
    Calibrated to 3, 2 and 2 of 7 labels: [2, 1, 0] / 7, [1, 1, 0] / 7, [0, 0, 2] / 7.
    """
    labels = [2, 2, 2, 5, 5, 9, 9]
    rows = [[8, 1, 1], [6, 3, 1], [1, 8, 1], [2, 7, 1], [5, 5, 0], [0, 1, 9], [4, 3, 3]]
    found = judge_labels(labels, np.array(rows) / 10, LEGEND)
    assert found.thresholds == pytest.approx([0.5, 0.6, 0.6])
    assert found.suggested.tolist() == [2, 2, 5, 5, 2, 9, 9]
    assert found.ranking.tolist() == [2, 4] and found.confident.tolist() == found.suspect.tolist()
    assert found.margin == pytest.approx([0.7, 0.3, -0.7, 0.5, 0.0, 0.8, -0.1])
    assert found.joint == pytest.approx(np.array([[2, 1, 0], [1, 1, 0], [0, 0, 2]]) / 7)
    assert found.error_rate == pytest.approx(2 / 7)


@given(worlds())
def test_the_joint_holds_the_labels_as_they_are(world):
    labels, p = world
    found = judge_labels(labels, p, LEGEND)
    counts = np.array([(labels == code).sum() for code in LEGEND.values])
    assert found.joint.sum(1) == pytest.approx(counts / counts.sum())
    assert (found.joint >= 0).all() and 0 <= found.error_rate <= 1
    assert ((found.suggested == 0) == (labels == 0)).all() and np.isnan(found.margin[labels == 0]).all()
    assert (np.diff(found.margin[found.ranking]) >= 0).all()


@given(worlds(), st.randoms(use_true_random=False))
def test_neither_order_of_rows_nor_of_classes_matters(world, random):
    labels, p = world
    found = judge_labels(labels, p, LEGEND)
    rows = np.array(random.sample(range(len(labels)), len(labels)))
    mixed = judge_labels(labels[rows], p[rows], LEGEND)
    assert (mixed.suggested == found.suggested[rows]).all() and mixed.joint == pytest.approx(found.joint)
    turned = Legend.from_names({9: "Water", 5: "Grass", 2: "Forest"})
    columns = [list(LEGEND.values).index(code) for code in turned.values]
    other = judge_labels(labels, p[:, columns], turned)
    assert (other.suggested == found.suggested).all() and np.allclose(other.margin, found.margin, equal_nan=True)


@given(worlds())
def test_unlabelled_rows_change_nothing(world):
    labels, p = world
    more = judge_labels(np.append(labels, [0, 2]), np.vstack([p, [[1, 0, 0], [np.nan] * 3]]), LEGEND)
    assert (more.suggested[: len(labels)] == judge_labels(labels, p, LEGEND).suggested).all()


def test_a_model_that_is_right_finds_each_flipped_label_and_no_other():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 600)
    p = 0.05 + 0.85 * np.eye(3)[true]
    labels = LEGEND.codes(true)
    flipped = rng.random(600) < 0.15
    labels[flipped] = LEGEND.codes((true[flipped] + rng.integers(1, 3, flipped.sum())) % 3)
    found = judge_labels(labels, p, LEGEND)
    assert (found.suspect == flipped).all() and (found.suggested == LEGEND.codes(true)).all()
    assert found.error_rate == pytest.approx(flipped.mean())


def test_as_many_are_doubted_as_the_joint_has():
    """Ten Forest, ten Grass; of Forest five are confidently Grass, one is not counted, and one looks half like Grass.

    Forest's threshold is (4 x 0.9 + 0.45 + 5 x 0.1) / 10 = 0.455, Grass's 0.8. Nine Forest labels are counted, of which
    five are Grass's: calibrated 10 x 5 / 9 = 5.6, so six are doubted, the sixth with 0.55 against 0.45.
    """
    forest = np.array([0.9] * 4 + [0.45] + [0.1] * 5 + [0.2] * 10)
    p = np.column_stack([forest, 1 - forest, 0 * forest])
    found = judge_labels([2] * 10 + [5] * 10, p, LEGEND)
    assert found.thresholds[:2] == pytest.approx([0.455, 0.8])
    assert found.joint[0, 1] * 20 == pytest.approx(50 / 9)
    assert np.flatnonzero(found.confident).tolist() == [5, 6, 7, 8, 9]
    assert np.flatnonzero(found.suspect).tolist() == [4, 5, 6, 7, 8, 9]


def test_a_class_without_labels_is_never_suggested():
    found = judge_labels([2, 2, 5], [[0.1, 0.1, 0.8], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1]], LEGEND)
    assert 9 not in found.suggested and np.isnan(found.thresholds[2])
    assert found.to_dict()["thresholds"]["Water"] is None


@given(worlds(), st.integers(1, 5))
def test_pools_are_means_of_their_own(world, number):
    labels, p = world
    group = np.arange(len(labels)) % number
    groups, mean = pool_probabilities(p, group)
    for one, pooled in zip(groups, mean, strict=True):
        assert pooled == pytest.approx(p[group == one].mean(0))
    assert pool_probabilities(p, group, np.full(len(p), 3.0))[1] == pytest.approx(mean)


@pytest.mark.parametrize(
    ("labels", "p"),
    [([2], [[0.5, 0.5]]), ([0], [[1, 0, 0]]), ([2], [[1.5, -0.5, 0]]), ([2], [[np.nan] * 3])],
)
def test_what_cannot_be_judged(labels, p):
    with pytest.raises(InputError):
        judge_labels(labels, p, LEGEND)
