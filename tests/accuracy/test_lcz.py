"""OAu, OAbu and OAw: the published figures of Sen2LCZ-Net-MF, city by city too, and what follows from the formulas."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from citygrain.accuracy.assess import Assessment, assess
from citygrain.accuracy.groups import accuracies_by_group
from citygrain.accuracy.lcz import lcz_accuracies, lcz_similarity
from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN, Legend

PAIRS = st.lists(st.tuples(st.integers(0, 17), st.integers(0, 17)), min_size=1, max_size=60)


def test_the_weights_are_the_published_ones(data: Path) -> None:
    published = np.loadtxt(data / "lcz/tables/lcz_similarity_weights_17x17.csv", delimiter=",")
    np.testing.assert_array_equal(lcz_similarity(), published)


def test_the_weights_are_a_similarity() -> None:
    weights = lcz_similarity()
    assert weights.shape == (17, 17)
    np.testing.assert_array_equal(weights, weights.T)
    assert (np.diag(weights) == 1).all()
    assert weights[0].tolist()[:5] == [1.0, 0.92, 0.83, 0.67, 0.58]
    weights[:] = 0  # a caller's own copy
    assert lcz_similarity()[0, 0] == 1


def test_sen2lcz_as_published(data: Path) -> None:
    file = loadmat(data / "so2sat/published/Acc_32_sen2lcz_qiu2020.mat")
    reference, mapped = file["y_testV"].ravel(), file["y_pre"].ravel()
    verdict = assess(reference, mapped, LCZ)
    assert verdict.total == 24_188
    np.testing.assert_array_equal(verdict.matrix.T, file["confusion_matrix"])  # there the rows are the reference
    assert verdict.overall_accuracy == pytest.approx(float(file["oa"].item()), abs=1e-12)
    assert verdict.kappa == pytest.approx(float(file["cohKappa"].item()), abs=1e-12)
    figures = lcz_accuracies(verdict)
    shown = (verdict.overall_accuracy, verdict.average_accuracy, verdict.kappa)
    assert [f"{value:.4f}" for value in shown] == ["0.6937", "0.5867", "0.6644"]
    assert {k: f"{v:.4f}" for k, v in figures.to_dict().items()} == {"OAu": "0.6468", "OAbu": "0.9672", "OAw": "0.9337"}
    recalls = ".530 .554 .763 .800 .339 .539 .322 .847 .549 .464 .866 .453 .046 .872 .327 .710 .994"
    assert " ".join(f"{value:.3f}"[1:] for value in verdict.producers_accuracy) == recalls


def test_the_mean_hides_the_cities(data: Path) -> None:
    with gzip.open(data / "so2sat/published/testing_points.csv.gz", "rt") as source:
        points = pd.read_csv(source)
    by_city = accuracies_by_group(points.pred_sen2lcz_qiu, points.lcz, points.city, LCZ)
    shown = {city: f"{100 * verdict.overall_accuracy:.1f}" for city, verdict in by_city.items()}
    assert shown == {
        "guangzhou": "75.4",
        "jakarta": "79.4",
        "moscow": "76.9",
        "mumbai": "59.1",
        "munich": "83.5",
        "nairobi": "35.5",
        "sanfrancisco": "80.1",
        "santiago": "60.5",
        "sydney": "84.7",
        "tehran": "58.6",
    }
    whole = sum(verdict.matrix for verdict in by_city.values())
    np.testing.assert_array_equal(whole, assess(points.lcz, points.pred_sen2lcz_qiu, LCZ).matrix)


@given(PAIRS)
def test_the_figures_unit_by_unit(pairs: list[tuple[int, int]]) -> None:
    figures = lcz_accuracies(assess(*np.array(pairs).T, LCZ))
    counted = [(truth, mapped) for truth, mapped in pairs if truth and mapped]
    if not counted:
        assert figures.to_dict() == {"OAu": None, "OAbu": None, "OAw": None}
        return
    built = [truth == mapped for truth, mapped in counted if truth <= 10]
    assert figures.urban_accuracy == pytest.approx(np.mean(built)) if built else np.isnan(figures.urban_accuracy)
    assert figures.built_natural_accuracy == pytest.approx(np.mean([(t <= 10) == (m <= 10) for t, m in counted]))
    weights = lcz_similarity()
    assert figures.weighted_accuracy == pytest.approx(np.mean([weights[t - 1, m - 1] for t, m in counted]))


@given(PAIRS)
def test_partial_credit_is_never_less_than_none(pairs: list[tuple[int, int]]) -> None:
    verdict = assess(*np.array(pairs).T, LCZ)
    figures = lcz_accuracies(verdict)
    if verdict.total:
        assert verdict.overall_accuracy <= figures.weighted_accuracy + 1e-12 <= 1 + 1e-11
        assert verdict.overall_accuracy <= figures.built_natural_accuracy


def test_a_legend_with_some_of_the_classes() -> None:
    some = Legend("lcz", tuple(c for c in LCZ if c.code in (2, 6, 17)))
    matrix = np.array([[5, 1, 0], [2, 7, 1], [0, 1, 9]])
    small, large = Assessment(matrix, some), np.zeros((17, 17), np.int64)
    large[np.ix_([1, 5, 16], [1, 5, 16])] = matrix
    assert lcz_accuracies(small) == lcz_accuracies(Assessment(large, LCZ))
    with pytest.raises(InputError, match="an assessment in legend 'urban'; wanted: Local Climate Zones"):
        lcz_accuracies(assess([1], [1], URBAN))


@given(PAIRS, st.integers(0, 9))
def test_groups_are_assessed_by_themselves(pairs: list[tuple[int, int]], seed: int) -> None:
    reference, mapped = np.array(pairs).T
    group = np.random.default_rng(seed).integers(0, 4, len(pairs))
    by_group = accuracies_by_group(mapped, reference, group, LCZ)
    assert list(by_group) == sorted(set(group.tolist()))
    for number, verdict in by_group.items():
        chosen = group == number
        np.testing.assert_array_equal(verdict.matrix, assess(reference[chosen], mapped[chosen], LCZ).matrix)
    with pytest.raises(InputError, match="wanted: the same units"):
        accuracies_by_group(mapped, reference, group[1:], LCZ)


@given(PAIRS)
def test_average_accuracy_is_the_mean_recall(pairs: list[tuple[int, int]]) -> None:
    reference, mapped = np.array(pairs).T
    verdict = assess(reference, mapped, LCZ)
    recalls = [
        np.mean(mapped[(reference == code) & (mapped > 0)] == code)
        for code in range(1, 18)
        if ((reference == code) & (mapped > 0)).any()
    ]
    assert (
        verdict.average_accuracy == pytest.approx(np.mean(recalls)) if recalls else np.isnan(verdict.average_accuracy)
    )
    assert verdict.to_dict()["average_accuracy"] == (pytest.approx(np.mean(recalls)) if recalls else None)
