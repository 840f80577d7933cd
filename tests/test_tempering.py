"""Tempering: rows stay probabilities, the leader stays the leader, and the numbers are those of divided logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citygrain.tempering import temper

TEMPERATURES = st.floats(0.05, 20)
LOGITS = arrays(np.float32, (7, 4), elements=st.floats(-30, 30, width=32))


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@given(LOGITS, TEMPERATURES)
def test_the_class_that_leads_still_leads_and_rows_sum_to_one(logits, temperature):
    given_ = softmax(logits).astype(np.float32)
    found = temper(given_, temperature)
    assert (found.argmax(1) == given_.argmax(1)).all()
    assert np.allclose(found.sum(1), 1, atol=1e-6)
    assert found.dtype == np.float32


@given(arrays(np.float32, (5, 3), elements=st.floats(-5, 5, width=32)), st.floats(0.2, 5))
def test_it_is_what_dividing_the_logits_gives(logits, temperature):
    assert np.allclose(
        temper(softmax(logits).astype(np.float32), temperature), softmax(logits / temperature), atol=2e-5
    )


def test_nearly_equal_classes_keep_their_leader():
    high = np.nextafter(np.float32(0.5), np.float32(1))
    rows = np.array([[0.5, high], [high, 0.5]], np.float32)
    assert temper(rows, 20).argmax(1).tolist() == [1, 0]


def test_one_changes_nothing_zero_stays_zero_and_no_row_is_no_error():
    rows = np.array([[0.7, 0.3, 0], [1, 0, 0]], np.float32)
    assert temper(rows, 1.0) is rows
    assert temper(rows, 3.0)[:, 2].tolist() == [0, 0]
    assert temper(rows, 3.0)[1].tolist() == [1, 0, 0]
    assert temper(rows[:0], 3.0).shape == (0, 3)


@given(LOGITS, st.floats(0.5, 4))
def test_it_can_be_taken_back(logits, temperature):
    rows = softmax(np.clip(logits, -8, 8)).astype(np.float32)
    assert np.allclose(temper(temper(rows, temperature), 1 / temperature), rows, atol=1e-4)


def test_a_row_without_data_stays_without():
    assert np.isnan(temper(np.full((1, 2), np.nan, np.float32), 2.0)).all()


@pytest.mark.parametrize("temperature", [0.05, 20])
def test_the_outermost_temperatures_are_finite(temperature):
    assert np.isfinite(temper(np.array([[1 - 1e-7, 1e-7, 0]], np.float32), temperature)).all()
