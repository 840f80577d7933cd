"""Labels that are probably wrong, by confident learning: what a model of other ground says where it is confident.

A label is doubted where cross-validated probabilities reach another class's own usual confidence. The thresholds are
the classes' own, so that a class that is hard to tell is not doubted as a whole. Northcutt, Jiang & Chuang 2021,
Confident learning: estimating uncertainty in dataset labels, JAIR 70, doi:10.1613/jair.1.12125.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["LabelQuality", "judge_labels", "pool_probabilities"]

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelQuality:
    """What cross-validated probabilities say of n labels.

    Attributes
    ----------
    legend : Legend
        k classes.
    labels, suggested : ndarray of uint8, (n,)
        The label given, and the class that is said instead; where the label is not doubted, the label. 0 = unlabelled.
    confident : ndarray of bool, (n,)
        Which labels are doubted with confidence: the pairs off the diagonal of the confident joint.
    margin : ndarray of float64, (n,)
        Probability of the label minus that of the likeliest other class, -1 to 1; NaN where unlabelled.
    thresholds : ndarray of float64, (k,)
        Mean probability of a class among those labelled so; NaN for a class without labels.
    joint : ndarray of float64, (k, k)
        Estimated share of each pair of label (rows) and true class (columns); sums to 1.
    """

    legend: Legend
    labels: Codes
    suggested: Codes
    confident: npt.NDArray[np.bool_]
    margin: Floats
    thresholds: Floats
    joint: Floats

    @property
    def suspect(self) -> npt.NDArray[np.bool_]:
        """Which labels are doubted, (n,): those doubted with confidence, and the estimated number of each confusion."""
        return np.asarray(self.suggested != self.labels)

    @property
    def ranking(self) -> npt.NDArray[np.int64]:
        """Rows of the doubted labels, the most doubtful (smallest margin) first."""
        rows = np.flatnonzero(self.suspect)
        return rows[np.argsort(self.margin[rows], kind="stable")]

    @property
    def error_rate(self) -> float:
        """Estimated share of wrong labels, 0 to 1."""
        return max(0.0, float(1 - np.trace(self.joint)))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the whole as plain values for JSON."""
        thresholds = zip(self.legend.names, self.thresholds, strict=True)
        return {
            "labels": int((self.labels > 0).sum()),
            "suspects": int(self.suspect.sum()),
            "confident_suspects": int(self.confident.sum()),
            "estimated_error_rate": self.error_rate,
            "thresholds": {name: None if np.isnan(value) else float(value) for name, value in thresholds},
            "joint": {
                "meaning": "estimated share of all labels; rows = label given, columns = true class",
                "classes": list(self.legend.names),
                "matrix": self.joint.tolist(),
            },
        }


def judge_labels(labels: npt.ArrayLike, probabilities: npt.ArrayLike, legend: Legend) -> LabelQuality:
    """Find labels that are probably wrong.

    A class is confidently said where its probability reaches the mean of its probabilities among those labelled so;
    where several are, the likeliest of them. Labels for which another class is confidently said are doubted. The table
    of labels and confident classes, brought to the labels' own numbers, also estimates how many labels of each class
    belong to each other one; so many, those of the smallest margin, are doubted as well ("prune by noise rate").

    Parameters
    ----------
    labels : array-like of int, (n,)
        Class codes; 0 = unlabelled, which is passed over.
    probabilities : array-like of float, (n, k)
        Probability of each class in the legend's order, from a model that has not seen the row or its neighbours; rows
        that are not finite are passed over.
    legend : Legend
        k classes.

    Returns
    -------
    LabelQuality

    Raises
    ------
    InputError
        If shapes do not fit, no row is labelled, or a probability is not between 0 and 1.

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> sure = np.array([0.9, 0.8, 0.1, 0.2, 0.3])  # of Land
    >>> found = judge_labels([1, 1, 1, 2, 2], np.column_stack([sure, 1 - sure]), legend)
    >>> found.thresholds.round(2).tolist(), found.ranking.tolist(), found.suggested.tolist()
    ([0.6, 0.75], [2], [1, 1, 2, 2, 2])
    >>> round(found.error_rate, 3)  # one of three is confidently of the other class
    0.2
    """
    codes, p = _checked(labels, probabilities, legend)
    known = (codes > 0) & np.isfinite(p).all(1)
    if not known.any():
        raise InputError("no row with a label and probabilities", wanted="labelled rows")
    given, rows = legend.columns(codes[known]), p[known]
    thresholds = _thresholds(given, rows)
    joint, said = _joint(given, rows, thresholds), _confident(given, rows, thresholds)
    suggested, margin = codes.copy(), np.full(len(codes), np.nan)
    confident = np.zeros(len(codes), bool)
    confident[known] = said != given
    suggested[known] = legend.codes(np.where(said != given, said, _pruned(given, rows, joint)))
    margin[known] = _margins(given, rows)
    return LabelQuality(legend, codes, suggested, confident, margin, thresholds, joint)


def pool_probabilities(
    probabilities: npt.NDArray[Any], group: npt.NDArray[np.int64], weights: npt.ArrayLike | None = None
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Average probabilities over groups, such as the polygons of a reference.

    Parameters
    ----------
    probabilities : ndarray, (n, k)
        Of each unit.
    group : ndarray of int, (n,)
        Number of the group; negative = none.
    weights : array-like, (n,), optional
        How much each unit counts, such as its area.

    Returns
    -------
    groups : ndarray of int64, (m,)
        Numbers, increasing.
    mean : ndarray of float64, (m, k)

    Examples
    --------
    >>> groups, mean = pool_probabilities(np.array([[1, 0], [0, 1], [0, 1]], float), np.array([7, 7, -1]))
    >>> groups.tolist(), mean.tolist()
    ([7], [[0.5, 0.5]])
    """
    inside = (group >= 0) & np.isfinite(probabilities).all(1)
    groups, member = np.unique(group[inside], return_inverse=True)
    counted = np.ones(len(group)) if weights is None else np.asarray(weights, float)
    total = np.zeros((len(groups), probabilities.shape[1]))
    np.add.at(total, member, probabilities[inside] * counted[inside, None])
    return groups, total / np.maximum(np.bincount(member, counted[inside], len(groups)), 1e-12)[:, None]


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike, legend: Legend) -> tuple[Codes, Floats]:
    codes, p = np.asarray(labels, np.uint8), np.asarray(probabilities, np.float64)
    if p.shape != (len(codes), len(legend)):
        raise InputError(f"probabilities of shape {p.shape}", wanted=f"{(len(codes), len(legend))}")
    if (p[np.isfinite(p)] < -1e-6).any() or (p[np.isfinite(p)] > 1 + 1e-6).any():
        raise InputError("probabilities below 0 or above 1", wanted="0 to 1")
    return codes, p


def _thresholds(given: npt.NDArray[np.int64], p: Floats) -> Floats:
    """Return the mean probability of each class among the rows that are labelled so."""
    counts = np.bincount(given, minlength=p.shape[1])
    own = np.bincount(given, p[np.arange(len(given)), given], p.shape[1])
    return np.asarray(np.divide(own, counts, out=np.full(p.shape[1], np.nan), where=counts > 0))


def _reached(p: Floats, thresholds: Floats) -> npt.NDArray[np.bool_]:
    """Tell which classes are confidently said; a class without labels never is (NaN compares as false)."""
    return np.asarray(p >= thresholds - 1e-12)  # a mean of equal numbers may be a rounding above them


def _confident(given: npt.NDArray[np.int64], p: Floats, thresholds: Floats) -> npt.NDArray[np.int64]:
    """Return the class that is confidently said of each row, else its label; among equals the label."""
    reached = _reached(p, thresholds)
    among = np.where(reached, p, -np.inf)
    best = among.argmax(1)
    rows = np.arange(len(given))
    keeps = ~reached.any(1) | (among[rows, given] >= among[rows, best])
    return np.asarray(np.where(keeps, given, best))


def _margins(given: npt.NDArray[np.int64], p: Floats) -> Floats:
    rows = np.arange(len(given))
    others = p.copy()
    others[rows, given] = -np.inf
    return np.asarray(p[rows, given] - (others.max(1) if p.shape[1] > 1 else 0.0))


def _joint(given: npt.NDArray[np.int64], p: Floats, thresholds: Floats) -> Floats:
    """Return the confident joint, calibrated so that its rows hold the labels' shares (equation 3 of the paper)."""
    counted = _reached(p, thresholds).any(1)  # rows of which nothing is confidently said are not counted
    k = p.shape[1]
    joint = np.zeros((k, k))
    np.add.at(joint, (given[counted], _confident(given, p, thresholds)[counted]), 1)
    held = np.bincount(given, minlength=k)
    bare = (joint.sum(1) == 0) & (held > 0)
    joint[bare, bare] = 1  # a class of which nothing is confident is taken at its word
    joint *= (held / np.maximum(joint.sum(1), 1))[:, None]
    return np.asarray(joint / len(given))


def _pruned(given: npt.NDArray[np.int64], p: Floats, joint: Floats) -> npt.NDArray[np.int64]:
    """Return another class for as many labels of each pair as the joint has, smallest margins first; else the label."""
    instead, best = given.copy(), np.full(len(given), -np.inf)
    for label, other in np.argwhere(joint > 0):
        number = round(float(joint[label, other]) * len(given))
        if label == other or number == 0:
            continue
        rows = np.flatnonzero(given == label)
        excess = p[rows, other] - p[rows, label]
        chosen = np.argsort(-excess, kind="stable")[:number]
        chosen = chosen[(excess[chosen] > 0) & (excess[chosen] > best[rows[chosen]])]
        instead[rows[chosen]], best[rows[chosen]] = other, excess[chosen]
    return instead
