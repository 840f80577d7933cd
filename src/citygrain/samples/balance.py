"""Balance classes: cap the common ones, repeat the rare ones turned and mirrored, or weigh them."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.samples import Samples

__all__ = ["balance", "class_weights"]


def balance(
    samples: Samples, *, per_class: int, rng: np.random.Generator, oversample: bool = False, augment: bool = True
) -> Samples:
    """Draw at most, or exactly, `per_class` samples of each class.

    Parameters
    ----------
    samples : Samples
        Unlabelled rows (``y`` = 0) are left out.
    per_class : int
        Wished number for each class.
    rng : numpy.random.Generator
        Draws the rows and their order.
    oversample : bool
        Repeat the rows of rarer classes until there are `per_class` of each.
    augment : bool
        Turn and mirror the repeated patches (one of the eight symmetries of the square, at random).

    Returns
    -------
    Samples
        In memory, shuffled; classes that do not occur stay absent.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> x = np.arange(5, dtype=np.float32)[:, None]
    >>> samples = Samples.of(x, [1, 1, 1, 1, 4], features=("B02",), legend=URBAN)
    >>> balance(samples, per_class=2, rng=np.random.default_rng(0)).counts()["Urban"]
    2
    >>> balance(samples, per_class=3, rng=np.random.default_rng(0), oversample=True).counts()["Water"]
    3
    """
    if per_class < 1:
        raise InputError(f"per_class = {per_class}", wanted="1 or more samples of each class")
    rows, repeated = [], []
    for c in samples.legend:
        own = rng.permutation(np.flatnonzero(samples.y == c.code))
        rows.append(own[:per_class])
        missing = per_class - len(own)
        if oversample and missing > 0 and len(own):
            repeated.append(rng.choice(own, missing))
    first, again = np.concatenate(rows), np.concatenate([np.empty(0, np.int64), *repeated])
    ways = np.zeros(len(first) + len(again), np.int64)  # of the square's symmetries; 0 leaves a patch as it is
    if augment and len(samples.x.shape) == 4:
        ways[len(first) :] = rng.integers(1, 8, len(again))
    order = rng.permutation(len(ways))
    drawn = samples[np.concatenate([first, again])[order]]
    x = drawn.take(np.arange(len(drawn)))
    _turn(x, ways[order])
    return replace(drawn, x=x)


def _turn(x: npt.NDArray[np.float32], ways: npt.NDArray[np.int64]) -> None:
    for i in np.flatnonzero(ways):
        patch = np.rot90(x[i], int(ways[i]) % 4, axes=(-2, -1))
        x[i] = patch[..., ::-1] if ways[i] >= 4 else patch


def class_weights(samples: Samples) -> npt.NDArray[np.float64]:
    """Return a weight for each class of the legend, n / (k n_class), 0 where it does not occur.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> class_weights(Samples.of(np.zeros((4, 1)), [1, 1, 1, 4], features=("B02",), legend=URBAN)).round(2).tolist()
    [0.67, 0.0, 0.0, 2.0]
    """
    counts = np.array(list(samples.counts().values()), np.float64)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
