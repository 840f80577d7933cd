"""Splits for judging a model: in file order, at random, by whole groups (city, polygon, block), and in folds.

Patches of one polygon or city look alike and overlap. A random split tests on what was all but trained on; the same
model scored on unseen groups often loses twenty points. Both are given, so that the gap can be shown.
"""

import logging

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.buffer import without_neighbours
from citygrain.samples.samples import Samples

__all__ = [
    "group_folds",
    "leave_one_group_out",
    "random_folds",
    "repeated_folds",
    "split_at_random",
    "split_groups",
    "split_in_order",
]

logger = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]
Fold = tuple[Rows, Rows]
"""Rows to train on, rows to test on; both increasing."""


def split_in_order(samples: Samples, share: float = 0.8) -> tuple[Samples, Samples]:
    """Split off the last rows for testing, as the So2Sat course does.

    Parameters
    ----------
    samples : Samples
        In file order.
    share : float
        Share of the rows to train on, above 0 and below 1.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> samples = Samples.of(np.zeros((10, 1)), [1, 4] * 5, features=("B02",), legend=URBAN)
    >>> [len(side) for side in split_in_order(samples)]
    [8, 2]
    """
    cut = int(_checked_share(share) * len(samples))
    _refuse_empty(cut, len(samples) - cut)
    return samples[:cut], samples[cut:]


def split_at_random(samples: Samples, share: float = 0.8, *, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """Split labelled rows at random, class by class, so that each side has the classes in the same shares.

    Parameters
    ----------
    samples : Samples
        Rows with ``y`` = 0 are in neither side.
    share : float
        Share of the rows to train on, above 0 and below 1.
    rng : numpy.random.Generator
        Draws.
    """
    _checked_share(share)
    train = np.zeros(len(samples), bool)
    for c in samples.legend:
        own = rng.permutation(np.flatnonzero(samples.y == c.code))
        train[own[: round(share * len(own))]] = True
    test = (samples.y > 0) & ~train
    _refuse_empty(train.sum(), test.sum())
    return samples[train], samples[test]


def split_groups(samples: Samples, share: float = 0.8, *, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """Split labelled rows by whole groups, with the classes as evenly on both sides as the groups allow.

    Parameters
    ----------
    samples : Samples
        With `group`; rows with ``y`` = 0 are in neither side.
    share : float
        Share of the rows to train on, above 0 and below 1; whole groups meet it roughly.
    rng : numpy.random.Generator
        Breaks ties.

    Raises
    ------
    InputError
        If labelled rows have no group, or there is one group only.
    """
    wanted = np.array([_checked_share(share), 1 - share])
    side = _deal(samples, wanted, rng)
    _refuse_empty((side == 0).sum(), (side == 1).sum())
    return samples[side == 0], samples[side == 1]


def random_folds(samples: Samples, folds: int = 5, *, rng: np.random.Generator) -> list[Fold]:
    """Return folds of labelled rows at random, each class spread evenly; each row is tested once.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> samples = Samples.of(np.zeros((10, 1)), [1, 4] * 5, features=("B02",), legend=URBAN)
    >>> [len(test) for _, test in random_folds(samples, 5, rng=np.random.default_rng(0))]
    [2, 2, 2, 2, 2]
    """
    labelled = int((samples.y > 0).sum())
    _checked_folds(folds, labelled, "labelled rows")
    rows = [rng.permutation(np.flatnonzero(samples.y == c.code)) for c in samples.legend]
    number = np.full(len(samples), -1, np.int64)
    number[np.concatenate(rows)] = np.arange(labelled) % folds
    return _as_folds(number, folds)


def group_folds(samples: Samples, folds: int = 5, *, rng: np.random.Generator) -> list[Fold]:
    """Return folds of labelled rows by whole groups, classes as even as the groups allow; each row is tested once.

    Parameters
    ----------
    samples : Samples
        With `group`.
    folds : int
        2 or more, at most the number of groups.
    rng : numpy.random.Generator
        Breaks ties.

    Raises
    ------
    InputError
        If labelled rows have no group, or there are fewer groups than folds.
    """
    _checked_folds(folds, len(_groups(samples)), "groups")
    return _as_folds(_deal(samples, np.full(folds, 1 / folds), rng), folds)


def repeated_folds(
    samples: Samples,
    folds: int = 5,
    repeats: int = 5,
    *,
    rng: np.random.Generator,
    grouped: bool = True,
    buffer: float | None = None,
) -> list[list[Fold]]:
    """Deal the folds several times: one deal of few groups is luck, and the spread over deals tells how much.

    Parameters
    ----------
    samples : Samples
        With `group`, if the folds are by groups.
    folds : int
        Folds of each deal.
    repeats : int
        Deals, 1 or more.
    rng : numpy.random.Generator
        Deals.
    grouped : bool
        By whole groups, else at random.
    buffer : float, optional
        Metres that training ground keeps away from test ground: 0 = no pixel is shared. Training rows that are nearer
        are dropped, which is counted in the log. By default none is.

    Returns
    -------
    list of list of (ndarray, ndarray)
        For each deal its folds; within a deal each labelled row is tested once.

    Raises
    ------
    InputError
        As `group_folds` and `random_folds`; if there is no deal, or the buffer leaves a fold nothing to train on.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> group = np.repeat([0, 1, 2, 3], 5)
    >>> samples = Samples.of(np.zeros((20, 1)), [1, 4] * 10, features=("B02",), legend=URBAN, group=group)
    >>> deals = repeated_folds(samples, 2, 3, rng=np.random.default_rng(0))
    >>> [[len(test) for _, test in deal] for deal in deals]
    [[10, 10], [10, 10], [10, 10]]
    """
    if repeats < 1:
        raise InputError(f"{repeats} deals of folds", wanted="1 or more")
    make = group_folds if grouped else random_folds
    deals = [make(samples, folds, rng=rng) for _ in range(repeats)]
    if buffer is None:
        return deals
    kept = [[(without_neighbours(samples, *fold, buffer=buffer), fold[1]) for fold in deal] for deal in deals]
    before, after = (sum(len(train) for deal in part for train, _ in deal) for part in (deals, kept))
    logger.info("%d of %d training rows are nearer than %g m to a test row: dropped", before - after, before, buffer)
    for train, test in (fold for deal in kept for fold in deal):
        _refuse_empty(len(train), len(test))
    return kept


def leave_one_group_out(samples: Samples) -> dict[int, Fold]:
    """Return, by group number, the fold that tests on this group and trains on all others.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> city = np.array([7, 7, 3])
    >>> samples = Samples.of(np.zeros((3, 1)), [1, 4, 1], features=("B02",), legend=URBAN, group=city)
    >>> {group: test.tolist() for group, (_, test) in leave_one_group_out(samples).items()}
    {3: [2], 7: [0, 1]}
    """
    groups = _groups(samples)
    _checked_folds(2, len(groups), "groups")
    labelled = samples.y > 0
    return {
        int(group): (
            np.flatnonzero(labelled & (samples.group != group)),
            np.flatnonzero(labelled & (samples.group == group)),
        )
        for group in groups
    }


def _deal(samples: Samples, wanted: npt.NDArray[np.float64], rng: np.random.Generator) -> Rows:
    """Give each group to a pile, so that each pile has its wanted share of each class; -1 for unlabelled rows.

    The largest groups go first, each to the pile where it brings the shares of the classes nearest to what is wanted
    (as scikit-learn's StratifiedGroupKFold does for equal piles).
    """
    groups = _groups(samples)
    _checked_folds(2, len(groups), "groups")
    labelled = np.flatnonzero(samples.y > 0)
    member = np.searchsorted(groups, samples.group[labelled])
    held = np.zeros((len(groups), len(samples.legend)))
    np.add.at(held, (member, samples.legend.columns(samples.y[labelled])), 1)
    held /= np.maximum(held.sum(axis=0), 1)  # shares of each class
    shuffled = rng.permutation(len(groups))
    order = shuffled[np.argsort(-held[shuffled].max(axis=1), kind="stable")]
    pile_of = np.empty(len(groups), np.int64)
    lacking = np.outer(wanted, held.sum(axis=0) > 0)  # of each class, in each pile
    empty = np.ones(len(wanted), bool)
    for place, group in enumerate(order):
        # What the square of the lacking shares shrinks by, weighed by how much of the class the pile is to hold.
        gain = ((2 * lacking - held[group]) * held[group] / wanted[:, None]).sum(axis=1)
        if len(order) - place <= empty.sum():  # each pile gets a group
            gain = np.where(empty, gain, -np.inf)
        pile = int(gain.argmax())
        pile_of[group], empty[pile] = pile, False
        lacking[pile] -= held[group]
    number = np.full(len(samples), -1, np.int64)
    number[labelled] = pile_of[member]
    return number


def _groups(samples: Samples) -> Rows:
    groups = np.unique(samples.group[samples.y > 0])
    if len(groups) and groups[0] < 0:
        lost = int(((samples.group < 0) & (samples.y > 0)).sum())
        raise InputError(
            f"{lost} of {int((samples.y > 0).sum())} labelled samples have no group",
            wanted="a city, polygon or block for each",
            mend="split at random, or open the file with its geolocation",
        )
    return groups


def _as_folds(number: Rows, folds: int) -> list[Fold]:
    return [(np.flatnonzero((number >= 0) & (number != fold)), np.flatnonzero(number == fold)) for fold in range(folds)]


def _checked_share(share: float) -> float:
    if not 0 < share < 1:
        raise InputError(f"share {share} of the rows to train on", wanted="above 0 and below 1")
    return share


def _checked_folds(folds: int, there: int, what: str) -> None:
    if folds < 2 or there < folds:
        raise InputError(f"{folds} folds of {there} {what}", wanted=f"2 folds or more, and as many {what} at least")


def _refuse_empty(train: int, test: int) -> None:
    if not train or not test:
        raise InputError(f"{train} rows to train on and {test} to test on", wanted="some of both")
