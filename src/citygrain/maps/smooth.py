"""Smooth a map: the Gaussian filter of the Local Climate Zone products, and the plain majority.

A Local Climate Zone is hundreds of metres across, a cell of the map is not: single cells are noise. The published maps
carry a filtered band beside the raw one, and it is the one that they recommend.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.tiles import Tile, map_tiles, processors, tile_grid

__all__ = ["LCZ_KERNELS", "lcz_filter", "majority_filter"]

Codes = npt.NDArray[np.uint8]

LCZ_KERNELS: dict[int, tuple[float, float]] = {
    1: (200, 100),
    **dict.fromkeys((2, 3, 4, 5, 6, 7, 9), (300, 150)),
    **dict.fromkeys((8, 10), (500, 250)),
    **dict.fromkeys((11, 12, 13, 14, 16), (200, 75)),
    15: (300, 150),
    17: (50, 25),
}
"""Radius and standard deviation of each zone's kernel in metres: how far the zone reaches."""

_TIE = 1e-9
_TILE = 1024


def lcz_filter(codes: Codes, resolution_m: float, *, tile: int = _TILE) -> Codes:
    """Filter a map of Local Climate Zones as its published products do: a Gaussian for each zone, the largest wins.

    ``filtered = argmax over zones z of (codes == z) * G_z``, where ``G_z`` is the Gaussian of `LCZ_KERNELS` over the
    whole square of +- radius, normalised to sum 1 and counted in the map's own pixels (those whose middle is within
    the radius in rows and in columns). As in Demuzere et al. 2020, doi:10.1038/s41597-020-00605-z.

    Two sums closer than 1e-9 are a tie, which the lower code wins. No data stays no data and, like the ground beyond
    the map's edge, counts for no zone: there the zones with wide kernels lose weight, so products cut off 500 m.

    Parameters
    ----------
    codes : ndarray of uint8, (y, x)
        Zones 1 to 17, 0 = no data.
    resolution_m : float
        Side of a pixel in metres.
    tile : int
        Side in pixels of the windows that the map is filtered in; no pixel depends on it. Each thread holds about
        40 bytes for each pixel of a window.

    Returns
    -------
    ndarray of uint8, (y, x)

    Raises
    ------
    InputError
        If a code is no Local Climate Zone, or the resolution is no positive number.

    Examples
    --------
    >>> codes = np.full((9, 9), 6, np.uint8)
    >>> codes[4, 4] = 14
    >>> bool((lcz_filter(codes, 100) == 6).all())
    True
    """
    codes = _checked(codes)
    if not (np.isfinite(resolution_m) and resolution_m > 0):
        raise InputError(f"pixels of {resolution_m} m", wanted="a positive number")
    strange = np.setdiff1d(np.unique(codes), [0, *LCZ_KERNELS])
    if strange.size:
        raise InputError(f"codes {strange.tolist()}", wanted="Local Climate Zones 1 to 17, 0 = no data")
    kernels = {code: _gaussian(radius, sigma, resolution_m) for code, (radius, sigma) in LCZ_KERNELS.items()}
    halo = max(len(kernel) // 2 for kernel in kernels.values())
    return _by_tiles(codes, halo, tile, lambda window: _largest(window, kernels))


def majority_filter(codes: Codes, radius: int = 1, *, tile: int = _TILE) -> Codes:
    """Give each pixel the class that most pixels of the square window around it have.

    Parameters
    ----------
    codes : ndarray of uint8, (y, x)
        Class codes; 0 = no data, which stays and has no vote.
    radius : int
        The window has ``2 * radius + 1`` pixels on a side.
    tile : int
        Side in pixels of the windows that the map is filtered in; no pixel depends on it.

    Returns
    -------
    ndarray of uint8, (y, x)
        In a tie the pixel keeps its class if that is among the first, else the lowest code wins.

    Examples
    --------
    >>> majority_filter(np.array([[1, 1, 1], [1, 2, 0], [1, 1, 2]], np.uint8)).tolist()
    [[1, 1, 1], [1, 1, 0], [1, 1, 2]]
    """
    codes = _checked(codes)
    if radius < 0:
        raise InputError(f"radius {radius}", wanted="0 or more pixels")
    kernel = np.ones(2 * radius + 1)
    kernels = dict.fromkeys((code for code in np.unique(codes).tolist() if code), kernel)
    return _by_tiles(codes, radius, tile, lambda window: _largest(window, kernels, keep=0.5))


def _checked(codes: Codes) -> Codes:
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise InputError(f"a map of {codes.ndim} dimensions and type {codes.dtype}", wanted="uint8 (y, x)")
    return codes


def _gaussian(radius_m: float, sigma_m: float, resolution_m: float) -> npt.NDArray[np.float64]:
    """Return one axis of the kernel; the square of +- radius is the product of two, and it sums to 1 as they do."""
    reach = int(radius_m / resolution_m + 1e-9)
    distance = np.arange(-reach, reach + 1) * resolution_m
    weights = np.exp(-0.5 * (distance / sigma_m) ** 2)
    return np.asarray(weights / weights.sum())


def _by_tiles(codes: Codes, halo: int, tile: int, function: Any) -> Codes:
    """Apply a function of a window to a map, each tile with the halo that its pixels depend on."""
    shape = (codes.shape[0], codes.shape[1])
    out = np.empty_like(codes)

    def work(part: Tile) -> None:
        grown = part.grown(halo, shape)
        inner = Tile(part.row - grown.row, part.column - grown.column, part.height, part.width)
        out[part.slices] = function(codes[grown.slices])[inner.slices]

    map_tiles(work, tile_grid(shape, tile), engine=processors())
    return out


def _largest(codes: Codes, kernels: dict[int, npt.NDArray[np.float64]], *, keep: float = 0.0) -> Codes:
    """Return the class whose mask is largest under its kernel; `keep` is what a pixel's own class has in advance."""
    from scipy.ndimage import correlate1d  # noqa: PLC0415 - scipy.ndimage is slow to import

    best, first = np.zeros_like(codes), np.zeros(codes.shape)
    for code in (code for code in sorted(np.unique(codes).tolist()) if code):
        mask = codes == code
        weight = correlate1d(mask.astype(np.float64), kernels[code], axis=0, mode="constant")
        weight = correlate1d(weight, kernels[code], axis=1, mode="constant")
        if keep:
            weight += keep * mask
        larger = weight > first + _TIE
        best[larger], first[larger] = code, weight[larger]
    best[codes == 0] = 0
    return best
