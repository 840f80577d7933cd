"""Intervals of every figure: those of many matrices at once are those of each, and Wilson's is the published one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citygrain.accuracy.assess import Assessment
from citygrain.accuracy.intervals import (
    block_class_intervals,
    block_intervals,
    row_class_intervals,
    row_intervals,
    wilson_interval,
)
from citygrain.accuracy.lcz import lcz_accuracies
from citygrain.accuracy.redrawn import class_figures, overall_figures, redraw_blocks
from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN, Legend

LAND = Legend.from_names({1: "Land", 2: "Water"})
MANY = arrays(np.int64, (3, 17, 17), elements=st.integers(0, 3))


@given(MANY)
def test_many_matrices_at_once_are_each_by_itself(matrices: np.ndarray) -> None:
    overall, of_classes = overall_figures(matrices.astype(float), LCZ), class_figures(matrices.astype(float))
    for row, matrix in enumerate(matrices):
        one = Assessment(matrix, LCZ)
        expected = {name: getattr(one, name) for name in ("overall_accuracy", "kappa", "macro_f1", "weighted_f1")}
        zones = lcz_accuracies(one)
        expected |= {
            "OAu": zones.urban_accuracy,
            "OAbu": zones.built_natural_accuracy,
            "OAw": zones.weighted_accuracy,
        }
        assert set(expected) == set(overall)
        for name, value in expected.items():
            np.testing.assert_allclose(overall[name][row], value, atol=1e-12)
        for name in of_classes:
            np.testing.assert_allclose(of_classes[name][row], getattr(one, name))


def test_blocks_are_drawn_whole() -> None:
    matrices = np.array([[[10, 0], [0, 0]], [[0, 10], [0, 0]]])
    drawn = redraw_blocks(matrices, rng=np.random.default_rng(0), draws=50)
    assert set(drawn[:, 0, 0].tolist()) == {0.0, 10.0, 20.0} and (drawn.sum((1, 2)) == 20).all()
    low, high = block_intervals(matrices, LAND, rng=np.random.default_rng(0))["overall_accuracy"]
    assert (low, high) == (0.0, 1.0)  # two blocks tell nearly nothing


def test_neighbours_taken_for_independent_make_intervals_too_narrow() -> None:
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(40) < 0.7, 25)  # each block is wholly right or wholly wrong
    matrices = np.zeros((40, 2, 2), np.int64)
    matrices[:, 0, 0], matrices[:, 0, 1] = 25 * right[::25], 25 * ~right[::25]
    block = block_intervals(matrices, LAND, rng=rng)["overall_accuracy"]
    naive = row_intervals(Assessment(matrices.sum(0), LAND), rng=rng)["overall_accuracy"]
    assert np.ptp(block) > 4 * np.ptp(naive)  # five times: the square root of 25


def test_wilson_is_the_published_one() -> None:
    """Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3."""
    shown = wilson_interval([81, 15, 0, 1], [263, 148, 20, 29]).round(4).T.tolist()
    assert shown == [[0.2553, 0.3662], [0.0624, 0.1605], [0.0, 0.1611], [0.0061, 0.1718]]
    assert np.isnan(wilson_interval(0, 0)).all()
    with pytest.raises(InputError, match="between 0 and 1"):
        wilson_interval(1, 2, level=95)


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 30)))
def test_intervals_hold_their_figure(matrix: np.ndarray) -> None:
    one, rng = Assessment(matrix, URBAN), np.random.default_rng(0)
    spans = row_class_intervals(one, rng=rng, draws=50)
    for column, name in enumerate(URBAN.names):
        for figure in ("users_accuracy", "producers_accuracy"):
            value = getattr(one, figure)[column]
            assert np.isfinite(value) == (figure in spans.get(name, {}))
            if np.isfinite(value):
                low, high = spans[name][figure]
                assert low - 1e-12 <= value <= high + 1e-12 and 0 <= low <= high <= 1


def test_blocks_give_each_class_its_intervals() -> None:
    matrices = np.array([[[9, 1], [0, 5]], [[8, 0], [2, 5]], [[9, 1], [1, 4]]])
    spans = block_class_intervals(matrices, LAND, rng=np.random.default_rng(0))
    assert set(spans) == set(LAND.names)
    assert all(set(of) == {"users_accuracy", "producers_accuracy", "f1"} for of in spans.values())
    low, high = spans["Land"]["producers_accuracy"]
    assert 0.8 <= low <= high == 1.0
    flawless = block_class_intervals(matrices * np.eye(2, dtype=int), LAND, rng=np.random.default_rng(0))
    assert flawless["Water"]["users_accuracy"] == pytest.approx([0.4385, 1.0], abs=1e-4)  # three blocks, three times
    assert block_class_intervals(matrices[:1], LAND, rng=np.random.default_rng(0)) == {}
    assert row_class_intervals(Assessment(np.zeros((2, 2), np.int64), LAND), rng=np.random.default_rng(0)) == {}
