"""A thematic map: class codes, confidence and legend, written so that other tools show names and colours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.maps.styles import clr_style, qml_style
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog
from citygrain.tessellation import raster_like

__all__ = ["NO_CONFIDENCE", "ThematicMap", "per_cent_numbers", "share_numbers", "write_probabilities"]

SHARES = 10_000
"""Steps of a written probability."""
NO_SHARE = 65_535
"""What stands for no data among written probabilities."""
NO_CONFIDENCE = 255
"""What stands for no data where the confidence is written in per cent."""

_FILTERED = ("lcz", "lczFilter")
"""Bands of the products of the LCZ Generator."""


@dataclass(frozen=True)
class ThematicMap:
    """Class codes with the confidence of each pixel.

    Attributes
    ----------
    codes : DataArray of uint8, (y, x)
        Class codes; 0 = no data.
    confidence : DataArray of float32, (y, x)
        Probability of the mapped class, 0 to 1; NaN = no data.
    legend : Legend
        The classes.
    filtered : DataArray of uint8, (y, x), optional
        The codes after `citygrain.maps.smooth.lcz_filter`.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> grid = GeoBox.from_bbox((0, 0, 20, 10), "EPSG:32633", resolution=10)
    >>> codes = raster_like(np.array([[1, 4]], np.uint8), grid)
    >>> ThematicMap(codes, codes.astype("float32") / 4, URBAN).area_ha()["Water"]
    0.01
    """

    codes: xr.DataArray
    confidence: xr.DataArray
    legend: Legend
    filtered: xr.DataArray | None = None

    def __post_init__(self) -> None:
        if self.codes.shape != self.confidence.shape or self.codes.ndim != 2:
            raise InputError(f"codes {self.codes.shape}, confidence {self.confidence.shape}", wanted="both (y, x)")
        for codes in self._bands:
            if codes.dtype != np.uint8:
                raise InputError(f"class codes of type {codes.dtype}", wanted="uint8")
            if codes.shape != self.codes.shape:
                raise InputError(f"filtered codes {codes.shape}", wanted=f"{self.codes.shape}, as the codes")

    @property
    def geobox(self) -> GeoBox:
        """Grid of the map."""
        geobox: GeoBox = self.codes.odc.geobox
        return geobox

    @property
    def recommended(self) -> xr.DataArray:
        """The codes to show and to use: the filtered ones where there are any, (y, x)."""
        return self._bands[-1]

    @property
    def _bands(self) -> list[xr.DataArray]:
        return [self.codes] if self.filtered is None else [self.codes, self.filtered]

    def area_ha(self, *, filtered: bool = False) -> dict[str, float]:
        """Return the mapped area of each class in hectares, counted in pixels of a metric grid.

        Parameters
        ----------
        filtered : bool
            Count the filtered codes where there are any.

        Raises
        ------
        InputError
            If the map's coordinates are not metres.
        """
        if self.geobox.crs is None or self.geobox.crs.units[0] not in ("metre", "m"):
            raise InputError(f"map in {self.geobox.crs}", wanted="a metric coordinate system, to count hectares")
        codes = self.recommended if filtered else self.codes
        counts = np.bincount(codes.values.ravel(), minlength=256)
        hectares = abs(self.geobox.resolution.x * self.geobox.resolution.y) / 10_000
        return {c.name: float(counts[c.code] * hectares) for c in self.legend}

    def write(self, path: Path) -> None:
        """Write the codes (COG with colour table and class names), styles for other tools, and the confidence.

        A filtered map has the bands ``lcz`` and ``lczFilter``, as the products of the LCZ Generator; the style shows
        the second, which they recommend.

        Parameters
        ----------
        path : Path
            The map, ``.tif``; beside it come ``<stem>.qml`` (QGIS), ``<stem>.clr`` (ArcGIS, QGIS) and
            ``confidence.tif`` (uint8, per cent, 255 = no data).

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        write_cog(
            path,
            np.stack([codes.values for codes in self._bands]),
            self.geobox,
            nodata=0,
            colormap=self.legend.colormap(),
            names={c.code: c.name for c in self.legend},
            band_names=["class"] if self.filtered is None else list(_FILTERED),
            tags={"legend": self.legend.scheme},
        )
        write_text(path.with_suffix(".qml"), qml_style(self.legend, band=len(self._bands)))
        write_text(path.with_suffix(".clr"), clr_style(self.legend))
        write_cog(
            path.with_name("confidence.tif"),
            per_cent_numbers(self.confidence.values),
            self.geobox,
            nodata=NO_CONFIDENCE,
            band_names=["confidence in per cent"],
        )

    @classmethod
    def read(cls, path: Path, legend: Legend) -> "ThematicMap":
        """Read back what `write` wrote; the confidence comes in steps of one per cent.

        Raises
        ------
        InputError
            If a file is missing or holds codes outside the legend.
        """
        bands = [read_codes(path)]
        if _band_names(path) == _FILTERED:
            bands.append(read_codes(path, band=2))
        for codes in bands:
            legend.columns(np.unique(codes.values))
        per_cent = read_codes(path.with_name("confidence.tif"))
        confidence = np.where(per_cent.values == NO_CONFIDENCE, np.nan, per_cent.values / np.float32(100)).astype(
            np.float32
        )
        return cls(bands[0], raster_like(confidence, per_cent.odc.geobox), legend, *bands[1:])


def _band_names(path: Path) -> tuple[str | None, ...]:
    with rasterio.open(path) as source:
        return tuple(source.descriptions)


def per_cent_numbers(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return a confidence 0 to 1 in whole per cent, NaN as `NO_CONFIDENCE`: as it is written, of a map or a window.

    Examples
    --------
    >>> per_cent_numbers(np.array([0.254, 1, np.nan], np.float32)).tolist()
    [25, 100, 255]
    """
    return np.where(np.isfinite(confidence), np.rint(100 * confidence), NO_CONFIDENCE).astype(np.uint8)


def share_numbers(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Return probabilities 0 to 1 as whole ten-thousandths, NaN as `NO_SHARE`: a quarter of float64, half of float32.

    Examples
    --------
    >>> share_numbers(np.array([0.25, 1, np.nan], np.float32)).tolist()
    [2500, 10000, 65535]
    """
    numbers = np.rint(SHARES * np.asarray(probabilities, np.float32))
    return np.where(np.isfinite(numbers), numbers, NO_SHARE).astype(np.uint16)


def write_probabilities(path: Path, numbers: npt.NDArray[np.uint16], geobox: GeoBox, legend: Legend) -> None:
    """Write the probability of every class: one named band each, uint16, 1 in 10,000, with that scale in the file.

    Parameters
    ----------
    path : Path
        The file, ``.tif``.
    numbers : ndarray of uint16, (k, y, x)
        Ten-thousandths in legend order, `NO_SHARE` (65535) = no data, as `share_numbers` makes them.
    geobox : GeoBox
        Grid of the map.
    legend : Legend
        The k classes; the bands have their names.

    Raises
    ------
    InputError
        If the number of classes or the shape differ.
    OutputError
        If the file cannot be written.
    """
    write_cog(path, numbers, geobox, nodata=NO_SHARE, band_names=legend.names, scale=1 / SHARES)
