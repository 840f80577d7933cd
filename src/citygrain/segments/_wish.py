"""How many superpixels a user asks for, and what they should be like."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from citygrain.errors import InputError

__all__ = ["Wish"]


@dataclass(frozen=True)
class Wish:
    """What the segments should be like, see `superpixels`."""

    n_segments: int | None
    area_ha: float | None
    compactness: float
    iterations: int
    area_pixels: float | None = None

    def check(self) -> None:
        """Refuse what no scene could have."""
        if not (np.isfinite(self.compactness) and 0 < self.compactness <= 1000):
            raise InputError(f"compactness {self.compactness}", wanted="above 0, at most 1000; 0.1 is usual")
        if self.iterations < 1:
            raise InputError(f"{self.iterations} iterations", wanted="at least 1; 10 are usual")

    def wanted(self, features: xr.DataArray, valid: int) -> int:
        """Return the number of segments asked for, one way or the other."""
        given = {"n_segments": self.n_segments, "area_ha": self.area_ha, "area_pixels": self.area_pixels}
        said = {name: value for name, value in given.items() if value is not None}
        if len(said) != 1:
            came = " and ".join(f"{name}={value}" for name, value in said.items()) or "neither n_segments nor area_ha"
            raise InputError(came, wanted="exactly one of n_segments, area_ha, area_pixels")
        if self.n_segments is not None:
            if not 1 <= self.n_segments <= valid:
                raise InputError(
                    f"n_segments={self.n_segments}", wanted=f"1 to {valid}, the number of pixels with data"
                )
            return int(self.n_segments)
        if self.area_pixels is not None:
            if not 1 <= self.area_pixels < np.inf:
                raise InputError(f"area_pixels={self.area_pixels}", wanted="at least 1")
            return max(1, round(valid / self.area_pixels))
        return max(1, round(valid * _pixel_ha(features, self.area_ha) / float(self.area_ha or 1)))


def _pixel_ha(features: xr.DataArray, area_ha: float | None) -> float:
    """Return the hectares of a pixel; refuse segments smaller than that, and grids that are not in metres."""
    geobox = features.odc.geobox
    if geobox is None or geobox.crs is None or not geobox.crs.projected or set(geobox.crs.units) > {"metre", "m"}:
        crs = None if geobox is None else geobox.crs
        raise InputError(
            f"area_ha on CRS {crs}", wanted="a projected CRS in metres", mend="reproject, or use n_segments"
        )
    pixel_ha = abs(float(geobox.affine.determinant)) / 10_000
    if not (area_ha is not None and pixel_ha <= area_ha < np.inf):
        raise InputError(f"area_ha={area_ha}", wanted=f"at least one pixel, {pixel_ha:g} ha")
    return pixel_ha
