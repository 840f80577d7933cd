"""Spectral indices by name, and any formula in band names.

Names and formulas are those of Awesome Spectral Indices (Montero et al. 2023, doi:10.1038/s41597-023-02096-0; the
spyndex package). Mind the water indices: NDWI there is McFeeters' (G-N)/(G+N). What some courses teach as NDWI,
(Green-SWIR)/(Green+SWIR), is MNDWI here as in the literature, and Gao's is NDMI.
"""

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import spyndex
import xarray as xr

from citygrain.errors import InputError
from citygrain.features.bandmath import FUNCTIONS, Formula, parse_formula
from citygrain.sensors import Sensor, sensor_named

__all__ = [
    "Feature",
    "band_math",
    "catalogue_name",
    "find_band",
    "plan_band_math",
    "plan_index",
    "spectral_index",
    "unknown_index",
]

logger = logging.getLogger(__name__)

_BLOCK_PIXELS = 1 << 19
_KERNEL_SIGMA = 0.5


@dataclass(frozen=True)
class Feature:
    """A formula that knows where its values come from: checked once, computed window by window.

    Attributes
    ----------
    name : str
        What the result is called.
    formula : Formula
        The formula.
    bands : mapping of str to str
        The scene's band of each symbol.
    constants : mapping of str to float
        The value of each other symbol.
    """

    name: str
    formula: Formula
    bands: Mapping[str, str]
    constants: Mapping[str, float]

    def fill(self, out: npt.NDArray[np.float32], values: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Compute the feature, block by block.

        Parameters
        ----------
        out : ndarray of float32, (h, w)
            Where it goes.
        values : mapping of str to ndarray, (h, w)
            The scene's bands by name.
        """
        rows = max(1, _BLOCK_PIXELS // max(1, out.shape[1]))
        for top in range(0, len(out), rows):
            block = {
                symbol: np.ascontiguousarray(values[band][top : top + rows], np.float32)
                for symbol, band in self.bands.items()
            }
            kernels = _kernels(self.formula, block, self.constants)
            out[top : top + rows] = self.formula.evaluate({**block, **kernels, **self.constants})
            for band in block.values():
                # NaN to the power of 0 is 1, yet no data stays no data.
                out[top : top + rows][np.isnan(band)] = np.nan


def band_math(scene: xr.DataArray, expression: str, *, name: str | None = None) -> xr.DataArray:
    """Evaluate a formula in band names, pixel by pixel.

    Parameters
    ----------
    scene : xarray.DataArray
        Dims ``(band, y, x)``; the attribute ``sensor`` says whose band names they are.
    expression : str
        Numbers, ``+ - * / **``, brackets, ``sqrt log exp abs min max`` and bands: by the name in the scene, the
        sensor's name, its common name or its symbol in the catalogue (``"B08"``, ``"nir"``, ``"N"``).
    name : str, optional
        Name of the result; the expression by default.

    Returns
    -------
    xarray.DataArray
        Dims ``(y, x)``, float32; NaN where a band used is NaN and where the value is not finite (division by zero).

    Raises
    ------
    InputError
        If the formula is not allowed or a band is missing.

    Examples
    --------
    >>> scene = xr.DataArray([[[0.25, 0.0]], [[0.75, 0.0]]], dims=("band", "y", "x"), coords={"band": ["B04", "B08"]})
    >>> band_math(scene, "(nir-B4)/(nir+B4)").values
    array([[0.5, nan]], dtype=float32)
    """
    return _mapped(scene, plan_band_math(scene, expression, name=name))


def plan_band_math(scene: xr.DataArray, expression: str, *, name: str | None = None) -> Feature:
    """Check a formula against a scene's bands without reading them; see `band_math`."""
    formula = parse_formula(expression)
    bands = {symbol: _band_or_refuse(scene, symbol, f'"{formula.text}"') for symbol in formula.names}
    return Feature(name or formula.text, formula, bands, {})


def spectral_index(scene: xr.DataArray, name: str) -> xr.DataArray:
    """Compute an index of the spyndex catalogue; constants take the catalogue's defaults.

    Wavelengths in a formula are the sensor's; kernels are radial with sigma 0.5 (Camps-Valls et al. 2021,
    doi:10.1126/sciadv.abc7447).

    Parameters
    ----------
    scene : xarray.DataArray
        Dims ``(band, y, x)``, reflectance.
    name : str
        The index, whatever the case: ``"NDVI"``, ``"MNDWI"``, ``"NDBI"``.

    Returns
    -------
    xarray.DataArray
        Dims ``(y, x)``, float32, named as in the catalogue; NaN where a band used is NaN or the value is not finite.

    Raises
    ------
    InputError
        If the catalogue has no such index (the nearest names are given) or a band is missing.

    Examples
    --------
    >>> scene = xr.DataArray([[[0.25]], [[0.75]]], dims=("band", "y", "x"), coords={"band": ["B04", "B08"]})
    >>> index = spectral_index(scene, "ndvi")
    >>> index.name, float(index[0, 0])
    ('NDVI', 0.5)
    """
    return _mapped(scene, plan_index(scene, name))


def plan_index(scene: xr.DataArray, name: str) -> Feature:
    """Check an index of the catalogue against a scene's bands without reading them; see `spectral_index`."""
    found = catalogue_name(name)
    if found is None:
        raise unknown_index(name)
    formula = parse_formula(spyndex.indices[found].formula)
    constants = {symbol: value for symbol in formula.names if (value := _constant(scene, symbol, found)) is not None}
    if constants and scene.attrs.get("units", "reflectance") != "reflectance":
        logger.warning("%s has constants made for reflectance, but the scene is in %s", found, scene.attrs["units"])
    bands: dict[str, str] = {}
    for symbol in formula.names:
        if symbol not in constants:
            for part in _kernel_parts(symbol):
                bands[part] = _band_or_refuse(scene, part, found, symbol_only=True)
    return Feature(found, formula, bands, constants)


def catalogue_name(name: str) -> str | None:
    """Return the catalogue's spelling of an index, or None; case only matters where two differ by it alone.

    Raises
    ------
    InputError
        If the name is that of two indices but for the case.

    Examples
    --------
    >>> catalogue_name("kndvi"), catalogue_name("NVDI")
    ('kNDVI', None)
    """
    if name in spyndex.indices:
        return name
    spellings = [str(known) for known in spyndex.indices if known.lower() == name.strip().lower()]
    if len(spellings) > 1:
        raise InputError(f"index {name!r} may be {' or '.join(spellings)}", wanted="one of them, exactly so written")
    return spellings[0] if spellings else None


def find_band(scene: xr.DataArray, name: str, *, symbols: bool = True) -> str | None:
    """Return the scene's own name of the band meant by `name`, or None.

    Parameters
    ----------
    scene : xarray.DataArray
        With its band names and, in the attributes, its sensor (Sentinel-2 if it has none).
    name : str
        As in the scene, or a sensor's, common or (with `symbols`) catalogue name.
    symbols : bool
        Whether one-letter symbols count.

    Examples
    --------
    >>> scene = xr.DataArray([[[0.1]]], dims=("band", "y", "x"), coords={"band": ["B08"]})
    >>> find_band(scene, "nir"), find_band(scene, "N"), find_band(scene, "red")
    ('B08', 'B08', None)
    """
    there = [str(band) for band in scene.band.values]
    if name in there:
        return name
    for band in there:
        if band.lower() == name.strip().lower():
            return band
    sensor = _sensor(scene)
    meant = sensor.find(name)
    if meant is None and symbols:
        meant = next((band for band in sensor.bands if band.symbol and band.symbol == name), None)
    return next((band for band in there if meant and sensor.find(band) == meant), None)


def unknown_index(name: str) -> InputError:
    """Return the error for an index that the catalogue does not have, with the nearest names that it has."""
    spelled = {str(known).lower(): str(known) for known in spyndex.indices}
    close = difflib.get_close_matches(name.lower(), spelled, n=20, cutoff=0.5)
    # Swapped letters first: NVDI is NDVI more often than NMDI.
    close.sort(key=lambda known: sorted(known) != sorted(name.lower()))
    near = [spelled[known] for known in close[:3]]
    return InputError(
        f"index {name!r} is not in the spyndex catalogue",
        wanted=f"perhaps {', '.join(near)}" if near else "a name such as NDVI, MNDWI, NDBI",
    )


def _sensor(scene: xr.DataArray) -> Sensor:
    return sensor_named(str(scene.attrs.get("sensor", "sentinel-2")))


def _band_or_refuse(scene: xr.DataArray, name: str, user: str, *, symbol_only: bool = False) -> str:
    found = _by_symbol(scene, name) if symbol_only else find_band(scene, name)
    if found is None:
        meant = next((f" ({band.name}, {band.common})" for band in _sensor(scene).bands if band.symbol == name), "")
        raise InputError(
            f"band {name}{meant} that {user} needs is not in the scene",
            wanted=f"from {', '.join(map(str, scene.band.values))}" + ("" if symbol_only else f" or {_functions()}"),
        )
    return found


def _functions() -> str:
    return "a function " + ", ".join(f"{name}()" for name in FUNCTIONS)


def _by_symbol(scene: xr.DataArray, symbol: str) -> str | None:
    """Look a catalogue symbol up as nothing else: its ``A`` must not meet a band that merely has that name."""
    sensor = _sensor(scene)
    meant = next((band for band in sensor.bands if band.symbol == symbol), None)
    return next((str(band) for band in scene.band.values if meant and sensor.find(str(band)) == meant), None)


def _constant(scene: xr.DataArray, symbol: str, index: str) -> float | None:
    if symbol.startswith("lambda"):
        band = next((band for band in _sensor(scene).bands if band.symbol == symbol.removeprefix("lambda")), None)
        if band:
            return band.wavelength_nm
    if symbol not in spyndex.constants:
        return None
    default = spyndex.constants[symbol].default
    if default is None:
        raise InputError(
            f"index {index} needs {symbol}, which has no usual value",
            wanted="an index of bands and usual constants",
            mend="write it as a formula with the number in it",
        )
    return float(default)


def _kernel_parts(symbol: str) -> tuple[str, ...]:
    """Split the kernel of two bands (``kNR``: of N and R) into them; any other symbol is its own part."""
    if len(symbol) == 3 and symbol[0] == "k" and symbol not in spyndex.bands:
        return tuple(part for part in symbol[1:] if part not in spyndex.constants)
    return (symbol,)


def _mapped(scene: xr.DataArray, feature: Feature) -> xr.DataArray:
    index = {str(band): position for position, band in enumerate(scene.band.values)}
    out = np.empty((scene.sizes["y"], scene.sizes["x"]), np.float32)
    feature.fill(out, {band: scene.variable[index[band]].values for band in feature.bands.values()})
    coords = {key: coord for key, coord in scene.coords.items() if "band" not in coord.dims and key != "band"}
    return xr.DataArray(out, dims=("y", "x"), coords=coords, attrs=dict(scene.attrs), name=feature.name)


def _kernels(
    formula: Formula, block: Mapping[str, npt.NDArray[np.float32]], constants: Mapping[str, float]
) -> dict[str, npt.NDArray[np.float32]]:
    # The catalogue pairs bands with each other and, in kEVI, with the constant L.
    loading = np.full(1, spyndex.constants["L"].default, np.float32)
    known = {**block, "L": loading}
    kernels = {}
    for symbol in formula.names:
        if symbol not in block and symbol not in constants:
            one, other = known[symbol[1]], known[symbol[2]]
            kernels[symbol] = np.exp(-np.square(one - other) / np.float32(2 * _KERNEL_SIGMA**2))
    return kernels
