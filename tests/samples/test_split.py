import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.samples import Samples
from citygrain.samples.split import assign_roles, block_parity, blocks_of, split_blocks


def scattered(n: int, seed: int, *, reach: float = 60) -> Samples:
    """Samples of two classes on a ground of 2 km a side, each covering a square of `reach` metres or so."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 2000, (n, 2))
    extent = np.column_stack([corner, corner + rng.uniform(reach / 2, reach, (n, 2))])
    x = rng.random((n, 2), np.float32)
    return Samples.of(x, rng.choice([1, 4], n), features=("B04", "B08"), legend=URBAN, extent=extent)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), size=st.floats(150, 900))
def test_no_test_sample_shares_ground_with_a_training_sample(seed: int, size: float) -> None:
    samples = scattered(600, seed)
    role, _ = assign_roles(samples, size, rng=np.random.default_rng(seed), valid_share=0.2)
    sides = [samples.extent[role == side] for side in (1, 2, 3)]
    for one, other in ((0, 2), (1, 2), (0, 1)):
        a, b = sides[one][:, None], sides[other][None]
        apart = (
            (a[..., 2] <= b[..., 0]) | (b[..., 2] <= a[..., 0]) | (a[..., 3] <= b[..., 1]) | (b[..., 3] <= a[..., 1])
        )
        assert apart.all()


def test_train_and_test_alternate_like_a_checkerboard() -> None:
    extent = np.array([[x + 10, -y - 20, x + 20, -y - 10] for y in (0, 100, 200) for x in (0, 100, 200)], float)
    parity = block_parity(blocks_of(extent, 100, origin=(0, 0))).reshape(3, 3)
    assert parity.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_roles_are_a_partition_and_repeat() -> None:
    samples = scattered(500, 1)
    first, block = assign_roles(samples, 400, rng=np.random.default_rng(5), valid_share=0.25)
    again, _ = assign_roles(samples, 400, rng=np.random.default_rng(5), valid_share=0.25)
    assert np.array_equal(first, again)
    assert np.array_equal(first > 0, block >= 0)
    assert {1, 2, 3} <= set(first.tolist())
    assert not set(block[first == 1]) & set(block[first == 2])


def test_split_blocks_carries_the_blocks() -> None:
    train, test = split_blocks(scattered(500, 2), 300, rng=np.random.default_rng(0))
    assert not set(train.group.tolist()) & set(test.group.tolist())
    assert (train.group >= 0).all() and (test.group >= 0).all()


def test_a_rare_class_is_named_with_its_count() -> None:
    samples = scattered(400, 3)
    samples.y[:] = 1
    samples.y[0] = 4
    with pytest.raises(InputError, match=r"'Water' is too rare.* 1 samples.*merge it"):
        split_blocks(samples, 400, rng=np.random.default_rng(0))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), few=st.integers(1, 3))
def test_a_rare_class_that_is_left_out_is_as_if_unlabelled(seed: int, few: int) -> None:
    samples, rng = scattered(400, seed), np.random.default_rng(seed)
    rows = rng.choice(len(samples), few, replace=False)
    samples.y[rows] = 2
    role, block = assign_roles(samples, 400, rng=np.random.default_rng(seed), valid_share=0.2, spare_rare=True)
    if not role[rows].any():
        samples.y[rows] = 0
        without = assign_roles(samples, 400, rng=np.random.default_rng(seed), valid_share=0.2)
        np.testing.assert_array_equal(role, without[0])
        np.testing.assert_array_equal(block, without[1])
    else:  # enough of it: nothing is left out
        assert min((role[rows] == 3).sum(), np.isin(role[rows], (1, 2)).sum()) >= 2


def test_one_class_beside_rare_ones_is_refused() -> None:
    samples = scattered(400, 3)
    samples.y[:] = 1
    samples.y[0] = 4
    with pytest.raises(InputError, match=r"one class only often enough \(Urban\)"):
        assign_roles(samples, 400, rng=np.random.default_rng(0), spare_rare=True)


def test_one_class_only_is_refused() -> None:
    samples = scattered(100, 3)
    samples.y[:] = 1
    with pytest.raises(InputError, match="one class only"):
        split_blocks(samples, 400, rng=np.random.default_rng(0))


def test_blocks_smaller_than_the_samples_are_refused() -> None:
    with pytest.raises(InputError, match=r"larger \[samples\] block"):
        split_blocks(scattered(50, 4, reach=60), 20, rng=np.random.default_rng(0))


def test_samples_without_ground_are_refused() -> None:
    samples = Samples.of(np.zeros((4, 1), np.float32), [1, 4, 1, 4], features=("B02",), legend=URBAN)
    with pytest.raises(InputError, match="without ground"):
        split_blocks(samples, 400, rng=np.random.default_rng(0))
