"""Split samples by space: by blocks on which train and test alternate, or by whole polygons; no pixel lies in both.

Neighbouring patches overlap, so a random split scores a model on pixels that it has seen. With blocks a sample takes
part only if all the ground that it is made of (its window and its superpixel) lies in one block; with polygons the
training samples whose ground meets that of a test sample are left out.
"""

import logging

import numpy as np
import numpy.typing as npt
import shapely

from citygrain.errors import InputError
from citygrain.samples.samples import Samples

__all__ = ["ROLES", "assign_group_roles", "assign_roles", "block_parity", "blocks_of", "split_blocks"]

logger = logging.getLogger(__name__)

ROLES = ("unused", "train", "valid", "test")
"""Names of the roles 0 to 3 that `assign_roles` gives."""

_STRIDE = 1 << 20  # block numbers are row * _STRIDE + column; a scene has fewer blocks than that a side
_DRAWS = 16
_LEAST = 2  # rows of a class on either side, below which neither training nor testing means anything


def blocks_of(extent: npt.NDArray[np.float64], size: float, *, origin: tuple[float, float]) -> npt.NDArray[np.int64]:
    """Return the number of the square block that wholly holds each extent; -1 where none does.

    Parameters
    ----------
    extent : ndarray, (n, 4)
        xmin, ymin, xmax, ymax in map units.
    size : float
        Side of a block in map units (metres).
    origin : tuple of float
        x of the left and y of the upper edge of the first block.

    Examples
    --------
    >>> extent = np.array([[0, -5, 10, 0], [95, -5, 105, 0], [100, -200, 200, -100]], float)
    >>> blocks_of(extent, 100, origin=(0, 0)).tolist() == [0, -1, 1048577]
    True
    """
    left, bottom, right, top = extent.T
    tolerance = 1e-6 * size  # pixel edges that fall on a block edge, up to rounding
    first_column = np.floor((left - origin[0] + tolerance) / size)
    last_column = np.floor((right - origin[0] - tolerance) / size)
    first_row = np.floor((origin[1] - top + tolerance) / size)
    last_row = np.floor((origin[1] - bottom - tolerance) / size)
    whole = (first_column == last_column) & (first_row == last_row) & np.isfinite(left)
    number = np.where(whole, first_row * _STRIDE + first_column, -1)
    return number.astype(np.int64)


def block_parity(block: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the colour of each block on the checkerboard, 0 or 1.

    Examples
    --------
    >>> block_parity(np.array([0, 1, 1048576, 1048577])).tolist()
    [0, 1, 1, 0]
    """
    return (block // _STRIDE + block % _STRIDE) % 2


def assign_roles(
    samples: Samples, size: float, *, rng: np.random.Generator, valid_share: float = 0.0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Give each sample its role: train and test alternate over blocks, validation takes some training blocks.

    Parameters
    ----------
    samples : Samples
        With `extent`; rows with `y` = 0 stay unused.
    size : float
        Side of a block in metres. It must exceed the window, or no sample lies within one block.
    rng : numpy.random.Generator
        Chooses which colour of the checkerboard is tested and which blocks validate.
    valid_share : float
        Share of the training blocks that validates, 0 to 0.5.

    Returns
    -------
    role : ndarray of uint8, (n,)
        Index into `ROLES`: 0 unused (unlabelled, or across a border), 1 train, 2 valid, 3 test.
    block : ndarray of int64, (n,)
        Block number, -1 = across a border.

    Raises
    ------
    InputError
        If the blocks are too small for the windows, if there is one class only, or if a class has fewer than two
        samples on either side.
    """
    if not np.isfinite(samples.extent).any():
        raise InputError("samples without ground coordinates", wanted="extents, to split by space")
    origin = float(np.nanmin(samples.extent[:, 0])), float(np.nanmax(samples.extent[:, 3]))
    block = blocks_of(samples.extent, size, origin=origin)
    labelled = samples.y > 0
    if not (labelled & (block >= 0)).any():
        usual = float(np.nanmedian(samples.extent[:, 2] - samples.extent[:, 0]))
        raise InputError(
            f"no labelled sample lies within one block of {size:g} m",
            wanted=f"blocks wider than the samples (usually {usual:g} m)",
            mend="set a larger [samples] block or a smaller window",
        )
    tested = block_parity(block) == rng.integers(2)
    role = np.where(labelled & (block >= 0), np.where(tested, 3, 1), 0).astype(np.uint8)
    _refuse_rare(samples, role)
    role[np.isin(block, _validation_blocks(samples, role, block, valid_share, rng)) & (role == 1)] = 2
    return role, block


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
        Index into `ROLES`: 0 unused, 1 train, 2 valid, 3 test.
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
    role[np.isin(role, (1, 2)) & _meets(samples, role == 3)] = 0
    role[(role == 2) & _meets(samples, role == 1)] = 0
    _warn_of_untrained(samples, role)
    return role, samples.group.copy()


def split_blocks(samples: Samples, size: float, *, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """Split samples into training and test rows that share no pixel.

    Parameters
    ----------
    samples : Samples
        With `extent`.
    size : float
        Side of a block in metres.
    rng : numpy.random.Generator
        Chooses which colour of the checkerboard is tested.

    Returns
    -------
    train, test : Samples
        With `group` = block number. Samples across a border are in neither.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> x, extent = np.zeros((8, 1), np.float32), np.array([[i, 0, i + 1, 1] for i in range(8)], float)
    >>> samples = Samples.of(x, [1, 4] * 4, features=("B02",), legend=URBAN, extent=extent)
    >>> train, test = split_blocks(samples, 4, rng=np.random.default_rng(1))
    >>> len(train), len(test), np.intersect1d(train.unit, test.unit).size
    (4, 4, 0)
    """
    role, block = assign_roles(samples, size, rng=rng)
    grouped = Samples(
        samples.x, samples.y, samples.features, samples.legend, block, samples.unit, samples.extent, samples.purity
    )
    return grouped[role == 1], grouped[role == 3]


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


def _meets(samples: Samples, others: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which samples share ground with one of `others`; edges that touch share none."""
    known = np.isfinite(samples.extent).all(1)
    result = np.zeros(len(samples), bool)
    if not (others & known).any():
        return result
    side = np.nanmax(samples.extent[known, 2:] - samples.extent[known, :2])
    inset = samples.extent[known] + 1e-6 * side * np.array([1, 1, -1, -1])
    chosen, group = others[known], samples.group[known]
    # One shape for each group: thousands of patches that overlap each other are found in one step.
    parts = [
        shapely.union_all(shapely.box(*_strips(inset[chosen & (group == number)]).T))
        for number in np.unique(group[chosen])
    ]
    boxes = np.asarray(shapely.box(*inset.T))
    _, hit = shapely.STRtree(boxes).query(parts, predicate="intersects")
    result[np.flatnonzero(known)[np.unique(hit)]] = True
    return result


def _strips(extent: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return boxes that cover the same ground, those of one row that overlap made one: patches lie on a lattice.

    Examples
    --------
    >>> _strips(np.array([[2, 0, 4, 1], [0, 0, 3, 1], [5, 0, 6, 1], [0, 1, 3, 2]], float)).tolist()
    [[0.0, 0.0, 4.0, 1.0], [5.0, 0.0, 6.0, 1.0], [0.0, 1.0, 3.0, 2.0]]
    """
    ordered = extent[np.lexsort((extent[:, 0], extent[:, 3], extent[:, 1]))]
    first, next_ = ordered[:-1], ordered[1:]
    parted = (next_[:, 1] != first[:, 1]) | (next_[:, 3] != first[:, 3]) | (next_[:, 0] > first[:, 2])
    starts = np.flatnonzero(np.append(True, parted))
    right = np.maximum.reduceat(ordered[:, 2], starts)
    return np.column_stack([ordered[starts, :2], right, ordered[starts, 3]])


def _warn_of_untrained(samples: Samples, role: npt.NDArray[np.uint8]) -> None:
    lost = [
        c.name for c in samples.legend if (samples.y[role == 3] == c.code).any() and c.code not in samples.y[role == 1]
    ]
    if lost:
        logger.warning("tested but not trained, as all other samples lie beside the test polygons: %s", ", ".join(lost))


def _refuse_rare(samples: Samples, role: npt.NDArray[np.uint8]) -> None:
    present = [c for c in samples.legend if (samples.y == c.code).any()]
    if len(present) < 2:
        names = ", ".join(c.name for c in present)
        raise InputError(f"the reference has one class only ({names}) on this scene", wanted="two classes or more")
    for c in present:
        train, test = (int(((samples.y == c.code) & (role == side)).sum()) for side in (1, 3))
        if min(train, test) < _LEAST:
            raise InputError(
                f"class {c.name!r} is too rare to be both trained and tested: {int((samples.y == c.code).sum())} "
                f"samples, of which {train} fall into training and {test} into test blocks",
                wanted=f"at least {_LEAST} in each",
                mend="merge it with another class, put its code into [reference] ignore, or change [samples] block",
            )


def _validation_blocks(
    samples: Samples,
    role: npt.NDArray[np.uint8],
    block: npt.NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Choose training blocks for validation at random, but none that holds more than half of a class's samples."""
    chosen: list[int] = []
    train = role == 1
    columns = samples.legend.columns(samples.y)
    left = np.bincount(columns[train], minlength=len(samples.legend))
    budget = share * train.sum()
    least = np.minimum(left, np.maximum(left // 2, _LEAST))  # an absent class keeps its 0
    for number in rng.permutation(np.unique(block[train])):
        rows = train & (block == number)
        held = np.bincount(columns[rows], minlength=len(samples.legend))
        if rows.sum() <= budget and (left - held >= least).all():
            chosen.append(int(number))
            left, budget = left - held, budget - rows.sum()
    return np.array(chosen, np.int64)
