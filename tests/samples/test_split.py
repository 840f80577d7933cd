import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.samples import Samples
from citygrain.samples.split import assign_group_roles, assign_roles, block_parity, blocks_of, split_blocks


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


# ---- by polygons -----------------------------------------------------------------------------------------------


def in_polygons(classes: list[int], seed: int, *, apart: float = 150, each: int = 12) -> Samples:
    """Squares of 60 m around random points of squares of 100 m, the polygons, which stand `apart` in rows of five."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, each + 1, len(classes))
    group = np.repeat(np.arange(len(classes)), count)
    corner = apart * np.column_stack([group % 5, group // 5]) + rng.uniform(0, 100, (len(group), 2))
    extent = np.column_stack([corner - 30, corner + 30])
    y = np.repeat(classes, count)
    return Samples.of(np.zeros((len(y), 1), np.float32), y, features=("B04",), legend=URBAN, extent=extent, group=group)


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = one[:, None], other[None]
    return bool(
        ((a[..., 0] < b[..., 2]) & (b[..., 0] < a[..., 2]) & (a[..., 1] < b[..., 3]) & (b[..., 1] < a[..., 3])).any()
    )


POLYGONS = st.lists(st.sampled_from([1, 2, 3, 4]), min_size=2, max_size=25)


@given(POLYGONS, st.integers(0, 10_000), st.sampled_from([0.0, 0.2]), st.sampled_from([60.0, 130.0, 300.0]))
def test_polygons_stay_whole_and_share_no_ground(classes: list[int], seed: int, valid: float, apart: float) -> None:
    samples = in_polygons(classes, seed, apart=apart)
    if max(np.bincount(classes)) < 2:
        with pytest.raises(InputError, match="none beside another of its class"):
            assign_group_roles(samples, rng=np.random.default_rng(seed))
        return
    role, group = assign_group_roles(samples, rng=np.random.default_rng(seed), valid_share=valid)
    assert role.dtype == np.uint8
    np.testing.assert_array_equal(group, samples.group)
    for number in np.unique(samples.group):  # what is left out is left out; no polygon is on two sides
        assert len(set(role[samples.group == number].tolist()) - {0}) <= 1
    sides = [samples.extent[role == side] for side in (1, 2, 3)]
    assert not overlap(sides[0], sides[2])
    assert not overlap(sides[1], sides[2])
    assert not overlap(sides[0], sides[1])
    if apart == 300:  # far from each other, nothing is left out
        assert (role > 0).all()
        for code in set(classes):
            found = set(role[samples.y == code].tolist())
            assert {1} == found if classes.count(code) == 1 else {1, 3} <= found
            assert valid or 2 not in found


@given(POLYGONS, st.integers(0, 10_000))
def test_only_what_meets_a_test_sample_is_left_out(classes: list[int], seed: int) -> None:
    samples = in_polygons([*classes, 1, 1], seed, apart=80)
    near, _ = assign_group_roles(samples, rng=np.random.default_rng(seed))
    free = Samples.of(samples.x, samples.y, features=("B04",), legend=URBAN, group=samples.group)  # extents unknown
    far, _ = assign_group_roles(free, rng=np.random.default_rng(seed))
    assert (far > 0).all()
    np.testing.assert_array_equal(near == 3, far == 3)
    for row in np.flatnonzero(far == 1):
        assert (near[row] == 0) == overlap(samples.extent[row : row + 1], samples.extent[far == 3])


def test_a_class_with_one_polygon_is_named(caplog: pytest.LogCaptureFixture) -> None:
    samples = in_polygons([1, 1, 1, 3], 0, apart=300)
    with caplog.at_level(logging.WARNING, "citygrain"):
        role, _ = assign_group_roles(samples, rng=np.random.default_rng(0))
    assert set(role[samples.y == 3]) == {1}
    assert "trained but not tested, having one polygon only: Vegetation" in caplog.text


def test_a_class_that_is_lost_to_training_is_named(caplog: pytest.LogCaptureFixture) -> None:
    samples = in_polygons([1, 1, 4, 4], 0, apart=300)
    samples.extent[samples.group == 3] = samples.extent[samples.group == 2][0]
    with caplog.at_level(logging.WARNING, "citygrain"):
        role, _ = assign_group_roles(samples, rng=np.random.default_rng(0))
    assert set(role[samples.y == 4]) == {0, 3}
    assert "as all other samples lie beside the test polygons: Water" in caplog.text


def test_unlabelled_rows_and_rows_in_no_polygon_are_unused() -> None:
    samples = in_polygons([1, 1, 4, 4], 1, apart=300)
    samples.y[0], samples.group[-1] = 0, -1
    role, _ = assign_group_roles(samples, rng=np.random.default_rng(0))
    assert (role[0], role[-1]) == (0, 0)
    assert (role[1:-1] > 0).all() or len(role) == 2


def test_shares_are_about_met() -> None:
    samples = in_polygons([1] * 20 + [4] * 20, 0, apart=300)
    role, _ = assign_group_roles(samples, rng=np.random.default_rng(0), valid_share=0.15, test_share=0.3)
    for code in (1, 4):
        shares = np.bincount(role[samples.y == code], minlength=4) / (samples.y == code).sum()
        np.testing.assert_allclose(shares, [0, 0.55, 0.15, 0.3], atol=0.03)
    for bad in ({"test_share": 0.0}, {"test_share": 0.95}, {"valid_share": 0.6}):
        with pytest.raises(InputError, match="to validate and"):
            assign_group_roles(samples, rng=np.random.default_rng(0), **bad)
