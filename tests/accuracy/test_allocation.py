"""How many points: the published worked example, and what each allocation promises."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from citygrain.accuracy.allocation import ALLOCATIONS, allocate, half_width, least_total, plan_sample
from citygrain.errors import InputError

PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
EXPECTED = np.array([0.7, 0.6, 0.9, 0.95])

CLASSES = st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=17).filter(
    lambda rows: sum(pixels for pixels, _ in rows) > 200
)


def test_olofsson_2014_section_5_1() -> None:
    """S(O) = 0.01 needs 641 points; in proportion to the area that is 13, 10, 205, 413 (table 5)."""
    assert least_total(PIXELS, EXPECTED, 0.0196) == 641
    points = allocate(641, PIXELS, EXPECTED, "proportional")
    assert np.abs(points - [13, 10, 205, 413]).max() <= 1 and points.sum() == 641
    assert allocate(640, PIXELS, EXPECTED, "equal").tolist() == [160] * 4
    plan = plan_sample(PIXELS, EXPECTED, width=0.0196, allocation="neyman")
    assert (plan.least_total, plan.total) == (641, 641)


@given(CLASSES, st.integers(34, 3000), st.sampled_from(ALLOCATIONS))
def test_an_allocation_spends_what_there_is(rows: list[tuple[int, float]], total: int, how: str) -> None:
    pixels, expected = np.array([p for p, _ in rows]), np.array([e for _, e in rows])
    points = allocate(total, pixels, expected, how)
    assert (points <= pixels).all() and (points >= np.minimum(2, pixels)).all()
    sure = how == "neyman" and (expected * (1 - expected))[pixels > 0].min() < 1e-9  # such classes claim no point
    assert points.sum() <= max(total, 2 * len(rows))
    assert sure or points.sum() == min(total, pixels.sum())


@given(CLASSES, st.integers(500, 3000))
def test_neyman_is_the_surest_for_the_whole(rows: list[tuple[int, float]], total: int) -> None:
    pixels = np.array([p + 3000 for p, _ in rows])
    expected = np.clip([e for _, e in rows], 0.05, 0.95)
    plan = plan_sample(pixels, expected, total=total)
    best = plan.overall_half_width("neyman")
    assert all(best <= plan.overall_half_width(name) * 1.02 for name in ALLOCATIONS)  # but for whole points


@given(CLASSES, st.floats(0.02, 0.2), st.sampled_from(ALLOCATIONS))
@example([(0, 0.0)] * 4 + [(18181, 0.0)], 0.125, "recommended")
@example([(0, 0.0)] * 5 + [(32187, 0.75)], 0.1171875, "recommended")
def test_the_wished_interval_is_reached_with_no_point_to_spare(
    rows: list[tuple[int, float]], width: float, how: str
) -> None:
    pixels, expected = np.array([p + 10_000 for p, _ in rows]), np.clip([e for _, e in rows], 0.05, 0.95)
    plan = plan_sample(pixels, expected, width=width, allocation=how)
    assert plan.overall_half_width(how) <= width + 1e-9
    assert plan.least_total is not None and plan.total >= plan.least_total - 1
    for fewer in range(max(plan.least_total, 2 * len(rows), plan.total // 2 + 1), plan.total):
        assert half_width(allocate(fewer, pixels, expected, how), pixels, expected) > width


def test_recommended_gives_rare_classes_fifty() -> None:
    points = allocate(641, PIXELS, EXPECTED, "recommended")
    assert points[:2].tolist() == [50, 50] and points.sum() == 641
    np.testing.assert_allclose(points[2] / points[3], 3200 / 6450, rtol=0.01)
    assert allocate(80, PIXELS, EXPECTED, "recommended").tolist() == [20] * 4  # too few for fifty each
    assert allocate(300, np.array([12, 10_000]), np.array([0.8, 0.8]), "recommended").tolist() == [12, 288]


def test_a_plan_as_plain_values() -> None:
    plan = plan_sample(PIXELS, EXPECTED, total=640, allocation="neyman").to_dict(("a", "b", "c", "d"))
    assert (plan["total"], plan["least_total"], plan["allocation"]) == (640, None, "neyman")
    assert set(plan["allocations"]) == set(ALLOCATIONS)
    assert plan["allocations"]["equal"]["half_width_95_users"]["a"] == pytest.approx(1.96 * (0.21 / 160) ** 0.5)


def test_impossible_wishes_are_refused() -> None:
    for wish, word in (
        ({}, "one of the two"),
        ({"width": 0.1, "total": 5}, "one of the two"),
        ({"width": 3.0}, "between 0 and 1"),
        ({"total": 7}, "two for each class"),
        ({"total": 100, "allocation": "best"}, "one of neyman"),
    ):
        with pytest.raises(InputError, match=word):
            plan_sample(PIXELS, EXPECTED, **wish)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="wish a wider one"):
        plan_sample([30, 20], [0.5, 0.5], width=0.01)
    with pytest.raises(InputError, match="0 to 1"):
        plan_sample([30, 20], [0.5, 5], total=10)
