"""Which of several models to take: the simplest that is not clearly worse than the best on ground none was trained on.

That ground is validation rows. Where there are none, training rows stand in, whole groups (blocks, polygons) held out
in turn.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from citygrain.models.classifier import Classifier
from citygrain.models.crossed import crossed_probabilities
from citygrain.samples.apart import folds_apart
from citygrain.samples.samples import Samples

__all__ = ["Choice", "choose", "choose_crossed"]

_FOLDS = 5
_ROUNDING = 1e-12


class Choice(NamedTuple):
    """What was taken.

    Attributes
    ----------
    name : str
        The model.
    why : str
        In words.
    accuracy : mapping of str to float
        Of each that was compared.
    """

    name: str
    why: str
    accuracy: Mapping[str, float]


def choose(
    right: Mapping[str, npt.NDArray[np.bool_]], group: npt.NDArray[np.int64], *, rows: str = "validation rows"
) -> Choice:
    """Return which of several models to take, and why: the simplest that is not clearly worse than the best.

    Clearly is by more than one standard error of the difference in accuracy. Rows of one group err alike, so the error
    is that of a ratio over groups (Cochran 1977, section 2.12); rows without groups stand for themselves.

    Parameters
    ----------
    right : mapping of str to ndarray of bool, (n,)
        Which rows each model gets right, from the simplest to the most elaborate.
    group : ndarray of int, (n,)
        Group of each row; -1 = none.
    rows : str
        How the words call the rows.

    Examples
    --------
    >>> forest, network = np.array([1, 1, 0, 1], bool), np.array([1, 1, 1, 1], bool)
    >>> choose({"forest": forest, "network": network}, np.array([0, 0, 1, 1])).name
    'forest'
    """
    accuracy = {name: float(those.mean()) for name, those in right.items()}
    best = max(accuracy, key=lambda name: accuracy[name])
    blocks = group if (group >= 0).all() and len(np.unique(group)) > 1 else np.arange(len(group))
    near = (
        name
        for name, those in right.items()
        if accuracy[best] - accuracy[name] <= _spread(right[best].astype(float) - those, blocks) + _ROUNDING
    )
    taken = next(near)  # the best is within any error of itself
    kind = "best" if taken == best else "simplest that is within one standard error of the best"
    told = ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items())
    why = f"the {kind} on {len(group):,} {rows} in {len(np.unique(blocks)):,} groups (accuracy: {told})"
    return Choice(taken, why, accuracy)


def choose_crossed(
    rows: Mapping[str, Samples], make: Callable[[str], Classifier], *, rng: np.random.Generator
) -> Choice:
    """Choose on the training rows themselves, each judged by models that saw neither its group nor ground beside it.

    Parameters
    ----------
    rows : mapping of str to Samples
        Labelled rows with their `group` as each model sees them, the simplest first.
    make : callable
        Makes one of them, ready to fit.
    rng : numpy.random.Generator
        Deals the groups.

    Raises
    ------
    InputError
        If rows have no group, or groups and classes are too few to hold some out.
    """
    train = next(iter(rows.values()))
    folds = folds_apart(train, _FOLDS, rng=rng)
    columns = train.legend.columns(train.y)
    said = {name: crossed_probabilities(seen, folds, partial(make, name)) for name, seen in rows.items()}
    right = {name: p.argmax(1) == columns for name, p in said.items()}
    return choose(right, train.group, rows="training rows held out in turn")


def _spread(difference: npt.NDArray[np.float64], group: npt.NDArray[np.int64]) -> float:
    """Return the standard error of the mean of rows that come in groups."""
    _, place = np.unique(group, return_inverse=True)
    sums, sizes = np.bincount(place, difference), np.bincount(place)
    number, rest = len(sums), sums - difference.mean() * sizes
    return float(np.sqrt(number / max(1, number - 1) * np.square(rest).sum()) / len(difference))
