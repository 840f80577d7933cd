"""Put features side by side: bands, indices and formulas, in the order asked for.

The order is the model's input order, so it is the user's and never rearranged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from citygrain.errors import InputError
from citygrain.features.indices import (
    Feature,
    catalogue_name,
    find_band,
    plan_band_math,
    plan_index,
    unknown_index,
)
from citygrain.lazy import is_lazy, lazy_raster, made_by_windows

__all__ = ["compute_features"]


def compute_features(scene: xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    """Compute features of a scene; of a lazy scene, when a window is asked for (see `citygrain.lazy`).

    Parameters
    ----------
    scene : xarray.DataArray
        Dims ``(band, y, x)``, NaN = no data.
    names : sequence of str
        Each a band of the scene under any of its names, an index of the spyndex catalogue, or a formula in bands
        (see `band_math`). A band wins over an index of the same name.

    Returns
    -------
    xarray.DataArray
        Dims ``(band, y, x)``, float32, the scene's attributes; bands under the scene's names, indices under the
        catalogue's, formulas as written.

    Raises
    ------
    InputError
        If a name is neither of the three, or comes twice.

    Examples
    --------
    >>> scene = xr.DataArray([[[0.25]], [[0.75]]], dims=("band", "y", "x"), coords={"band": ["B04", "B08"]})
    >>> features = compute_features(scene, ["red", "ndvi", "B08/B04"])
    >>> features.band.values.tolist(), features.values.ravel().tolist()
    (['B04', 'NDVI', 'B08/B04'], [0.25, 0.5, 3.0])
    """
    if not names:
        raise InputError("no features were asked for", wanted="bands, indices or formulas")
    wanted = [_wanted(scene, name) for name in names]
    found = [item if isinstance(item, str) else item.name for item in wanted]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"feature {', '.join(twice)} comes twice", wanted="each feature once")
    reader = FeatureReader(scene, tuple(wanted))
    coords = {key: coord for key, coord in scene.coords.items() if "band" not in coord.dims and key != "band"}
    if is_lazy(scene):
        features = lazy_raster(reader, scene.odc.geobox, found, attrs=scene.attrs, name="features")
        features.encoding.update(scene.encoding)
        return features.assign_coords(coords)
    values = made_by_windows(reader, (len(found), *scene.shape[1:]), np.float32)
    return xr.DataArray(
        values, dims=("band", "y", "x"), coords={**coords, "band": found}, attrs=dict(scene.attrs), name="features"
    )


@dataclass(frozen=True)
class FeatureReader:
    """Computes windows of features, see `citygrain.lazy.WindowReader`.

    Attributes
    ----------
    scene : DataArray, (band, y, x)
        What they are computed from, lazy or not.
    features : tuple of str or Feature
        A band's name, or a formula, for each.
    """

    scene: xr.DataArray
    features: tuple[str | Feature, ...]

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """Return values (bands, height, width), NaN = no data."""
        wanted = [self.features[index] for index in bands]
        values = self._bands(wanted, rows, columns)
        out = np.empty((len(wanted), rows.stop - rows.start, columns.stop - columns.start), np.float32)
        for layer, item in zip(out, wanted, strict=True):
            if isinstance(item, str):
                layer[:] = values[item]
            else:
                item.fill(layer, values)
        return out

    def _bands(
        self, wanted: Sequence[str | Feature], rows: slice, columns: slice
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Read the bands that these features need, each once; those in memory are not copied."""
        needed = {name for item in wanted for name in ([item] if isinstance(item, str) else item.bands.values())}
        there = [(position, str(name)) for position, name in enumerate(self.scene.band.values) if str(name) in needed]
        if not is_lazy(self.scene):
            return {name: self.scene.variable[position, rows, columns].values for position, name in there}
        window = self.scene.variable[[position for position, _ in there], rows, columns].values
        return {name: band for (_, name), band in zip(there, window, strict=True)}


def _wanted(scene: xr.DataArray, name: str) -> str | Feature:
    """Return the band meant by a name, or what to compute."""
    band = find_band(scene, name, symbols=False)
    if band is not None:
        return band
    index = name.strip()
    if catalogue_name(index) is not None:
        return plan_index(scene, index)
    if not index.isidentifier():
        return plan_band_math(scene, name)
    band = find_band(scene, index)
    if band is None:
        raise InputError(
            f"feature {name!r} is no band of the scene ({', '.join(map(str, scene.band.values))}) and no index",
            wanted=unknown_index(name).wanted,
        )
    return band
