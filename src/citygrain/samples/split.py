"""Split samples by space: train and test alternate over blocks, and no pixel lies in both.

Neighbouring patches overlap, so a random split scores a model on pixels that it has seen. Here a sample takes part
only if all the ground that it is made of (its window and its superpixel) lies in one block; then test ground and
training ground are disjoint by construction.
"""

import logging

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.samples import Samples

__all__ = ["ROLES", "assign_roles", "block_parity", "blocks_of", "split_blocks"]

ROLES = ("unused", "train", "valid", "test")
"""Names of the roles 0 to 3 that `assign_roles` gives."""

log = logging.getLogger(__name__)
_STRIDE = 1 << 20  # block numbers are row * _STRIDE + column; a scene has fewer blocks than that a side
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
    samples: Samples, size: float, *, rng: np.random.Generator, valid_share: float = 0.0, spare_rare: bool = False
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
    spare_rare : bool
        Leave a class that has fewer than two samples on either side unused, with a warning, instead of refusing.

    Returns
    -------
    role : ndarray of uint8, (n,)
        Index into `ROLES`: 0 unused (unlabelled, or across a border), 1 train, 2 valid, 3 test.
    block : ndarray of int64, (n,)
        Block number, -1 = across a border.

    Raises
    ------
    InputError
        If the blocks are too small for the windows, if there is one class only (or one that is not rare), or if a
        class has fewer than two samples on either side.
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
    _leave_out_rare(samples, role, spare=spare_rare)
    role[np.isin(block, _validation_blocks(samples, role, block, valid_share, rng)) & (role == 1)] = 2
    return role, block


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


def _leave_out_rare(samples: Samples, role: npt.NDArray[np.uint8], *, spare: bool) -> None:
    """Refuse classes that cannot be both trained and tested, or take their roles away."""
    present = [c for c in samples.legend if (samples.y == c.code).any()]
    rare = [c for c in present if min(_on_either_side(samples, role, c.code)) < _LEAST]
    left = [c for c in present if c not in rare] if spare else present
    if len(left) < 2:
        names = ", ".join(c.name for c in left) or "none"
        enough = " often enough" if spare and rare else ""
        raise InputError(
            f"the reference has one class only{enough} ({names}) on this scene", wanted="two classes or more"
        )
    for c in rare:
        train, test = _on_either_side(samples, role, c.code)
        came = (
            f"class {c.name!r} is too rare to be both trained and tested: {int((samples.y == c.code).sum())} "
            f"samples, of which {train} fall into training and {test} into test blocks"
        )
        if not spare:
            raise InputError(
                came, wanted=f"at least {_LEAST} in each",
                mend="merge it with another class, put its code into [reference] ignore, change [samples] block, "
                "or leave such classes out: [samples] rare = 'leave out'",
            )  # fmt: skip
        log.warning("%s; it is left out, and the map will not have it", came)
        role[samples.y == c.code] = 0


def _on_either_side(samples: Samples, role: npt.NDArray[np.uint8], code: int) -> tuple[int, int]:
    train, test = (int(((samples.y == code) & (role == side)).sum()) for side in (1, 3))
    return train, test


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
