"""Whether a scene's values can be what they are said to be, decided by pixels on a fixed stride.

The same file gives the same answer everywhere, whether it is read whole or by windows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import blocks_of, is_lazy
from citygrain.tiles import Tile, block_tiles, tile_grid

__all__ = ["check_reflectance", "refuse_empty", "sample_pixels"]

_BRIGHT = (0.08, 2.0)
"""Where the 99th percentile of a real scene's brightest band lies: from open sea with a shore to snow and cloud."""
_SAMPLE_PIXELS = 250_000
_WINDOW_PIXELS = 2**20

Sample = npt.NDArray[np.float32]


def sample_pixels(scene: xr.DataArray) -> Sample:
    """Return the pixels of a (band, y, x) raster on a fixed stride, about 250,000 of each band; read block by block."""
    stride = max(1, int((scene[0].size / _SAMPLE_PIXELS) ** 0.5))
    height, width = scene.shape[1:]
    if not is_lazy(scene):
        thinned: Sample = scene.values[:, ::stride, ::stride]
        return thinned
    sample = np.empty((len(scene), -(-height // stride), -(-width // stride)), np.float32)
    for tile in _tiles(scene, stride):
        rows, columns = _hits(tile.row, tile.height, stride), _hits(tile.column, tile.width, stride)
        if rows.start < rows.stop and columns.start < columns.stop:
            window = scene.variable[:, rows, columns].values
            top, left = rows.start // stride, columns.start // stride
            sample[:, top : top + window.shape[1], left : left + window.shape[2]] = window
    return sample


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
    if not there.size:  # the stride has met no value: the few that there may be are gathered
        there = np.concatenate([window[np.isfinite(window)] for window in _windows(scene, band)])
    return float(np.percentile(there, 99)) if there.size else None


def _likely_scale(reach: float, scale: float, offset: float) -> float | None:
    factors = [10.0**power for power in range(-6, 7)]
    fitting = [f for f in factors if _BRIGHT[0] <= reach * f + offset <= _BRIGHT[1]]
    # Of several, the one nearest to what bright land usually reaches.
    best = min(fitting, key=lambda f: abs(np.log(max(reach * f, 1e-9) / 0.4)), default=None)
    return scale / best if best else None


def _windows(scene: xr.DataArray, bands: int | slice) -> Iterator[Sample]:
    for tile in _tiles(scene):
        yield scene.variable[(bands, *tile.slices)].values


def _tiles(scene: xr.DataArray, stride: int = 1) -> list[Tile]:
    height, width = scene.shape[1:]
    if not is_lazy(scene):
        return tile_grid((height, width), (height, width))
    down, across = blocks_of(scene)
    # Of a file kept in rows, only the rows on the stride are read.
    return block_tiles((height, width), (down, across), pixels=_WINDOW_PIXELS if down > stride else stride * width)


def _hits(start: int, length: int, stride: int) -> slice:
    """Return the part of a window that lies on the stride."""
    return slice(-(-start // stride) * stride, start + length, stride)
