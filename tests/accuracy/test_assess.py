import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, precision_score, recall_score

from citygrain.accuracy.assess import Assessment, assess
from citygrain.accuracy.intervals import block_intervals, block_matrices
from citygrain.errors import InputError
from citygrain.legend import URBAN, Legend

CODES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=80)


@given(CODES)
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    reference, mapped = np.array(pairs).T
    a = assess(reference, mapped, URBAN)
    labels = [1, 2, 3, 4]
    assert np.array_equal(a.matrix, confusion_matrix(reference, mapped, labels=labels).T)
    assert a.overall_accuracy == pytest.approx(accuracy_score(reference, mapped))
    seen = sorted({*reference.tolist(), *mapped.tolist()})
    options = {"labels": seen, "zero_division": 0}
    assert a.macro_f1 == pytest.approx(f1_score(reference, mapped, average="macro", **options))
    assert a.weighted_f1 == pytest.approx(f1_score(reference, mapped, average="weighted", **options))
    precision = precision_score(reference, mapped, average=None, labels=labels, zero_division=np.nan)
    recall = recall_score(reference, mapped, average=None, labels=labels, zero_division=np.nan)
    assert np.allclose(a.users_accuracy, precision, equal_nan=True)
    assert np.allclose(a.producers_accuracy, recall, equal_nan=True)
    if len(seen) > 1:
        assert a.kappa == pytest.approx(cohen_kappa_score(reference, mapped))


def test_the_courses_matrix() -> None:
    """Rows = predicted; the course's text gives OA .80 and weighted F1 .80."""
    matrix = [[4938, 682, 2974, 56], [117, 3779, 209, 12], [1377, 56, 13524, 53], [54, 240, 42, 606]]
    a = Assessment(np.array(matrix), URBAN)
    assert a.total == 28_719
    assert round(a.overall_accuracy, 2) == 0.80 and round(a.weighted_f1, 2) == 0.80
    assert a.users_accuracy[0] == pytest.approx(4938 / 8650) and a.producers_accuracy[0] == pytest.approx(4938 / 6486)


@given(CODES)
def test_json_and_csv_say_the_same_side(pairs: list[tuple[int, int]]) -> None:
    reference, mapped = np.array(pairs).T
    a = assess(reference, mapped, URBAN)
    figures = a.to_dict()
    assert (figures["confusion"]["rows"], figures["confusion"]["columns"]) == ("map", "reference")
    assert np.array_equal(Assessment.from_dict(figures, URBAN).matrix, a.matrix)
    table = [line.split(",") for line in a.to_csv().splitlines()]
    assert all(cell.startswith("reference: ") for cell in table[0][1:5])
    assert [row[0] for row in table[1:5]] == [f"map: {name}" for name in URBAN.names]
    assert np.array_equal(np.array(table)[1:5, 1:5].astype(int), a.matrix)
    figures["confusion"]["rows"] = "reference"
    with pytest.raises(InputError, match="rows = map"):
        Assessment.from_dict(figures, URBAN)


def test_hostile_class_names_stay_one_csv_cell() -> None:
    legend = Legend.from_names({1: 'a,"b"\n=cmd()', 2: "c"})
    import csv

    rows = list(csv.reader(Assessment(np.array([[1, 0], [0, 1]]), legend).to_csv().splitlines(keepends=True)))
    assert {len(row) for row in rows} == {4}


def test_unlabelled_units_do_not_count() -> None:
    assert assess([1, 0, 4], [1, 4, 0], URBAN).total == 1


def test_nothing_to_assess_is_undefined_not_perfect() -> None:
    empty = assess([0, 0], [1, 1], URBAN)
    assert np.isnan(empty.overall_accuracy) and empty.to_dict()["overall_accuracy"] is None


@given(CODES, st.integers(0, 100))
def test_weights_are_repetitions(pairs: list[tuple[int, int]], seed: int) -> None:
    reference, mapped = np.array(pairs).T
    weights = np.random.default_rng(seed).integers(0, 5, len(reference))
    repeated = assess(np.repeat(reference, weights), np.repeat(mapped, weights), URBAN)
    assert np.array_equal(assess(reference, mapped, URBAN, weights=weights).matrix, repeated.matrix)


def test_blocks_add_up_and_their_interval_is_wider_than_the_naive_one() -> None:
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(20), 100)
    wrong_share = np.repeat(rng.choice([0.0, 0.4], 20), 100)  # whole blocks are good or bad
    reference = rng.integers(1, 5, 2000).astype(np.uint8)
    mapped = np.where(rng.random(2000) < wrong_share, reference % 4 + 1, reference).astype(np.uint8)
    matrices = block_matrices(mapped, reference, block, URBAN)
    whole = assess(reference, mapped, URBAN)
    assert np.array_equal(matrices.sum(0), whole.matrix)
    low, high = block_intervals(matrices, URBAN, rng=np.random.default_rng(1))["overall_accuracy"]
    naive = 1.96 * np.sqrt(whole.overall_accuracy * (1 - whole.overall_accuracy) / 2000)
    assert low < whole.overall_accuracy < high and high - low > 4 * naive


def test_one_block_gives_no_interval() -> None:
    assert block_intervals(np.ones((1, 4, 4), np.int64), URBAN, rng=np.random.default_rng(0)) == {}
    with pytest.raises(InputError, match="confidence level"):
        block_intervals(np.ones((3, 4, 4), np.int64), URBAN, rng=np.random.default_rng(0), level=95)


def test_shapes_and_signs_are_checked() -> None:
    with pytest.raises(InputError):
        Assessment(np.zeros((3, 3), int), URBAN)
    with pytest.raises(InputError):
        Assessment(np.full((4, 4), -1), URBAN)
    with pytest.raises(InputError, match="same units"):
        assess([1, 2], [1], URBAN)
