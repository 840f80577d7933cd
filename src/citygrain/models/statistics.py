"""Statistics of patches, for models that want rows: what a forest can see of a patch without drowning in pixels.

And the plainest row of all: what a unit has of its own, without its deviation and without what lies around it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from citygrain.models.normalisation import SEGMENT

__all__ = ["CENTRE", "own_columns", "own_means", "patch_statistics"]

CENTRE = 7
"""Side in pixels of the centre square that stands for the superpixel where its mask is not known."""
_BESIDE = (" std", " context_mean", " context_std")


def patch_statistics(patches: npt.NDArray[np.float32], features: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Return mean and deviation of each channel over the superpixel and over the whole patch.

    Parameters
    ----------
    patches : ndarray, (n, c, h, w)
        Values without NaN. A channel called ``SEGMENT`` is the superpixel's mask (1 inside); without it, the
        7 x 7 pixels at the centre stand for the superpixel.
    features : tuple of str, (c,)
        Name of each channel.

    Returns
    -------
    ndarray, (n, 4 * channels without the mask), float32
        Means inside, deviations inside, means of the patch, deviations of the patch.

    Examples
    --------
    >>> patch_statistics(np.ones((1, 2, 9, 9), np.float32), ("B02", SEGMENT)).tolist()
    [[1.0, 0.0, 1.0, 0.0]]
    """
    image, inside = _parted(patches, features, CENTRE)
    parts = []
    for weights in (inside, np.ones_like(inside)):
        share = (weights / weights.sum(1, keepdims=True))[:, :, None]  # (n, h w, 1)
        mean = image @ share
        spread = np.square(image - mean) @ share
        parts += [mean[:, :, 0], np.sqrt(spread[:, :, 0])]
    return np.concatenate(parts, 1).astype(np.float32)


def own_means(
    rows: npt.NDArray[np.float32], features: Sequence[str], *, centre: int = CENTRE
) -> npt.NDArray[np.float32]:
    """Return what each unit has of its own: the mean of each feature over it, nothing of its surroundings.

    Parameters
    ----------
    rows : ndarray, (n, c) or (n, c, h, w)
        Values that are not finite are left out. Of a patch the superpixel is taken as far as it lies within it.
    features : sequence of str, (c,)
        Name of each column or channel; see `own_columns` and ``SEGMENT``.
    centre : int
        Side in pixels of the square in the middle of a patch that stands for a unit whose outline is not known.

    Returns
    -------
    ndarray, (n, d), float32
        NaN where a unit has no value.

    Examples
    --------
    >>> own_means(np.array([[1.0, 2.0, 3.0]], np.float32), ("B02", "B02 mean", "B02 std")).tolist()
    [[1.0]]
    >>> own_means(np.array([[[[1.0, np.nan, 3.0]], [[1.0, 1.0, 0.0]]]], np.float32), ("B02", SEGMENT)).tolist()
    [[1.0]]
    """
    if rows.ndim == 2:
        return rows[:, own_columns(features)]
    image, inside = _parted(rows, features, centre)
    there = np.isfinite(image) & (inside > 0)[:, None]
    number = there.sum(2)
    total = np.where(there, image, 0).sum(2, dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def own_columns(features: Sequence[str]) -> list[int]:
    """Return which columns are the unit's own values: all that is no mean or deviation of something else.

    Examples
    --------
    >>> own_columns(["B02", "B03", "B02 mean", "B03 mean"])  # pixels with their neighbours
    [0, 1]
    >>> own_columns(["B02 mean", "B02 std", "B02 context_mean", "B02 context_std"])  # superpixels
    [0]
    """
    alone = [place for place, name in enumerate(features) if not name.endswith((*_BESIDE, " mean"))]
    return alone or [place for place, name in enumerate(features) if not name.endswith(_BESIDE)]


def _parted(
    patches: npt.NDArray[np.float32], features: Sequence[str], centre: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the channels without the mask (n, d, h w), and where the unit is (n, h w), 1 inside and 0 outside."""
    n, _, height, width = patches.shape
    image = patches[:, [name != SEGMENT for name in features]].reshape(n, -1, height * width)
    if SEGMENT in features:
        inside = patches[:, list(features).index(SEGMENT)].reshape(n, height * width)
    else:
        rows, columns = (np.abs(np.arange(side) - (side - 1) / 2) <= centre / 2 for side in (height, width))
        inside = np.broadcast_to((rows[:, None] & columns).reshape(-1), (n, height * width)).astype(np.float32)
    return image, np.where(inside.any(1, keepdims=True), inside, 1)  # a centroid may lie outside its superpixel
