import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.accuracy.assess import Assessment
from citygrain.accuracy.baselines import majority_class, paired_scores, scores_of
from citygrain.errors import InputError
from citygrain.legend import URBAN


@given(hnp.arrays(np.int64, (3, 4, 4), elements=st.integers(0, 6)))
def test_many_matrices_at_once_are_each_assessed(matrices: np.ndarray) -> None:
    scores = scores_of(matrices)
    for i, matrix in enumerate(matrices):
        one = Assessment(matrix, URBAN)
        if one.total:
            for name, values in scores.items():
                assert values[i] == pytest.approx(getattr(one, name), abs=1e-12, nan_ok=True)


def units(n: int = 600, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(URBAN.values, n).astype(np.uint8)
    good, bad = (np.where(rng.random(n) < share, truth, 1).astype(np.uint8) for share in (0.9, 0.7))
    return truth, good, bad, np.arange(n) // 20


def test_a_map_beside_itself_differs_by_nothing() -> None:
    truth, good, _, block = units()
    found = paired_scores(truth, good, good, block, URBAN, rng=np.random.default_rng(0))
    assert found["difference"]["overall_accuracy"] == 0
    assert set(found["difference"]["interval_95"]) == {"overall_accuracy", "kappa", "macro_f1"}
    assert all(bounds == [0, 0] for bounds in found["difference"]["interval_95"].values())


def test_the_better_one_is_better_and_turning_the_sides_turns_the_sign() -> None:
    truth, good, bad, block = units()
    one, other = (
        paired_scores(truth, *pair, block, URBAN, rng=np.random.default_rng(0)) for pair in ((good, bad), (bad, good))
    )
    assert one["map"] == other["other"] and one["blocks"] == 30 and one["units"] == 600
    for name, (low, high) in one["difference"]["interval_95"].items():
        assert 0 < low <= one["difference"][name] <= high
        assert other["difference"]["interval_95"][name] == pytest.approx([-high, -low])


def test_units_without_a_class_on_any_side_are_left_out_for_both() -> None:
    truth, good, bad, block = units()
    holes = bad.copy()
    holes[::3] = 0
    rest = np.flatnonzero(holes)
    found = paired_scores(truth, good, holes, block, URBAN, rng=np.random.default_rng(0))
    again = paired_scores(truth[rest], good[rest], bad[rest], block[rest], URBAN, rng=np.random.default_rng(0))
    assert found == again and found["units"] == 400


def test_one_block_has_no_interval_and_nothing_in_common_is_refused() -> None:
    truth, good, bad, _ = units(20)
    rng, one = np.random.default_rng(0), np.zeros(20, np.int64)
    assert paired_scores(truth, good, bad, one, URBAN, rng=rng)["difference"]["interval_95"] == {}
    with pytest.raises(InputError, match="no unit has a class on all sides"):
        paired_scores(truth, good, np.zeros(20, np.uint8), one, URBAN, rng=rng)
    with pytest.raises(InputError, match="the same units"):
        paired_scores(truth, good, bad[:5], one, URBAN, rng=rng)


def test_the_majority_needs_a_class() -> None:
    assert majority_class([2, 2, 3, 0, 0, 0], URBAN) == 2
    with pytest.raises(InputError, match="no unit has a class"):
        majority_class([0, 0], URBAN)
