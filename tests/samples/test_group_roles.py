"""Splits by whole polygons: no polygon on two sides, no ground shared, every class on both sides where it can be."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.group_roles import assign_group_roles
from citygrain.samples.samples import Samples


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


@settings(max_examples=25)
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


@settings(max_examples=20)
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
