"""Indices: the catalogue's formulas against a plain evaluation, names in every spelling, no data kept."""

import logging

import numpy as np
import pytest
import spyndex
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.features import indices
from citygrain.features.indices import band_math, catalogue_name, find_band, spectral_index
from citygrain.sensors import LANDSAT8, SENTINEL1, SENTINEL2, Sensor


def toy(sensor: Sensor = SENTINEL2, height: int = 6, width: int = 5, seed: int = 0) -> xr.DataArray:
    values = np.random.default_rng(seed).uniform(0.02, 0.6, (len(sensor.bands), height, width)).astype(np.float32)
    names = [band.name for band in sensor.bands]
    attrs = {"units": "reflectance", "sensor": sensor.name, "scale": 10_000.0}
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": names, "y": np.arange(height)}, attrs=attrs)


def oracle(scene: xr.DataArray, sensor: Sensor, name: str) -> np.ndarray:
    """The formula in float64, evaluated by Python; only ever given the catalogue's own text."""
    known = {key: constant.default for key, constant in spyndex.constants.items() if constant.default is not None}
    known |= {f"lambda{band.symbol}": band.wavelength_nm for band in sensor.bands}
    known |= {band.symbol: scene.sel(band=band.name).values.astype(float) for band in sensor.bands if band.symbol}
    for symbol in spyndex.indices[name].bands:
        if len(symbol) == 3 and symbol[0] == "k":
            known[symbol] = np.exp(-((known[symbol[1]] - known[symbol[2]]) ** 2) / (2 * 0.5**2))
    with np.errstate(all="ignore"):
        value = np.asarray(eval(spyndex.indices[name].formula, {"__builtins__": {}}, known))  # noqa: S307
    return np.where(np.isfinite(value), value, np.nan)


def computable(sensor: Sensor) -> list[str]:
    symbols = {band.symbol for band in sensor.bands} | {f"lambda{band.symbol}" for band in sensor.bands}
    symbols |= {key for key, constant in spyndex.constants.items() if constant.default is not None}
    symbols |= {f"k{a}{b}" for a in "NRBGL" for b in "NRBGL" if sensor is SENTINEL2}
    return [name for name, index in spyndex.indices.items() if set(index.bands) <= symbols]


@pytest.mark.parametrize("sensor", [SENTINEL2, LANDSAT8, SENTINEL1], ids=lambda sensor: sensor.name)
def test_every_index_that_the_sensor_allows(sensor: Sensor) -> None:
    scene = toy(sensor)
    names = computable(sensor)
    assert len(names) > {"sentinel-2": 230, "landsat-8": 150, "sentinel-1": 5}[sensor.name]
    for name in names:
        result, expected = spectral_index(scene, name), oracle(scene, sensor, name)
        assert result.dtype == np.float32
        assert result.name == name
        scale = np.nanmedian(np.abs(expected)) if np.isfinite(expected).any() else 1
        good = np.isfinite(expected) & np.isfinite(result.values)
        assert good.sum() >= np.isfinite(expected).sum() - 1, name
        error = np.abs(result.values[good] - expected[good]) / (np.abs(expected[good]) + scale)
        # Some divide by differences near zero, where float32 has few digits left.
        assert np.quantile(error, 0.9, method="lower") < 1e-3 if error.size else True, name


def test_the_other_indices_name_the_band_that_is_missing() -> None:
    scene = toy()
    for name in sorted(set(spyndex.indices) - set(computable(SENTINEL2))):
        with pytest.raises(InputError, match="needs"):
            spectral_index(scene, name)
    with pytest.raises(InputError, match=r"band S1 \(B11, swir16\) that MNDWI needs is not in the scene; wanted: from"):
        spectral_index(scene.sel(band=["B03", "B08"]), "MNDWI")
    with pytest.raises(InputError, match="needs PAR, which has no usual value"):
        spectral_index(scene, next(name for name, i in spyndex.indices.items() if "PAR" in i.bands))


def test_the_water_indices_are_the_literatures() -> None:
    scene = toy()
    green, nir, swir = (scene.sel(band=name).values for name in ("B03", "B08", "B11"))
    np.testing.assert_allclose(spectral_index(scene, "NDWI"), (green - nir) / (green + nir), rtol=1e-5)
    np.testing.assert_allclose(spectral_index(scene, "MNDWI"), (green - swir) / (green + swir), rtol=1e-5)
    np.testing.assert_allclose(spectral_index(scene, "NDBI"), (swir - nir) / (swir + nir), rtol=1e-5)


@pytest.mark.parametrize(("name", "near"), [("NVDI", "NDVI"), ("mndwii", "MNDWI"), ("ndbl", "NDBI")])
def test_a_misspelt_index_gets_the_nearest_names(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"perhaps .*{near}"):
        spectral_index(toy(), name)


def test_catalogue_names_whatever_the_case() -> None:
    assert catalogue_name("ndvi") == "NDVI"
    # Two indices differ by their case alone.
    assert {catalogue_name(name) for name in spyndex.indices} == set(spyndex.indices)
    with pytest.raises(InputError, match=r"may be .* or .*; wanted: one of them"):
        catalogue_name("bai")


@pytest.mark.parametrize("expression", ["(nir-red)/(nir+red)", "(B08-B04)/(B8+b4)", "(N-R)/(N+R)", "(NIR-B04)/(N+Red)"])
def test_bands_by_every_name(expression: str) -> None:
    scene = toy()
    np.testing.assert_array_equal(band_math(scene, expression).values, spectral_index(scene, "NDVI").values)


def test_names_are_the_sensors() -> None:
    assert find_band(toy(SENTINEL2), "B5") == "B05"
    landsat = toy(LANDSAT8)
    assert find_band(landsat, "nir") == find_band(landsat, "N") == "B5"
    b5 = landsat.sel(band="B5").values
    np.testing.assert_array_equal(band_math(landsat, "B05+0").values, b5)


def test_a_formula_with_a_missing_band_says_what_is_there() -> None:
    with pytest.raises(
        InputError, match='band swir1 that "swir1/red" needs is not in the scene; wanted: from B04, B08'
    ):
        band_math(toy().sel(band=["B04", "B08"]), "swir1/red")


def test_constants_on_digital_numbers_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    scene = toy().assign_attrs(units="digital numbers")
    spectral_index(scene, "NDVI")
    assert not caplog.text
    with caplog.at_level(logging.WARNING):
        spectral_index(scene, "EVI")
    assert "EVI has constants made for reflectance" in caplog.text


def test_no_data_stays_and_division_by_zero_is_nan() -> None:
    scene = toy()
    scene[:, 0, 0] = np.nan
    scene.loc["B04"][0, 1] = np.nan
    scene[:, 0, 2] = 0
    for expression in ("nir**0", "max(nir,red)*0+1", "nir/red", "red**0"):
        result = band_math(scene, expression).values
        assert np.isnan(result[0, 0]), expression
    assert np.isnan(band_math(scene, "red**0").values[0, 1])
    assert band_math(scene, "nir**0").values[0, 1] == 1
    assert np.isnan(spectral_index(scene, "NDVI").values[0, 2])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 200), st.sampled_from(["NDVI", "EVI", "kNDVI", "GEMI"]))
def test_blocks_do_not_show(height: int, width: int, block: int, name: str) -> None:
    scene = toy(height=height, width=width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indices, "_BLOCK_PIXELS", block)
        cut = spectral_index(scene, name).values
    np.testing.assert_array_equal(cut, spectral_index(scene, name).values)
    top = spectral_index(scene[:, : height // 2 + 1, : width // 2 + 1], name).values
    np.testing.assert_array_equal(top, cut[: height // 2 + 1, : width // 2 + 1])
