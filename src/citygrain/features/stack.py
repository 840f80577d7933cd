"""Put features side by side: bands, indices and formulas, in the order asked for.

The order is the model's input order, so it is the user's and never rearranged.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from citygrain.errors import InputError
from citygrain.features.indices import band_math, catalogue_name, find_band, spectral_index, unknown_index

__all__ = ["compute_features"]


def compute_features(scene: xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    """Compute features of a scene.

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
    out = np.empty((len(names), scene.sizes["y"], scene.sizes["x"]), np.float32)
    found = [_fill(out[position], scene, name) for position, name in enumerate(names)]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"feature {', '.join(twice)} comes twice", wanted="each feature once")
    coords = {key: coord for key, coord in scene.coords.items() if "band" not in coord.dims and key != "band"}
    return xr.DataArray(
        out, dims=("band", "y", "x"), coords={**coords, "band": found}, attrs=dict(scene.attrs), name="features"
    )


def _fill(out: np.ndarray[tuple[int, int], np.dtype[np.float32]], scene: xr.DataArray, name: str) -> str:
    """Fill `out` with the feature and return the name it goes by."""
    band = find_band(scene, name, symbols=False)
    if band is not None:
        out[:] = scene.data[scene.band.values.tolist().index(band)]
        return band
    index = name.strip()
    if catalogue_name(index) is not None:
        feature = spectral_index(scene, index)
    elif index.isidentifier():
        feature = _single_name(scene, index)
    else:
        feature = band_math(scene, name)
    out[:] = feature.values
    return str(feature.name)


def _single_name(scene: xr.DataArray, name: str) -> xr.DataArray:
    band = find_band(scene, name)
    if band is None:
        raise InputError(
            f"feature {name!r} is no band of the scene ({', '.join(map(str, scene.band.values))}) and no index",
            wanted=unknown_index(name).wanted,
        )
    return scene.sel(band=band).rename(band)
