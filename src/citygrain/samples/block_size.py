"""How large the blocks of a split should be, and how large they can be on this scene.

They should reach as far as places resemble each other. On a small scene, or with a rare class, such blocks would be too
few to train and test on; then the largest size that works is taken, and what was wished is said.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from citygrain.errors import InputError
from citygrain.samples.samples import Samples
from citygrain.samples.split import assign_roles

__all__ = ["FEWEST_BLOCKS", "BlockSize", "choose_block_size"]

FEWEST_BLOCKS = 12
"""Test blocks below which an interval drawn from whole blocks is a guess."""
_SMALLER = 0.87
_KEPT = 0.2  # of the labelled samples; with small blocks most lie across a border


@dataclass(frozen=True)
class BlockSize:
    """A side for the blocks of a split.

    Attributes
    ----------
    size : float
        Side in metres.
    wished : float
        The distance up to which places are alike, in metres.
    limit : str
        Why it is smaller than wished; empty if it is not.
    """

    size: float
    wished: float
    limit: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def choose_block_size(
    samples: Samples, wished: float, *, seed: int, valid_share: float = 0.0, spare_rare: bool = False
) -> BlockSize:
    """Return the largest side, up to the wished one, with which the samples can be split by blocks.

    A side works if each class is trained and tested, `FEWEST_BLOCKS` blocks or more are tested, and a fifth or more of
    the labelled samples lies within single blocks.

    Parameters
    ----------
    samples : Samples
        With `extent`.
    wished : float
        Metres.
    seed : int
        That of the run: the split is tried as the run will draw it.
    valid_share, spare_rare : float, bool
        As `citygrain.samples.split.assign_roles` has them.

    Raises
    ------
    InputError
        If no side works.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> x, y = np.divmod(np.arange(1600), 40)
    >>> extent = np.column_stack([x, y, x + 1, y + 1]) * 10.0
    >>> samples = Samples.of(np.zeros((1600, 1)), 1 + (x + y) % 2, features=("B02",), legend=URBAN, extent=extent)
    >>> choose_block_size(samples, 60.0, seed=0)
    BlockSize(size=60.0, wished=60.0, limit='')
    >>> choose_block_size(samples, 300.0, seed=0).limit
    'larger blocks would leave fewer than 12 to test on'
    """
    least = 1.2 * float(np.nanmedian(samples.extent[:, 2] - samples.extent[:, 0]))
    size, limit, wished = max(wished, least), "", float(wished)
    while size >= least:
        wrong = _what_is_wrong(samples, _rounded(size), seed, valid_share, spare_rare)
        if not wrong:
            return BlockSize(_rounded(size), wished, limit)
        limit, size = wrong, size * _SMALLER
    raise InputError(
        f"no side of blocks from {least:.0f} to {wished:.0f} m works: {limit}",
        wanted="a larger scene, or classes that lie in more places",
        mend="set [samples] block to a number, merge rare classes, or set a smaller window",
    )


def _rounded(size: float) -> float:
    """Return the size with two digits, so that nobody takes it for exact.

    Examples
    --------
    >>> _rounded(1873.2), _rounded(86.4)
    (1900.0, 86.0)
    """
    unit = 10.0 ** (np.floor(np.log10(size)) - 1)
    return float(round(size / unit) * unit)


def _what_is_wrong(samples: Samples, size: float, seed: int, valid_share: float, spare_rare: bool) -> str:
    try:
        rng = np.random.default_rng([seed, 0])
        role, block = assign_roles(samples, size, rng=rng, valid_share=valid_share, spare_rare=spare_rare)
    except InputError as error:
        return f"with larger blocks {error.came}" if "too rare" in error.came else error.came
    if len(np.unique(block[role == 3])) < FEWEST_BLOCKS:
        return f"larger blocks would leave fewer than {FEWEST_BLOCKS} to test on"
    if (role > 0).sum() < _KEPT * (samples.y > 0).sum():
        return "smaller blocks would cut through most samples"
    return ""
