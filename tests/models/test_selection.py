"""The rule by which models are chosen: the simplest that is not clearly worse, on rows that none was trained on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citygrain.errors import InputError
from citygrain.models.classifier import Classifier
from citygrain.models.forest import ForestClassifier
from citygrain.models.selection import choose, choose_crossed
from citygrain.samples.samples import Samples
from helpers.worlds import toy_rows


@given(arrays(bool, (3, 24)), arrays(np.int64, 24, elements=st.integers(0, 5)))
def test_the_choice_is_the_simplest_within_one_error_of_the_best(right: np.ndarray, group: np.ndarray) -> None:
    names = ("forest", "network", "all")
    chosen, why, accuracy = choose(dict(zip(names, right, strict=True)), group)
    best = right[int(right.mean(1).argmax())].astype(float)

    def near(of: np.ndarray) -> bool:
        """Whether the best is not clearly better, by the definition of a ratio estimator."""
        difference = best - of
        blocks = group if len(np.unique(group)) > 1 else np.arange(len(group))
        totals = [(difference[blocks == b] - difference.mean()).sum() for b in np.unique(blocks)]
        variance = len(totals) / (len(totals) - 1) * np.square(totals).sum() / len(group) ** 2
        return bool(difference.mean() <= np.sqrt(variance) + 1e-12)

    place = names.index(chosen)
    assert near(right[place]) and not any(near(of) for of in right[:place])
    assert f"{right[place].mean():.3f}" in why and "24 validation rows" in why
    assert accuracy == pytest.approx(dict(zip(names, right.mean(1), strict=True)))


def test_rows_of_one_block_count_as_one_piece_of_evidence() -> None:
    forest, network = np.zeros(40, bool), np.zeros(40, bool)
    network[:10] = True  # better on ten rows
    right = {"forest": forest, "network": network}
    assert choose(right, np.arange(40)).name == "network"  # of as many blocks
    assert choose(right, np.repeat([0, 1, 1, 1], 10)).name == "forest"  # of one


@given(arrays(bool, 12), st.integers(1, 12))
def test_the_simplest_wins_a_tie(right: np.ndarray, groups: int) -> None:
    answers = {"plain": right, "forest": right.copy(), "network": right.copy()}
    assert choose(answers, np.arange(12) % groups).name == "plain"


class Watched:
    """Makes forests, and keeps what they were trained on."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Samples]] = []

    def __call__(self, name: str) -> Classifier:
        made = ForestClassifier(trees=12)
        fit = made.fit
        made.fit = lambda train, valid=None: (self.seen.append((name, train)), fit(train, valid))[1]  # type: ignore[method-assign]
        return made


def test_training_rows_are_judged_by_models_that_saw_no_row_of_their_group() -> None:
    train, watched = replace(toy_rows(120), group=np.arange(120) // 12), Watched()
    choice = choose_crossed({"plain": train, "forest": train}, watched, rng=np.random.default_rng(0))
    assert choice.name == "plain" and "120 training rows held out in turn in 10 groups" in choice.why
    assert [name for name, _ in watched.seen] == ["plain"] * 5 + ["forest"] * 5
    for name in ("plain", "forest"):
        groups = [set(part.group.tolist()) for who, part in watched.seen if who == name]
        assert all(len(kept) == 8 for kept in groups)  # two of ten held out
        assert set.intersection(*groups) == set()  # each of them once


def test_groups_that_are_missing_or_too_few_are_said() -> None:
    for group in (np.full(30, -1), np.zeros(30, np.int64)):
        with pytest.raises(InputError, match="group"):
            choose_crossed({"plain": replace(toy_rows(30), group=group)}, Watched(), rng=np.random.default_rng(0))
