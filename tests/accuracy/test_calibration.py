"""Calibration: a temperature that was put in is found, scores are those of the definition, accuracy is untouched."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from citygrain.accuracy.calibration import calibration_scores, class_reliability, fit_temperature
from citygrain.accuracy.reliability import reliability_bins
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.tempering import temper

LEGEND = Legend.from_names({1: "Land", 2: "Water", 3: "City"})


def drawn(n: int, *, sharpened: float, seed: int = 0):
    """Probabilities that are right at temperature `sharpened`, with classes drawn from the right ones."""
    rng = np.random.default_rng(seed)
    right = rng.dirichlet([0.6, 0.6, 0.6], n).astype(np.float32)
    columns = (right.cumsum(1) > rng.random((n, 1))).argmax(1)
    return temper(right, 1 / sharpened), columns, np.arange(n) % 20


@pytest.mark.parametrize("sharpened", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(sharpened):
    fitted = fit_temperature(*drawn(20_000, sharpened=sharpened))
    assert fitted.value == pytest.approx(sharpened, rel=0.05)
    assert (fitted.rows, fitted.blocks) == (20_000, 20)
    assert fitted.reason == "" or sharpened == 1  # there was nothing to be scaled


def test_scaling_makes_the_error_small_and_leaves_the_map_as_it_is():
    said, columns, block = drawn(8_000, sharpened=3.0)
    fitted = fit_temperature(said, columns, block)
    test, truth, place = drawn(8_000, sharpened=3.0, seed=1)
    before, after = (
        calibration_scores(p, truth, place, rng=np.random.default_rng(0)) for p in (test, temper(test, fitted.value))
    )
    assert before["expected_calibration_error"] > 0.1
    assert after["expected_calibration_error"] < 0.02
    assert after["brier_score"] < before["brier_score"]
    assert after["log_loss"] < before["log_loss"]
    assert (test.argmax(1) == temper(test, fitted.value).argmax(1)).all()


@pytest.mark.parametrize(
    ("rows", "blocks", "reason"),
    [
        (0, 1, "no validation rows"),
        (99, 5, "99 validation rows in 5 blocks"),
        (300, 1, "300 validation rows in 1 block"),
    ],
)
def test_with_too_few_rows_nothing_is_scaled_and_the_reason_is_said(rows, blocks, reason):
    said, columns, _ = drawn(max(rows, 1), sharpened=2.0)
    fitted = fit_temperature(said[:rows], columns[:rows], np.arange(rows) % blocks)
    assert fitted.value == 1
    assert reason in fitted.reason


def test_what_helps_some_blocks_and_harms_others_is_not_done():
    """Half of the blocks are too sure, half not sure enough: the temperature of all of them helps none."""
    sharp, flat = drawn(2_000, sharpened=3.0), drawn(2_000, sharpened=0.33, seed=1)
    said, columns = (np.concatenate(pair) for pair in zip(sharp[:2], flat[:2], strict=True))
    fitted = fit_temperature(said, columns, np.repeat(np.arange(4), 1000))
    assert (fitted.value, fitted.blocks) == (1.0, 4)
    assert "no sure difference" in fitted.reason


def test_scores_are_those_of_their_definitions():
    said, columns, block = drawn(500, sharpened=1.5)
    found = calibration_scores(said, columns, block, rng=np.random.default_rng(0))
    one_hot = np.eye(3)[columns]
    assert found["brier_score"] == pytest.approx(((said - one_hot) ** 2).sum(1).mean())
    clipped = np.maximum(said.astype(np.float64), 1e-12)
    assert found["log_loss"] == pytest.approx(log_loss(columns, clipped / clipped.sum(1, keepdims=True)), rel=1e-4)
    ece = reliability_bins(said.max(1), said.argmax(1) == columns).ece
    assert found["expected_calibration_error"] == pytest.approx(ece, abs=1e-7)
    for name, (low, high) in found["interval_95"].items():
        assert low <= found[name] * 1.3 and found[name] * 0.7 <= high


def test_rows_without_a_class_do_not_count():
    said, columns, block = drawn(400, sharpened=1.5)
    some = np.where(np.arange(400) < 300, columns, -1)
    whole = calibration_scores(said[:300], columns[:300], block[:300], rng=np.random.default_rng(0))
    assert calibration_scores(said, some, block, rng=np.random.default_rng(0)) == whole


def test_one_block_has_no_interval_and_no_row_has_no_score():
    said, columns, _ = drawn(50, sharpened=1.0)
    assert calibration_scores(said, columns, np.zeros(50, int), rng=np.random.default_rng(0))["interval_95"] == {}
    none = calibration_scores(said, np.full(50, -1), np.zeros(50, int), rng=np.random.default_rng(0))
    assert none["brier_score"] is None


def test_neighbours_that_share_their_errors_widen_the_interval():
    """1,000 rows, of which those of a block are all right or all wrong."""
    said = np.tile(np.array([[0.8, 0.2]], np.float32), (1000, 1))
    wrong = (np.arange(1000) // 50 % 5 == 0).astype(int)
    apart = calibration_scores(said, wrong, np.arange(1000), rng=np.random.default_rng(0))["interval_95"]["log_loss"]
    blocks = calibration_scores(said, wrong, np.arange(1000) // 50, rng=np.random.default_rng(0))["interval_95"]
    assert np.ptp(blocks["log_loss"]) > 4 * np.ptp(apart)


def test_each_class_says_how_sure_the_map_is_of_it():
    said = np.array([[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0], [0.6, 0.4, 0]], np.float32)
    found = class_reliability(said, np.array([0, 1, 1, -1]), LEGEND)
    assert found["Land"]["units"] == 2
    assert found["Land"]["mean_confidence"] == pytest.approx(0.8)
    assert found["Land"]["share_right"] == pytest.approx(0.5)
    assert found["Water"]["expected_calibration_error"] == pytest.approx(0.2)
    assert found["City"] == {
        "units": 0, "mean_confidence": None, "share_right": None, "expected_calibration_error": None,
    }  # fmt: skip


def test_what_does_not_fit_together():
    with pytest.raises(InputError, match="one class and one block"):
        fit_temperature(np.ones((3, 2)) / 2, np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(InputError, match="column 2 of 2"):
        fit_temperature(np.ones((3, 2)) / 2, np.array([0, 1, 2]), np.zeros(3, int))
