"""Areas with intervals: the published worked examples to all digits, the laws, and the coverage of the intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from citygrain.accuracy.area import AreaEstimates, cluster_areas, estimate_areas, simple_areas, stratified_areas
from citygrain.errors import InputError
from citygrain.legend import Legend

FOUR = Legend.from_names({1: "A", 2: "B", 3: "C", 4: "D"})
THREE = Legend.from_names({1: "A", 2: "B", 3: "C"})


def figures(result: AreaEstimates) -> list[np.ndarray]:
    return [
        part
        for estimate in (result.overall, result.users, result.producers, result.shares)
        for part in (estimate.value, estimate.standard_error)
    ]


def test_golden_a_olofsson_2014_table_8() -> None:
    matrix = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    result = estimate_areas(matrix, 0.09 * np.array([200_000, 150_000, 3_200_000, 6_450_000]), FOUR)
    assert (f"{result.overall.value:.5f}", f"{result.overall.half_width:.5f}") == ("0.94651", "0.01848")
    assert [f"{v:.4f}" for v in result.users.value] == ["0.8800", "0.7333", "0.9273", "0.9631"]
    assert [f"{v:.4f}" for v in result.users.half_width] == ["0.0740", "0.1008", "0.0397", "0.0205"]
    assert [f"{v:.5f}" for v in result.producers.value] == ["0.74866", "0.84716", "0.93451", "0.96161"]
    assert [f"{v:.4f}" for v in result.producers.half_width] == ["0.2133", "0.2544", "0.0343", "0.0184"]
    assert [f"{v:.1f}" for v in result.areas.value] == ["21157.8", "11686.2", "285769.9", "581386.2"]
    assert [f"{v:.1f}" for v in result.areas.half_width] == ["6157.6", "3755.8", "15509.8", "16281.7"]


def test_golden_b_olofsson_2013() -> None:
    result = estimate_areas([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22353, 1122543, 610228], THREE)
    assert (f"{result.overall.value:.5f}", f"{result.overall.half_width:.5f}") == ("0.94442", "0.02188")
    assert [f"{v:.6f}" for v in result.shares.value] == ["0.025703", "0.598287", "0.376010"]
    assert [f"{v:.6f}" for v in result.shares.standard_error] == ["0.006126", "0.010057", "0.010618"]


def stehman_counts() -> np.ndarray:
    """The 40 points of table 2 in Stehman (2014): stratum, map and reference class."""
    mapped = "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10
    reference = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"
    counts = np.zeros((4, 4, 4))
    for number, (i, j) in enumerate(zip(mapped, reference, strict=True)):
        counts[number // 10, "ABCD".index(i), "ABCD".index(j)] += 1
    return counts


def test_stehman_2014_strata_are_not_the_classes() -> None:
    result = stratified_areas(stehman_counts(), [40_000, 30_000, 20_000, 10_000], FOUR)
    assert float(result.overall.value) == pytest.approx(0.63)
    assert float(result.overall.standard_error) == pytest.approx(0.085, abs=5e-4)
    assert float(result.shares.value[0]) == pytest.approx(0.35)
    assert float(result.shares.value[2]) == pytest.approx(0.20)
    assert result.shares.standard_error[[0, 2]] == pytest.approx([0.082, 0.064], abs=5e-4)
    assert (f"{result.users.value[1]:.3f}", f"{result.producers.value[1]:.3f}") == ("0.574", "0.794")
    assert result.users.standard_error[1] == pytest.approx(0.125, abs=1e-3)
    assert result.producers.standard_error[1] == pytest.approx(0.116, abs=1e-3)
    assert result.proportions[1, 2] == pytest.approx(0.08)


def test_stehman_point_by_point() -> None:
    """The matrix form is the textbook's sum over points."""
    counts, weights = stehman_counts(), np.array([0.4, 0.3, 0.2, 0.1])
    points = [(h, i, j) for h, i, j in np.argwhere(counts) for _ in range(int(counts[h, i, j]))]
    stratum, mapped, reference = np.array(points).T
    y, x = ((mapped == 1) & (reference == 1)).astype(float), (mapped == 1).astype(float)
    total_y, total_x = (sum(w * v[stratum == h].mean() for h, w in enumerate(weights)) for v in (y, x))
    residual = y - total_y / total_x * x
    variance = sum(w**2 * residual[stratum == h].var(ddof=1) / 10 for h, w in enumerate(weights)) / total_x**2
    result = stratified_areas(counts, 1000 * weights, FOUR)
    assert result.users.value[1] == pytest.approx(total_y / total_x)
    assert result.users.standard_error[1] == pytest.approx(variance**0.5)


MATRICES = arrays(np.int64, (3, 3), elements=st.integers(0, 40)).filter(lambda m: (m.sum(1) > 1).all())
SIZES = arrays(np.float64, 3, elements=st.floats(1, 1e5))


@given(MATRICES, SIZES)
def test_olofsson_by_the_printed_equations(matrix: np.ndarray, mapped: np.ndarray) -> None:
    """Equations 1 to 8 of Olofsson et al. (2013), written out; ours come from one ratio estimator."""
    result = estimate_areas(matrix, mapped, THREE)
    n, w = matrix.sum(1), mapped / mapped.sum()
    cell = w[:, None] * matrix / n[:, None]
    users = np.diag(matrix) / n
    spread = w**2 * users * (1 - users) / (n - 1)
    shares = cell.sum(0)
    q = matrix / n[:, None]
    share_error = np.sqrt((w[:, None] ** 2 * q * (1 - q) / (n - 1)[:, None]).sum(0))
    np.testing.assert_allclose(result.overall.value, np.trace(cell))
    np.testing.assert_allclose(result.overall.standard_error, np.sqrt(spread.sum()), atol=1e-9)
    np.testing.assert_allclose(result.users.standard_error, np.sqrt(users * (1 - users) / (n - 1)), atol=1e-8)
    np.testing.assert_allclose(result.shares.value, shares)
    np.testing.assert_allclose(result.shares.standard_error, share_error, atol=1e-8)
    for j in np.flatnonzero(shares):
        p = cell[j, j] / shares[j]
        others = sum(w[i] ** 2 * q[i, j] * (1 - q[i, j]) / (n[i] - 1) for i in range(3) if i != j)
        variance = ((1 - p) ** 2 * spread[j] + p**2 * others) / shares[j] ** 2
        np.testing.assert_allclose(result.producers.standard_error[j], np.sqrt(variance), atol=1e-7)


@given(MATRICES, SIZES)
def test_areas_sum_to_the_whole(matrix: np.ndarray, mapped: np.ndarray) -> None:
    result = estimate_areas(matrix, mapped, THREE)
    np.testing.assert_allclose(result.areas.value.sum(), mapped.sum())
    np.testing.assert_allclose(result.proportions.sum(1), mapped / mapped.sum())
    np.testing.assert_allclose(np.trace(result.proportions), result.overall.value)


@given(MATRICES, SIZES, st.permutations(range(3)))
def test_the_order_of_the_classes_changes_nothing(matrix: np.ndarray, mapped: np.ndarray, order: list[int]) -> None:
    one, other = (
        estimate_areas(matrix, mapped, THREE),
        estimate_areas(matrix[np.ix_(order, order)], mapped[order], THREE),
    )
    for before, after in zip(figures(one), figures(other), strict=True):
        np.testing.assert_allclose(before[order] if before.ndim else before, after, atol=1e-9)


@given(MATRICES, st.integers(1, 1000))
def test_points_in_proportion_to_the_area_give_plain_shares(matrix: np.ndarray, scale: int) -> None:
    result, plain = estimate_areas(matrix, scale * matrix.sum(1), THREE), simple_areas(matrix, 1.0, THREE)
    for name in ("overall", "users", "producers", "shares"):
        np.testing.assert_allclose(getattr(result, name).value, getattr(plain, name).value)
    np.testing.assert_allclose(plain.shares.value, matrix.sum(0) / matrix.sum())


@given(MATRICES)
def test_a_simple_sample_has_binomial_errors(matrix: np.ndarray) -> None:
    result, n = simple_areas(matrix, None, THREE, design="systematic"), matrix.sum()
    p = np.trace(matrix) / n
    np.testing.assert_allclose(result.overall.standard_error, np.sqrt(p * (1 - p) / (n - 1)), atol=1e-9)
    assert (result.design, result.hectares, result.to_dict()["total_hectares"]) == ("systematic", None, None)


@given(MATRICES)
def test_clusters_of_one_point_are_a_simple_sample(matrix: np.ndarray) -> None:
    cells = np.repeat(np.argwhere(matrix >= 0), matrix.ravel(), axis=0)
    counts = np.zeros((len(cells), 3, 3))
    counts[np.arange(len(cells)), cells[:, 0], cells[:, 1]] = 1
    one, other = cluster_areas(counts, np.full(len(cells), 7.0), 5.0, THREE), simple_areas(matrix, 5.0, THREE)
    for before, after in zip(figures(one), figures(other), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-9)


def test_clusters_that_agree_within_are_worth_one_point_each() -> None:
    """Ten copies of each point in a cluster tell nothing more; taken for independent they would."""
    rng = np.random.default_rng(0)
    single = np.eye(9)[rng.choice(9, 40, p=[0.3, 0.05, 0.02, 0.04, 0.2, 0.09, 0.05, 0.05, 0.2])].reshape(-1, 3, 3)
    one, ten = (cluster_areas(times * single, np.ones(40), None, THREE) for times in (1, 10))
    np.testing.assert_allclose(one.overall.standard_error, ten.overall.standard_error)
    naive = simple_areas(10 * single.sum(0), None, THREE)
    assert naive.overall.standard_error < 0.35 * ten.overall.standard_error


def covered(result: AreaEstimates, truth: np.ndarray) -> np.ndarray:
    return (result.shares.value - result.shares.half_width <= truth) & (
        truth <= result.shares.value + result.shares.half_width
    )


def known_world(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A truth of patches and a map of it that errs in one place of six, more so for the rare class."""
    truth = np.kron(rng.choice(3, (24, 24), p=[0.55, 0.33, 0.12]), np.ones((8, 8), int))
    wrong = rng.random(truth.shape) < np.array([0.08, 0.22, 0.25])[truth]
    return np.where(wrong, rng.integers(0, 3, truth.shape), truth), truth


@pytest.mark.parametrize("design", ["stratified", "random", "cluster"])
def test_the_intervals_cover_the_truth_as_often_as_they_say(design: str) -> None:
    """Over 500 drawn samples the 95 % intervals hold the true areas and accuracy within the binomial's bounds."""
    rng = np.random.default_rng(7)
    mapped, truth = known_world(rng)
    cell, flat_map = (3 * mapped + truth).ravel(), mapped.ravel()
    shares, right = np.bincount(truth.ravel(), minlength=3) / truth.size, float((mapped == truth).mean())
    places = [np.flatnonzero(flat_map == c) for c in range(3)]
    blocks = np.arange(truth.size).reshape(48, 4, 48, 4).swapaxes(1, 2).reshape(-1, 16)
    hits, overall = np.zeros(3), 0
    for _ in range(500):
        if design == "stratified":
            drawn = np.array([np.bincount(cell[rng.choice(p, 120, replace=False)], minlength=9) for p in places])
            result = estimate_areas(drawn.reshape(3, 3, 3).sum(0), [p.size for p in places], THREE)
        elif design == "random":
            drawn = np.bincount(cell[rng.choice(cell.size, 300, replace=False)], minlength=9)
            result = simple_areas(drawn.reshape(3, 3), 1.0, THREE)
        else:
            chosen = blocks[rng.choice(len(blocks), 80, replace=False)]
            points = rng.permuted(chosen, axis=1)[:, :5]
            drawn = np.array([np.bincount(cell[p], minlength=9) for p in points])
            result = cluster_areas(drawn.reshape(-1, 3, 3), np.full(80, 16.0), 1.0, THREE)
        hits += covered(result, shares)
        overall += abs(float(result.overall.value) - right) <= float(result.overall.half_width)
    low, high = binom.ppf([0.0005, 0.9995], 500, 0.95)
    counted = np.append(hits, overall)
    assert (counted >= low).all() and (counted <= high).all(), counted


def test_pixels_counted_on_the_map_are_biased_and_the_estimate_is_not() -> None:
    rng = np.random.default_rng(3)
    mapped, truth = known_world(rng)
    matrix = np.bincount((3 * mapped + truth).ravel(), minlength=9).reshape(3, 3)
    exact = estimate_areas(matrix, matrix.sum(1), THREE).shares.value
    np.testing.assert_allclose(exact, np.bincount(truth.ravel()) / truth.size)
    assert abs(matrix.sum(1)[2] / truth.size - exact[2]) > 0.02


def test_what_cannot_be_estimated_is_none_or_refused() -> None:
    result = estimate_areas([[5, 0, 0], [1, 4, 0], [0, 0, 0]], [10, 20, 0], THREE)
    assert result.to_dict()["per_class"]["C"]["users_accuracy"] is None
    assert result.to_dict()["per_class"]["C"]["area_share"]["value"] == 0
    with pytest.raises(InputError, match=r"too few labelled points in C \(1\); wanted: two"):
        estimate_areas([[5, 0, 0], [1, 4, 0], [0, 0, 1]], [10, 20, 5], THREE)
    with pytest.raises(InputError, match="points in C, which has no area"):
        estimate_areas([[5, 0, 0], [1, 4, 0], [0, 0, 3]], [10, 20, 0], THREE)
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        estimate_areas([[5, 0], [1, 4]], [10, 20], THREE)
    with pytest.raises(InputError, match="1 clusters"):
        cluster_areas(np.ones((1, 3, 3)), [4], None, THREE)
    with pytest.raises(InputError, match="the area of the map is not known"):
        simple_areas(np.ones((3, 3)), None, THREE).areas  # noqa: B018 - the property answers
