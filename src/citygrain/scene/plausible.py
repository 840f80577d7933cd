"""Whether a scene's values can be what they are said to be, decided by windows on a fixed lattice.

The same file gives the same answer everywhere, whether it is read whole or by windows.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.tiles import tile_grid

__all__ = ["check_reflectance", "refuse_empty", "sample_pixels"]

_BRIGHT = (0.08, 2.0)
"""Where the 99th percentile of a real scene's brightest band lies: from open sea with a shore to snow and cloud."""
_WINDOWS, _SIDE = 8, 40
"""Windows along each side of a scene, and their side: 100,000 pixels from 64 places, so that of a large scene few of
the blocks in its file are read."""
_GATHERED, _EACH = 512, 1_024
"""Where these windows meet no value, so many at most are taken from each square of so many pixels."""

Sample = npt.NDArray[np.float32]


def sample_pixels(scene: xr.DataArray) -> Sample:
    """Return the pixels of a (band, y, x) raster in 64 windows on a fixed lattice, side by side (band, h, w).

    A side of no more than 320 pixels is taken whole.
    """
    rows, columns = (_places(length) for length in scene.shape[1:])
    sample = np.empty((len(scene), rows[-1][1].stop, columns[-1][1].stop), np.float32)
    for (y, top), (x, left) in itertools.product(rows, columns):
        sample[:, top, left] = scene.variable[:, y, x].values
    return sample


def _places(length: int) -> list[tuple[slice, slice]]:
    """Return where windows lie along a side, in the middle of equal parts; and where in the sample."""
    if length <= _WINDOWS * _SIDE:
        return [(slice(0, length), slice(0, length))]
    starts = [(2 * k + 1) * length // (2 * _WINDOWS) - _SIDE // 2 for k in range(_WINDOWS)]
    return [(slice(at, at + _SIDE), slice(k * _SIDE, (k + 1) * _SIDE)) for k, at in enumerate(starts)]


def refuse_empty(scene: xr.DataArray, sample: Sample, file: str) -> None:
    """Refuse a scene in which no pixel has a value.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    sample : ndarray, (band, h, w)
        Its `sample_pixels`: what settles most cases.
    file : str
        Name of the file, for the message.

    Raises
    ------
    InputError
        If it is so.
    """
    if all(np.isnan(band).all() for band in sample) and all(
        np.isnan(window).all() for window in _windows(scene, slice(None))
    ):
        raise InputError(f"every pixel of {file} is no data", wanted="a scene with values")


def check_reflectance(
    scene: xr.DataArray, sample: Sample, bands: Sequence[int], *, scale: float, offset: float
) -> None:
    """Refuse values that cannot be reflectance: too dark or too bright for any ground under the sun.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    sample : ndarray, (band, h, w)
        Its `sample_pixels`.
    bands : sequence of int
        Which bands measure reflected light.
    scale, offset : float
        How the values came about, for the message.

    Raises
    ------
    InputError
        If the brightest band's 99th percentile is not that of a scene; with the scale that would be, if there is one.
    """
    reach = max((end for band in bands if (end := _bright_end(scene, sample, band)) is not None), default=0.0)
    low, high = _BRIGHT
    if low <= reach <= high:
        return
    likely = _likely_scale(reach - offset, scale, offset)
    raise InputError(
        f"values reach {reach:.3g} with scale {scale:g}",
        wanted=f"{low:g} to {high:g} as reflectance",
        mend=f"try scale = {likely:g}" if likely else "check scale and offset",
    )


def _bright_end(scene: xr.DataArray, sample: Sample, band: int) -> float | None:
    there = sample[band][np.isfinite(sample[band])]
    if not there.size:  # no window has met a value: those that there are, are gathered
        there = np.concatenate([_thinned(window[np.isfinite(window)]) for window in _windows(scene, band)])
    return float(np.percentile(there, 99)) if there.size else None


def _likely_scale(reach: float, scale: float, offset: float) -> float | None:
    factors = [10.0**power for power in range(-6, 7)]
    fitting = [f for f in factors if _BRIGHT[0] <= reach * f + offset <= _BRIGHT[1]]
    # Of several, the one nearest to what bright land usually reaches.
    best = min(fitting, key=lambda f: abs(np.log(max(reach * f, 1e-9) / 0.4)), default=None)
    return scale / best if best else None


def _thinned(values: Sample) -> Sample:
    return values[:: max(1, -(-values.size // _EACH))]


def _windows(scene: xr.DataArray, bands: int | slice) -> Iterator[Sample]:
    for tile in tile_grid((int(scene.shape[1]), int(scene.shape[2])), _GATHERED):
        yield scene.variable[(bands, *tile.slices)].values
