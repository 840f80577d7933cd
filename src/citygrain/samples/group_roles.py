"""Split samples by whole groups, such as the polygons of the reference, with no ground shared between the sides.

Samples of one polygon resemble each other more than samples of one class do. Whole polygons are therefore drawn, class
by class, and what lies so near to a test sample that their patches overlap is left out.
"""

import logging

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.buffer import near_ground
from citygrain.samples.samples import Samples

__all__ = ["assign_group_roles"]

logger = logging.getLogger(__name__)

_DRAWS = 16


def assign_group_roles(
    samples: Samples, *, rng: np.random.Generator, valid_share: float = 0.0, test_share: float = 0.4
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Give each sample its role by whole groups, such as the polygons of the reference.

    Class by class, groups are drawn for testing and for validation until they hold about the wanted shares of the
    class's samples. A class with two groups or more is tested and trained; one with a single group is trained only,
    which is said in a warning. Training and validation samples whose ground meets that of a test sample are left out,
    and so are validation samples whose ground meets a training sample's.

    Parameters
    ----------
    samples : Samples
        With `group`: -1 = in none. Rows without group or class stay unused. Rows without `extent` meet nothing.
    rng : numpy.random.Generator
        Draws the groups.
    valid_share, test_share : float
        Shares of each class's samples, 0 to 0.5 and above 0 to 0.9.

    Returns
    -------
    role : ndarray of uint8, (n,)
        Index into `citygrain.samples.split.ROLES`: 0 unused, 1 train, 2 valid, 3 test.
    group : ndarray of int64, (n,)
        The samples' groups.

    Raises
    ------
    InputError
        If no class has two groups, or a share is out of its range.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> x, group = np.zeros((8, 1), np.float32), np.array([1, 1, 2, 2, 3, 3, 4, 4])
    >>> samples = Samples.of(x, [1, 1, 1, 1, 4, 4, 4, 4], features=("B02",), legend=URBAN, group=group)
    >>> role, _ = assign_group_roles(samples, rng=np.random.default_rng(0), test_share=0.5)
    >>> [sorted(set(role[samples.y == code].tolist())) for code in (1, 4)]
    [[1, 3], [1, 3]]
    """
    if not (0 <= valid_share <= 0.5 and 0 < test_share <= 0.9):
        raise InputError(f"shares of {valid_share} to validate and {test_share} to test", wanted="0 to 0.5, 0 to 0.9")
    used = (samples.y > 0) & (samples.group >= 0)
    groups, member = np.unique(samples.group[used], return_inverse=True)
    tally = np.zeros((len(groups), len(samples.legend)), np.int64)
    np.add.at(tally, (member, samples.legend.columns(samples.y[used])), 1)
    size, column = tally.sum(1), tally.argmax(1)  # a group is of the class that most of its samples have
    role_of = np.ones(len(groups), np.uint8)
    alone = [int(group) for group in np.unique(column) if (column == group).sum() == 1]
    if alone:
        names = ", ".join(samples.legend.names[c] for c in alone)
        logger.warning("trained but not tested, having one polygon only: %s", names)
    for c in np.setdiff1d(column, alone):
        own = np.flatnonzero(column == c)
        order, tested = _drawn(size[own], test_share, len(own) - 1, rng)
        _, held = _prefix(size[own][order[tested:]], valid_share / (1 - test_share), len(own) - tested - 1)
        role_of[own[order[:tested]]] = 3
        role_of[own[order[tested : tested + held]]] = 2
    if not (role_of == 3).any():
        raise InputError(f"{len(groups)} polygons, none beside another of its class", wanted="two of a class or more")
    role = np.zeros(len(samples), np.uint8)
    role[used] = role_of[member]
    role[np.isin(role, (1, 2)) & near_ground(samples, role == 3)] = 0
    role[(role == 2) & near_ground(samples, role == 1)] = 0
    _warn_of_untrained(samples, role)
    return role, samples.group.copy()


def _drawn(
    size: npt.NDArray[np.int64], share: float, most: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], int]:
    """Return, of several random orders, the one whose first groups come nearest to the share, and their number."""
    orders = [rng.permutation(len(size)) for _ in range(_DRAWS)]
    tries = [_prefix(size[order], share, most, least=1) for order in orders]
    best = int(np.argmin([off for off, _ in tries]))
    return orders[best], tries[best][1]


def _prefix(size: npt.NDArray[np.int64], share: float, most: int, *, least: int = 0) -> tuple[float, int]:
    """Return how many first groups hold about a share of all samples, and how far off they are."""
    off = np.abs(np.append(0, size.cumsum()) / max(size.sum(), 1) - share)[least : most + 1]
    return float(off.min()), least + int(off.argmin())


def _warn_of_untrained(samples: Samples, role: npt.NDArray[np.uint8]) -> None:
    lost = [
        c.name for c in samples.legend if (samples.y[role == 3] == c.code).any() and c.code not in samples.y[role == 1]
    ]
    if lost:
        logger.warning("tested but not trained, as all other samples lie beside the test polygons: %s", ", ".join(lost))
