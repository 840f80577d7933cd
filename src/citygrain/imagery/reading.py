"""One image's numbers on the grid of a window, as its files have them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.stac
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling as Nearness
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT

from citygrain.errors import InputError
from citygrain.imagery.exact_driver import ExactDriver
from citygrain.imagery.observation import Observation
from citygrain.imagery.opening import open_image
from citygrain.imagery.overpasses import QUALITY

__all__ = ["Sign", "read_numbers", "read_sample", "witnesses"]

_NEAREST = frozenset({*QUALITY, "MAP"})
_FILL = {"FMASK": 255.0, "QA": 1.0, "CLD": None}
"""Numbers without meaning in layers whose files may not say theirs; 0 elsewhere."""
_SAMPLE_PIXELS, _ENOUGH_PIXELS, _COARSER = 512, 128, 4.0
"""Side of a sample at most; from which on its pixels are enlarged, up to so many times, so that overviews are read."""
_WITNESSES = ("B04", "B08", "B11", "B12", "B8A", "B05", "B10", "B03")
_ENOUGH = 5

Float32 = npt.NDArray[np.float32]
Sign = Callable[[str], str]


def read_numbers(
    observation: Observation,
    geobox: GeoBox,
    bands: Sequence[str],
    *,
    sign: Sign | None = None,
    threads: int = 1,
) -> dict[str, Float32]:
    """Read bands and layers of one image as they are in its files, on the grid of a window.

    Parameters
    ----------
    observation : Observation
        The image.
    geobox : GeoBox
        The window.
    bands : sequence of str
        Our names of bands and layers.
    sign : callable, optional
        Makes an address readable just before it is read.
    threads : int
        Files read at a time.

    Returns
    -------
    dict of str to ndarray of float32, (y, x)
        Digital numbers; NaN = no data, all of them where the image does not reach.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    by_fill: dict[float | None, list[str]] = {}
    for band in bands:
        by_fill.setdefault(_FILL.get(band, 0.0), []).append(band)
    made: dict[str, Float32] = {}
    for fill, names in by_fill.items():
        keys = {band: observation.assets[band] for band in names}
        resampling = {key: "nearest" if band in _NEAREST else "bilinear" for band, key in keys.items()}
        how: dict[str, Any] = {
            "resampling": resampling,
            "driver": ExactDriver(fill),
            "pool": threads if threads > 1 else None,
        }
        loaded = _load(observation, list(keys.values()), geobox, patch_url=sign, **how)
        made |= {band: loaded[key].values[0] for band, key in keys.items()}
    return {band: made[band] for band in bands}


def read_sample(
    observation: Observation, geobox: GeoBox, bands: Sequence[str] | None = None, *, sign: Sign | None = None
) -> dict[str, Float32]:
    """Read a few of an image's numbers, for `citygrain.imagery.radiometry.decide_radiometry`.

    Parameters
    ----------
    observation : Observation
        The image.
    geobox : GeoBox
        Area to look at, the larger the better; it is read at 512 x 512 pixels at most, from overviews if there are any:
        pixels are four times as large as the grid's unless fewer than 128 x 128 were left.
    bands : sequence of str, optional
        Reflectance bands; red, infrared and short-wave infrared if left out.
    sign : callable, optional
        Makes an address readable just before it is read.

    Returns
    -------
    dict of str to ndarray of float32
        Digital numbers, NaN = no data.
    """
    names = [band for band in bands if band in observation.assets] if bands else witnesses(observation.assets)
    side = max(geobox.shape)
    coarse = geobox.zoom_out(max(1.0, side / _SAMPLE_PIXELS, min(_COARSER, side / _ENOUGH_PIXELS)))
    with _spoken(observation):
        return {band: _sampled(observation, band, coarse, sign) for band in names}


def witnesses(bands: Iterable[str]) -> tuple[str, ...]:
    """Return the bands of a sample, five at most: red, infrared and short-wave infrared show dark ground best.

    Examples
    --------
    >>> witnesses(["B02", "B04", "B08", "SCL"])
    ('B04', 'B08')
    """
    there = set(bands)
    return tuple(band for band in _WITNESSES if band in there)[:_ENOUGH]


def _sampled(observation: Observation, band: str, grid: GeoBox, sign: Sign | None) -> Float32:
    """Return nearest pixels of a file or its overviews, which is opened once; what is 0 counts as no data, too."""
    href = str(observation.item.assets[observation.assets[band]].href)
    with open_image(sign(href) if sign else href) as file:
        if file.crs is None:
            raise RasterioIOError(f"{band} has no projection")
        own = 0 if file.nodata is None else file.nodata
        height, width = map(int, grid.shape)
        place: dict[str, Any] = {"crs": str(grid.crs), "transform": grid.affine, "height": height, "width": width}
        with WarpedVRT(file, resampling=Nearness.nearest, src_nodata=own, nodata=0, **place) as near:
            numbers: Float32 = near.read(1, out_dtype=np.float32)
    numbers[numbers == 0] = np.nan
    return numbers


def _load(observation: Observation, keys: list[str], geobox: GeoBox, **how: Any) -> xr.Dataset:
    fixed: dict[str, Any] = {"groupby": "id", "geobox": geobox, "dtype": "float32", "nodata": np.nan}
    with _spoken(observation):
        loaded: xr.Dataset = odc.stac.load([observation.item], keys, **fixed, **how)
    return loaded


@contextmanager
def _spoken(observation: Observation) -> Iterator[None]:
    """Say in one line that an image cannot be read."""
    try:
        yield
    except (RasterioError, OSError, AssertionError) as error:  # odc-geo asserts that a file has a projection
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{observation.id} cannot be read ({reason})", wanted="its files, whole", mend="try again, or leave it out"
        ) from error
