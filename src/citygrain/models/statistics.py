"""Statistics of patches, for models that want rows: what a forest can see of a patch without drowning in pixels."""

import numpy as np
import numpy.typing as npt

from citygrain.models.normalisation import SEGMENT

__all__ = ["patch_statistics"]

_CENTRE = 7
"""Side in pixels of the centre square that stands for the superpixel where its mask is not known."""


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
    n, _, height, width = patches.shape
    image = patches[:, [name != SEGMENT for name in features]].reshape(n, -1, height * width)
    if SEGMENT in features:
        inside = patches[:, features.index(SEGMENT)].reshape(n, height * width)
    else:
        rows, columns = (np.abs(np.arange(side) - (side - 1) / 2) <= _CENTRE / 2 for side in (height, width))
        inside = np.broadcast_to((rows[:, None] & columns).reshape(-1), (n, height * width)).astype(np.float32)
    inside = np.where(inside.any(1, keepdims=True), inside, 1)  # a centroid may lie outside its superpixel
    parts = []
    for weights in (inside, np.ones_like(inside)):
        share = (weights / weights.sum(1, keepdims=True))[:, :, None]  # (n, h w, 1)
        mean = image @ share
        spread = np.square(image - mean) @ share
        parts += [mean[:, :, 0], np.sqrt(spread[:, :, 0])]
    return np.concatenate(parts, 1).astype(np.float32)
