"""A thematic map: class codes, confidence and legend, written so that other tools show names and colours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.maps.styles import qml_style
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog
from citygrain.tessellation import raster_like

__all__ = ["ThematicMap"]


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

    def __post_init__(self) -> None:
        if self.codes.shape != self.confidence.shape or self.codes.ndim != 2:
            raise InputError(f"codes {self.codes.shape}, confidence {self.confidence.shape}", wanted="both (y, x)")
        if self.codes.dtype != np.uint8:
            raise InputError(f"class codes of type {self.codes.dtype}", wanted="uint8")

    @property
    def geobox(self) -> GeoBox:
        """Grid of the map."""
        geobox: GeoBox = self.codes.odc.geobox
        return geobox

    def area_ha(self) -> dict[str, float]:
        """Return the mapped area of each class in hectares, counted in pixels of a metric grid."""
        if self.geobox.crs is None or self.geobox.crs.units[0] not in ("metre", "m"):
            raise InputError(f"map in {self.geobox.crs}", wanted="a metric coordinate system, to count hectares")
        counts = np.bincount(self.codes.values.ravel(), minlength=256)
        hectares = abs(self.geobox.resolution.x * self.geobox.resolution.y) / 10_000
        return {c.name: float(counts[c.code] * hectares) for c in self.legend}

    def write(self, path: Path) -> None:
        """Write the codes (COG with colour table and class names), the QGIS style, and the confidence beside them.

        Parameters
        ----------
        path : Path
            The map, ``.tif``; beside it come ``<stem>.qml`` and ``confidence.tif`` (uint8, per cent, 255 = no data).

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        names = {c.code: c.name for c in self.legend}
        write_cog(
            path,
            self.codes.values,
            self.geobox,
            nodata=0,
            colormap=self.legend.colormap(),
            names=names,
            band_names=["class"],
            tags={"legend": self.legend.scheme},
        )
        write_text(path.with_suffix(".qml"), qml_style(self.legend))
        per_cent = np.where(np.isfinite(self.confidence.values), np.rint(100 * self.confidence.values), 255)
        write_cog(
            path.with_name("confidence.tif"),
            per_cent.astype(np.uint8),
            self.geobox,
            nodata=255,
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
        codes = read_codes(path)
        legend.columns(np.unique(codes.values))
        per_cent = read_codes(path.with_name("confidence.tif"))
        confidence = np.where(per_cent.values == 255, np.nan, per_cent.values / np.float32(100)).astype(np.float32)
        return cls(codes, raster_like(confidence, per_cent.odc.geobox), legend)
