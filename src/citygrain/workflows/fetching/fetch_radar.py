"""One window of radar images as one: speckle filtered in each image, then the mean or median over time.

A filter looks at the pixels around each one, so it sees a window that is larger by its reach and is cut back: windows
of any size give the same pixels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.features.radar_time import temporal_mean, temporal_median
from citygrain.features.speckle import GRD_LOOKS, HALO, boxcar, lee, refined_lee
from citygrain.imagery.observation import Observation
from citygrain.imagery.windows import radar_stack

__all__ = ["RadarRecipe", "looks_of", "radar_window"]

Power = npt.NDArray[np.float32]

_OVER_TIME: Mapping[str, Callable[[xr.DataArray], tuple[xr.DataArray, xr.DataArray]]] = {
    "mean": temporal_mean,
    "median": temporal_median,
}


@dataclass(frozen=True)
class RadarRecipe:
    """How radar images become one.

    Attributes
    ----------
    method : str
        ``"mean"`` or ``"median"``, over time.
    speckle : str
        ``"none"``, ``"boxcar"``, ``"lee"`` or ``"refined-lee"``; all have windows of 7 x 7 pixels.
    looks : float
        Equivalent number of looks of each image.
    """

    method: str = "mean"
    speckle: str = "none"
    looks: float = GRD_LOOKS

    @property
    def halo(self) -> int:
        """Pixels that the filter looks at on each side."""
        return 0 if self.speckle == "none" else HALO

    @property
    def tags(self) -> dict[str, str]:
        """What is written beside the pixels: the looks where the filter knows of them."""
        said = {"method": self.method, "speckle": self.speckle}
        return said | ({"looks": f"{self.looks:g}"} if self.speckle in ("lee", "refined-lee") else {})

    def filtered(self, power: Power) -> Power:
        """Return the power of one image, (band, y, x), with less speckle."""
        filters: Mapping[str, Callable[[Power], Power]] = {
            "none": lambda same: same,
            "boxcar": partial(boxcar, size=2 * HALO + 1),
            "lee": partial(lee, looks=self.looks, size=2 * HALO + 1),
            "refined-lee": partial(refined_lee, looks=self.looks),
        }
        return filters[self.speckle](power)


def radar_window(observations: Sequence[Observation], grid: GeoBox, recipe: RadarRecipe | None = None) -> Power:
    """Return the power of a window of radar images, one for all days.

    Parameters
    ----------
    observations : sequence of Observation
        Their files lie on the disk (`citygrain.imagery.mirror`).
    grid : GeoBox
        The window.
    recipe : RadarRecipe, optional
        The plain mean without it.

    Returns
    -------
    ndarray of float32, (band, y, x)
        VV and VH, linear power; NaN = no data.
    """
    how = recipe or RadarRecipe()
    bands = ("VV", "VH")
    stack = radar_stack(observations, grid.pad(how.halo) if how.halo else grid, bands=bands)
    if stack is None:
        return np.full((len(bands), *map(int, grid.shape)), np.nan, np.float32)
    for number, power in enumerate(stack.values):
        stack.values[number] = how.filtered(power)
    inside = stack[:, :, how.halo : stack.shape[2] - how.halo, how.halo : stack.shape[3] - how.halo]
    made: Power = _OVER_TIME[how.method](inside)[0].values
    return made


def looks_of(observations: Sequence[Observation]) -> float:
    """Return the equivalent number of looks: the median of what the items say, or that of Sentinel-1 GRD.

    Items say it as ``sar:looks_equivalent_number`` (STAC's SAR extension); what is no number above 0 is passed over.
    """
    said: list[Any] = [each.item.properties.get("sar:looks_equivalent_number") for each in observations]
    numbers = [float(one) for one in said if isinstance(one, int | float) and not isinstance(one, bool)]
    looks = [number for number in numbers if math.isfinite(number) and number > 0]
    return median(looks) if looks else GRD_LOOKS
