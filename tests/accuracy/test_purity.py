"""The account of pixels adds up, bounds what can be reached, and is the assessment's own figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citygrain.accuracy.assess import assess
from citygrain.accuracy.purity import account_for_pixels
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.samples.draw import majority

LEGEND = Legend.from_names({2: "Forest", 5: "Grass", 9: "Water"})


@st.composite
def maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 20))
    counts = draw(arrays(np.int64, (n, 3), elements=st.integers(0, 40)))
    mapped = draw(arrays(np.uint8, n, elements=st.sampled_from([0, 2, 5, 9])))
    counts[0], mapped[0] = (1, 0, 2), 5  # something to judge
    return counts, mapped


@given(maps())
def test_the_parts_add_up_to_every_pixel(world):
    found = account_for_pixels(*world, LEGEND)
    lost = found.lost_to_mixed_superpixels + found.lost_to_wrong_classes
    assert found.pixel_accuracy + lost == pytest.approx(1, abs=1e-12)
    assert found.best_pixel_accuracy + found.lost_to_mixed_superpixels == pytest.approx(1, abs=1e-12)
    assert min(found.lost_to_mixed_superpixels, found.lost_to_wrong_classes) >= 0
    gap = found.to_dict()["gap"]
    parts = gap["as_large_superpixels_weigh_more"] + gap["as_superpixels_are_mixed"]
    assert parts == pytest.approx(gap["superpixel_minus_pixel_accuracy"], abs=1e-12)


@given(maps())
def test_no_map_of_these_superpixels_does_better_than_the_majorities(world):
    counts, mapped = world
    best, _ = majority(counts, LEGEND)
    best = np.where(mapped > 0, best, 0).astype(np.uint8)
    found, ideal = account_for_pixels(counts, mapped, LEGEND), account_for_pixels(counts, best, LEGEND)
    assert ideal.pixel_accuracy == found.best_pixel_accuracy >= found.pixel_accuracy
    assert (ideal.lost_to_wrong_classes, ideal.superpixel_accuracy) == (0, 1)


@given(maps())
def test_the_figures_are_those_of_the_assessment(world):
    counts, mapped = world
    judged = (mapped > 0) & (counts.sum(1) > 0)
    found = account_for_pixels(counts, mapped, LEGEND)
    unit, column = np.nonzero(counts * judged[:, None])
    pixels = assess(LEGEND.codes(column), mapped[unit], LEGEND, weights=counts[unit, column])
    units = assess(majority(counts, LEGEND)[0][judged], mapped[judged], LEGEND)
    assert found.pixel_accuracy == pytest.approx(pixels.overall_accuracy)
    assert found.superpixel_accuracy == pytest.approx(units.overall_accuracy)


def test_pure_superpixels_lose_nothing_to_mixture():
    found = account_for_pixels(np.diag([5, 6, 7]), np.array([2, 5, 5], np.uint8), LEGEND)
    assert (found.lost_to_mixed_superpixels, found.lost_to_wrong_classes) == (0, 7 / 18)


@pytest.mark.parametrize(("counts", "mapped"), [(np.ones((2, 3), int), [2]), (np.ones((1, 3), int), [0])])
def test_what_cannot_be_accounted_for(counts, mapped):
    with pytest.raises(InputError):
        account_for_pixels(counts, np.array(mapped, np.uint8), LEGEND)
