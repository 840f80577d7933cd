"""Scores of test patches against published figures, and what their intervals are drawn from."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from citygrain.accuracy.assess import Assessment
from citygrain.accuracy.intervals import row_intervals
from citygrain.legend import LCZ, URBAN
from citygrain.workflows.patches.patch_scores import score_rows


def test_the_published_scores_of_sen2lcz(data: Path) -> None:
    answers = scipy.io.loadmat(data / "so2sat/published/Acc_32_sen2lcz_qiu2020.mat")
    truth, mapped = (answers[name].ravel().astype(np.uint8) for name in ("y_testV", "y_pre"))
    scores = score_rows(truth, mapped, LCZ, group=np.full(len(truth), -1), rng=np.random.default_rng(0))
    assert scores["overall_accuracy"] == pytest.approx(0.6937, abs=5e-5)
    assert scores["average_accuracy"] == pytest.approx(0.5867, abs=5e-5)
    assert scores["kappa"] == pytest.approx(0.6644, abs=5e-5)
    assert scores["lcz"] == pytest.approx({"OAu": 0.6468, "OAbu": 0.9672, "OAw": 0.9337}, abs=5e-5)
    low, high = scores["interval_95"]["overall_accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.6937 * 0.3063 / 24188), rel=1e-3)
    assert scores["interval_of"] == "rows" and scores["by_group"] == {}


def test_groups_that_differ_widen_the_interval() -> None:
    truth = np.tile(np.array([1, 4], np.uint8), 100)
    group = np.arange(200) // 20
    mapped = np.where(group % 2, truth, 1).astype(np.uint8)  # every other group is half wrong
    options = {"legend": URBAN, "rng": np.random.default_rng(0)}
    by_group = score_rows(truth, mapped, group=group, names={0: "Berlin"}, **options)
    by_row = score_rows(truth, mapped, group=np.full(200, -1), **options)
    widths = [np.ptp(scores["interval_95"]["overall_accuracy"]) for scores in (by_group, by_row)]
    assert widths[0] > 1.3 * widths[1]
    assert by_group["interval_of"] == "10 groups"
    assert by_group["by_group"]["Berlin"]["overall_accuracy"] == 0.5
    assert by_group["by_group"]["1"]["overall_accuracy"] == 1
    assert by_group["lcz"] is None
    one = score_rows(truth, mapped, group=np.zeros(200, np.int64), **options)
    assert one["interval_of"] == "rows of one group"


def test_rows_without_a_reference_do_not_count() -> None:
    truth, mapped = np.array([1, 4, 0, 0], np.uint8), np.array([1, 1, 4, 1], np.uint8)
    scores = score_rows(truth, mapped, URBAN, group=np.array([2, 2, 3, -1]), rng=np.random.default_rng(0))
    assert scores["count"] == 2 and set(scores["by_group"]) == {"2"}


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_wilson_holds_at_the_ends(right: int, n: int, low: float, high: float) -> None:
    matrix = np.zeros((4, 4), np.int64)
    matrix[0, 0], matrix[0, 1] = right, n - right
    bounds = row_intervals(Assessment(matrix, URBAN), rng=np.random.default_rng(0))["overall_accuracy"]
    assert bounds == pytest.approx([low, high], abs=1e-4)
