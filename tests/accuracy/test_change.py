import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.accuracy.change import judge_changes
from citygrain.legend import URBAN


def world(seed: int, n: int = 400) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    first, second, truth = (rng.choice([0, *URBAN.values], n).astype(np.uint8) for _ in range(3))
    return first, second, truth, np.arange(n) // 20


@given(st.integers(0, 1000))
def test_each_unit_that_differs_is_in_one_change(seed: int) -> None:
    first, second, truth, block = world(seed)
    found = judge_changes((first, second), truth, block, URBAN, rng=np.random.default_rng(0))
    differ = (first != second) & (first > 0) & (second > 0) & (truth > 0)
    assert sum(part.count for part in found.values()) == differ.sum()
    for (before, after), part in found.items():
        rows = differ & (first == before) & (second == after)
        assert part.first_right == pytest.approx((truth[rows] == before).mean())
        plain = part.to_dict()
        assert plain["first_right"] + plain["second_right"] + plain["neither"] == pytest.approx(1)
        assert part.interval is None or -1 <= part.interval[0] <= part.interval[1] <= 1


def test_turning_the_maps_turns_the_interval_and_weights_are_copies() -> None:
    first, second, truth, block = world(3)
    rng = [np.random.default_rng(0) for _ in range(3)]
    there = judge_changes((first, second), truth, block, URBAN, rng=rng[0])[1, 4]
    back = judge_changes((second, first), truth, block, URBAN, rng=rng[1])[4, 1]
    assert there.interval is not None and back.interval is not None
    assert (there.first_right, -there.interval[0]) == (back.second_right, pytest.approx(back.interval[1]))
    twice = judge_changes((first, second), truth, block, URBAN, rng=rng[2], weights=np.full(400, 2))[1, 4]
    assert (twice.count, twice.interval) == (2 * there.count, pytest.approx(there.interval))


def test_a_change_within_one_block_has_no_interval() -> None:
    first, second, truth = (np.full(30, code, np.uint8) for code in (1, 4, 4))
    found = judge_changes((first, second), truth, np.zeros(30, np.int64), URBAN, rng=np.random.default_rng(0))
    assert found[1, 4].interval is None and found[1, 4].second_right == 1
