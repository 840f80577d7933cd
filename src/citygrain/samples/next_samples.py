"""Where to label next: the units that would explain most of the ground that a model is unsure of.

The gain of a unit is how unsure a model is of it, times how much unsure ground looks like it that no labelled or
earlier chosen unit looks like already. The second factor is facility location with weights: representativeness and
diversity in one sum, of which the greedy choice is never worse than 63 % of the best one (Nemhauser, Wolsey & Fisher
1978, doi:10.1007/BF01588971). Units near to each other on the ground are not both chosen.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["NextSamples", "suggest_next", "uncertainty"]

Floats = npt.NDArray[np.float64]

_CANDIDATES, _GROUND = 10_000, 2_000
"""At most so many units are candidates, and so many stand for the whole ground: memory is their product, 80 MB."""
_EVERYWHERE = 0.05
"""Share of the weight that ground has of which the model is sure: it may be sure and wrong."""


@dataclass(frozen=True)
class NextSamples:
    """What to label next, best first.

    Attributes
    ----------
    rows : ndarray of int64, (m,)
        The chosen units.
    gain : ndarray of float64, (m,)
        Share of the unsure ground that each explains beyond those before it, times its own uncertainty, 0 to 1.
    alike : ndarray of float64, (m,)
        Share of all ground that looks like it more than by half, 0 to 1: how representative it is.
    """

    rows: npt.NDArray[np.int64]
    gain: Floats
    alike: Floats


def uncertainty(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Return how unsure a model is of each unit, (n,): 0 sure, 1 torn between two classes.

    It is 1 minus the margin between the two likeliest classes.

    Parameters
    ----------
    probabilities : ndarray, (n, k)
        Of two classes or more.

    Examples
    --------
    >>> uncertainty(np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])).tolist()
    [0.0, 0.75]
    """
    ordered = np.sort(np.asarray(probabilities, np.float64), axis=1)
    return np.asarray(1 - (ordered[:, -1] - ordered[:, -2]))


def suggest_next(
    features: npt.NDArray[np.floating],
    places: npt.NDArray[np.floating],
    count: int,
    *,
    weights: npt.ArrayLike | None = None,
    unsure: npt.ArrayLike | None = None,
    known: npt.NDArray[np.bool_] | None = None,
    open_to: npt.NDArray[np.bool_] | None = None,
    spacing: float = 0.0,
) -> NextSamples:
    """Rank units by what their labels would teach.

    Parameters
    ----------
    features : ndarray, (n, c)
        What the units look like; columns are standardised here.
    places : ndarray, (n, 2)
        x and y of each unit in metres; no two units are at one place.
    count : int
        How many to choose; fewer come where spacing or candidates allow no more.
    weights : array-like, (n,), optional
        How much ground each unit stands for, such as its area; all alike if not given.
    unsure : array-like, (n,), optional
        How unsure a model is of each unit, 0 to 1: what it is unsure of matters more, and is chosen rather. Not given
        for the first labels, when there is no model yet.
    known : ndarray of bool, (n,), optional
        Units that have a label: they explain ground already, and are not chosen.
    open_to : ndarray of bool, (n,), optional
        Units that may be chosen, of those without a label; all, if not given.
    spacing : float
        Least distance in metres between chosen units, and from known ones.

    Returns
    -------
    NextSamples
        The first m of more are those of m. The order of the units does not matter.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or nothing can be chosen.

    Examples
    --------
    >>> looks = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> places = np.column_stack([np.arange(5) * 100.0, np.zeros(5)])
    >>> suggest_next(looks, places, 2).rows.tolist()
    [1, 3]
    """
    n = len(features)
    weight = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    doubt = np.ones(n) if unsure is None else np.asarray(unsure, np.float64)
    labelled = np.zeros(n, bool) if known is None else known
    candidates = ~labelled if open_to is None else open_to & ~labelled
    _check(features, places, (weight, doubt), count, candidates)
    order = np.lexsort(np.asarray(places, np.float64).T)  # whatever order the units came in
    looks = _standardised(np.asarray(features, np.float64)[order])
    spots, weight, labelled = np.asarray(places, np.float64)[order], weight[order], labelled[order]
    doubt = (1 - _EVERYWHERE) * doubt[order] + _EVERYWHERE
    ground = _spread(np.arange(n), _GROUND)
    share = weight[ground] * doubt[ground]
    share /= max(share.sum(), 1e-300)
    scale = _scale(looks[ground])
    covered = _nearest(looks[ground], looks[labelled], scale)
    chosen_from = _spread(np.flatnonzero(candidates[order]), _CANDIDATES)
    if spacing > 0 and labelled.any():
        chosen_from = chosen_from[_clear(spots[chosen_from], spots[labelled], spacing)]
    if not len(chosen_from):
        raise InputError(f"no unit is {spacing:g} m from all labelled ones", mend="set a smaller spacing")
    alike = _likeness(looks[chosen_from], looks[ground], scale)  # (candidates, ground)
    rows, gains = _greedy(
        alike, covered, share, doubt[chosen_from], spots=spots[chosen_from], spacing=spacing, count=count
    )
    return NextSamples(order[chosen_from[rows]], gains, (alike[rows] > 0.5).mean(1).astype(np.float64))


def _check(
    features: npt.NDArray[np.floating],
    places: npt.NDArray[np.floating],
    weights: tuple[Floats, Floats],
    count: int,
    candidates: npt.NDArray[np.bool_],
) -> None:
    n = len(features)
    if features.ndim != 2 or places.shape != (n, 2) or any(weight.shape != (n,) for weight in weights):
        raise InputError(
            f"features of {features.shape}, places of {places.shape}, weights of {[one.shape for one in weights]}",
            wanted="(n, c), (n, 2), (n,) and (n,)",
        )
    if not all(np.isfinite(values).all() for values in (features, places, *weights)):
        raise InputError("features, places, weights or uncertainties that are not finite", wanted="numbers")
    if any((weight < 0).any() for weight in weights):
        raise InputError("weights or uncertainties below 0", wanted="0 or more")
    if count < 1 or not candidates.any():
        raise InputError(f"{count} of {int(candidates.sum())} unlabelled units", wanted="1 or more")


def _standardised(features: Floats) -> Floats:
    deviation = features.std(0)
    return np.asarray((features - features.mean(0)) / np.where(deviation > 0, deviation, 1))


def _spread(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return all rows, or `most` of them evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _squares(one: Floats, other: Floats) -> Floats:
    """Return squared distances, (n, m)."""
    cross = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.asarray(np.maximum(cross, 0))


def _scale(looks: Floats) -> float:
    """Return the squared distance at which two units count as half alike: the 5th percentile of all pairs."""
    squares = _squares(looks, looks)[np.triu_indices(len(looks), 1)]
    found = float(np.percentile(squares, 5)) if squares.size else 1.0
    return found if found > 0 else 1.0


def _likeness(one: Floats, other: Floats, scale: float) -> npt.NDArray[np.float32]:
    """Return 0 to 1: 1 where two units look the same, one half at the scale."""
    return np.asarray(np.exp2(-_squares(one, other) / scale).astype(np.float32))


def _nearest(ground: Floats, labelled: Floats, scale: float) -> npt.NDArray[np.float32]:
    """Return how alike each unit of the ground is to the labelled unit that is most alike."""
    best = np.zeros(len(ground), np.float32)
    for start in range(0, len(labelled), 1024):
        best = np.maximum(best, _likeness(ground, labelled[start : start + 1024], scale).max(1))
    return best


def _clear(spots: Floats, others: Floats, spacing: float) -> npt.NDArray[np.bool_]:
    """Tell which spots are at least `spacing` from all others."""
    clear = np.ones(len(spots), bool)
    for start in range(0, len(others), 1024):
        apart = spots[:, None] - others[start : start + 1024]
        clear &= (apart**2).sum(2).min(1) >= spacing**2
    return clear


def _greedy(
    alike: npt.NDArray[np.float32],
    covered: npt.NDArray[np.float32],
    share: Floats,
    doubt: Floats,
    *,
    spots: Floats,
    spacing: float,
    count: int,
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Choose the unit of most gain again and again; gains only shrink, so that few have to be reckoned anew."""
    bound = np.full(len(alike), np.inf)
    fresh = np.zeros(len(alike), np.int64)  # the step at which the bound was reckoned
    rows, gains = [], []
    covered = covered.copy()
    for step in range(1, count + 1):
        if not np.isfinite(bound).any():
            bound[:], fresh[:] = doubt * (np.maximum(alike - covered, 0) @ share), step
        while fresh[best := int(bound.argmax())] < step and bound[best] > -1:
            bound[best], fresh[best] = doubt[best] * (np.maximum(alike[best] - covered, 0) @ share), step
        if bound[best] < 0:
            break
        rows.append(best)
        gains.append(float(bound[best]))
        covered = np.maximum(covered, alike[best])
        near = ((spots - spots[best]) ** 2).sum(1) < spacing**2
        near[best] = True
        bound[near] = -2.0  # no more a candidate
    return np.array(rows, np.int64), np.array(gains)
