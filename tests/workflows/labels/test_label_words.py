"""Reasons in words: each says something true of the label that it doubts."""

import numpy as np

from citygrain.legend import Legend
from citygrain.workflows.labels.label_words import Reasons

LEGEND = Legend.from_names({1: "Urban", 3: "Grass"})


def reasons() -> Reasons:
    """Nine Urban in the west with NDVI 0.1 to 0.3, ten Grass in the east with 0.6 to 0.8; the last Urban lies there."""
    labels = np.array([1] * 10 + [3] * 10, np.uint8)
    ndvi = np.concatenate([np.linspace(0.1, 0.3, 9), [0.7], np.linspace(0.6, 0.8, 10)])
    p = np.where((labels == 1)[:, None], [0.9, 0.1], [0.05, 0.95])
    p[9] = 0.07, 0.93
    place = np.column_stack([np.where(ndvi > 0.5, 1000, 0) + np.arange(20), np.zeros(20)])
    purity = np.ones(20)
    purity[9] = 0.55
    return Reasons(labels, p, ndvi[:, None], ("NDVI",), place, purity, LEGEND)


def test_the_sentence_names_model_value_neighbours_and_mixture():
    suggested = np.array([1] * 9 + [3] * 11, np.uint8)
    (sentence,) = reasons().of([9], suggested)
    assert sentence.startswith("labelled Urban (0.07), but a model of other blocks says Grass at 0.93; ")
    assert "NDVI 0.70 is outside Urban's usual 0.11 to 0.52 and within Grass's 0.61 to 0.79" in sentence
    assert "8 of its 8 nearest neighbours are labelled Grass" in sentence
    assert sentence.endswith("mixed: only 55 % of its pixels have the label.")


def test_nothing_is_said_that_does_not_hold():
    (sentence,) = reasons().of([4], np.full(20, 3, np.uint8))
    assert (
        sentence == "labelled Urban (0.90), but a model of other blocks says Grass at 0.10, as of Grass's own labels."
    )
