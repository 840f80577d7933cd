"""From a file's numbers to a scene's values, window by window.

Every value follows from the numbers of its own pixel: so windows cut in any way, and a scene read whole, are the same
bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBand, FloatBands, Layer, missing_numbers
from citygrain.scene.one_grid import read_layers

__all__ = ["SceneBand", "SceneReader"]


@dataclass(frozen=True)
class SceneBand:
    """A band of a scene: where its numbers come from, and what they mean.

    Attributes
    ----------
    name : str
        Its name.
    layer : Layer
        Where it is kept.
    keeps_zero : bool
        Whether the no-data number 0 is a value where another band has one.
    scale, offset : float
        ``value = number / scale + offset``.
    decides : bool
        Whether a pixel is no data where this band and all others that decide are missing.
    """

    name: str
    layer: Layer
    keeps_zero: bool
    scale: float
    offset: float
    decides: bool = True


@dataclass(frozen=True)
class SceneReader:
    """Reads windows of a scene, see `citygrain.lazy.WindowReader`.

    Attributes
    ----------
    bands : tuple of SceneBand
        The bands, in order.
    geobox : GeoBox
        The scene's grid.
    """

    bands: tuple[SceneBand, ...]
    geobox: GeoBox

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> FloatBands:
        """Return values (bands, height, width), NaN = no data.

        Raises
        ------
        InputError
            If a file is damaged, or holds infinite values here.
        """
        wanted = [self.bands[index] for index in bands]
        values = read_layers([band.layer for band in wanted], self.geobox, rows, columns)
        empty = np.ones(values.shape[1:], bool)
        for band, item in zip(values, wanted, strict=True):
            missing = missing_numbers(band, item.layer.nodata)
            _refuse_infinite(band, missing, item)
            if item.decides:
                empty &= missing
            if not item.keeps_zero:
                band[missing] = np.nan
            if item.layer.saturated is not None:
                band[band == np.float32(item.layer.saturated)] = np.nan
            _scale(band, item)
        follow = [band for band, item in zip(values, wanted, strict=True) if item.keeps_zero or not item.decides]
        if follow and empty.any():
            read = set(bands.tolist())
            self._narrow(empty, [b for i, b in enumerate(self.bands) if i not in read and b.decides], rows, columns)
            for band in follow:
                band[empty] = np.nan
        return values

    def _narrow(self, empty: npt.NDArray[np.bool_], others: Sequence[SceneBand], rows: slice, columns: slice) -> None:
        """Take out of `empty` the pixels that have a value in another band."""
        if not others:
            return
        numbers = read_layers([item.layer for item in others], self.geobox, rows, columns)
        for band, item in zip(numbers, others, strict=True):
            empty &= missing_numbers(band, item.layer.nodata)


def _refuse_infinite(band: FloatBand, missing: npt.NDArray[np.bool_], item: SceneBand) -> None:
    infinite = int((np.isinf(band) & ~missing).sum())
    if infinite:
        raise InputError(
            f"band {item.name} of {item.layer.file} has {infinite} infinite values",
            wanted="finite values, NaN or the nodata value",
        )


def _scale(band: FloatBand, item: SceneBand) -> None:
    if item.scale != 1:
        band /= np.float32(item.scale)
    if item.offset:
        band += np.float32(item.offset)
