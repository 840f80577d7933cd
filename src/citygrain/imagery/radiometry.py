"""How the numbers of a catalogue's image become reflectance, by what the catalogue says and what the numbers show."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.imagery.observation import Observation
from citygrain.scene.dark_end import ADDED, offset_by_data
from citygrain.scene.radiometry import (
    Claim,
    Radiometry,
    baseline_claim,
    baseline_in,
    date_claim,
    reflectance,
    settle,
)
from citygrain.sensors import SENTINEL2

__all__ = [
    "Radiometry",
    "data_offset",
    "decide_radiometry",
    "item_claims",
    "metadata_offset",
    "reflectance",
    "sensor_radiometry",
]

_LANDSAT, _WHOLE = (1 / 2.75e-5, -0.2 / 2.75e-5), (10_000.0, 0.0)
"""(scale, offset) of surface reflectance: Landsat Collection 2 (USGS LSDS-1619); HLS v2.0, and DEA's NBART."""
_SCALES = {"landsat": _LANDSAT, "hls": _WHOLE, "hls-s30": _WHOLE, "hls-l30": _WHOLE}
_FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_NAMES = ("s2:product_uri", "sentinel:product_id", "s2:granule_id", "title")
_TENTH = 0.1
"""1000 numbers as reflectance, as STAC writes the offset."""


def item_claims(observation: Observation) -> tuple[Claim, ...]:
    """Return all that an item says of the 1000 in its numbers, the most trustworthy first.

    1. The flag that it has been taken off (``earthsearch:boa_offset_applied`` is true). Its opposite says nothing by
       itself: images that never had it carry it too.
    2. Scale and offset of the reflectance assets (``raster:bands``, ``raster:offset``). Some catalogues left -0.1 there
       when they took the 1000 off, so the flag comes first.
    3. The processing baseline: of the item's own fields, else in the name of the product.
    4. The date, if nothing else is told.

    Parameters
    ----------
    observation : Observation
        The item.

    Returns
    -------
    tuple of Claim
        Empty where the item says nothing.
    """
    properties = observation.item.properties
    found = [Claim(f"{flag} is true", 0.0) for flag in _FLAGS if properties.get(flag) is True]
    found += _asset_claims(observation)
    said = observation.baseline or read_baseline(observation.id, properties)
    by_baseline = baseline_claim(said)
    if by_baseline:
        found.append(by_baseline)
    by_date = date_claim(observation.time)
    return (*found, by_date) if by_date and not found else tuple(found)


def read_baseline(identifier: str, properties: Mapping[str, Any]) -> str | None:
    """Return the Sentinel-2 processing baseline of an item, from its fields or from the name of its product.

    Examples
    --------
    >>> read_baseline("S2B_33UXP_20250302_0_L2A", {"s2:processing_baseline": "05.11"})
    '05.11'
    >>> read_baseline("S2B_MSIL2A_20250302T095029_N0511_R079_T33UXP_20250302T104753", {})
    '05.11'
    """
    for key in _BASELINES:
        if baseline_claim(str(properties.get(key, ""))):
            return str(properties[key]).strip()
    names = [identifier, *(str(properties.get(key, "")) for key in _NAMES)]
    return next((baseline for name in names if (baseline := baseline_in(name.removesuffix(".SAFE")))), None)


def metadata_offset(observation: Observation) -> tuple[float | None, tuple[str, ...]]:
    """Return the offset that an item's metadata say (None where they do not tell), and all that they say."""
    claims = item_claims(observation)
    told = tuple(f"{claim.source} ({claim.offset:g})" for claim in claims)
    return (claims[0].offset if claims else None), told


def data_offset(bands: Mapping[str, npt.NDArray[Any]], *, nodata: float = 0) -> tuple[float | None, str]:
    """Return the offset that digital numbers show (None where they do not tell), and what was seen.

    The same as `citygrain.scene.dark_end.offset_by_data`.
    """
    return offset_by_data(bands, nodata=nodata)


def decide_radiometry(
    observation: Observation,
    sample: Mapping[str, npt.NDArray[Any]] | None,
    *,
    override: float | None = None,
) -> Radiometry:
    """Decide how the numbers of an item become reflectance.

    Parameters
    ----------
    observation : Observation
        The item: Sentinel-2, Landsat Collection 2 or HLS. Only Sentinel-2 needs a decision.
    sample : mapping of str to array, or None
        Digital numbers of reflectance bands by our names, on a coarse stride (`citygrain.imagery.loading.read_sample`);
        None if nothing was read, then the metadata alone decide and the evidence says so.
    override : float, optional
        The offset in digital numbers that the user gives, 0 or -1000.

    Raises
    ------
    InputError
        If metadata and data contradict each other, or neither tells.
    """
    fixed = sensor_radiometry(observation.product, observation.level)
    if fixed:
        return fixed
    reflecting = {band: numbers for band, numbers in (sample or {}).items() if is_reflectance(band)}
    seen = offset_by_data(reflecting) if reflecting else (None, "none was read")
    claims = item_claims(observation)
    baseline = observation.baseline or read_baseline(observation.id, observation.item.properties)
    return settle(observation.id, claims, seen, level=observation.level, baseline=baseline, override=override)


def sensor_radiometry(product: str, level: str) -> Radiometry | None:
    """Return the radiometry of products that have only one; None for Sentinel-2.

    Examples
    --------
    >>> landsat = sensor_radiometry("landsat", "SR")
    >>> reflectance(np.array([0, 7273, 20000]), landsat).round(2)
    array([ nan, 0.  , 0.35], dtype=float32)
    """
    found = _WHOLE if level == "NBART" else _SCALES.get(product)
    if found is None:
        return None
    scale, offset = found
    return Radiometry(scale, offset, level, None, offset, None, (f"{product}: one scale for all products",))


def is_reflectance(band: str) -> bool:
    """Tell whether a band of ours is one of Sentinel-2's reflectance bands.

    Examples
    --------
    >>> is_reflectance("B8A"), is_reflectance("SCL"), is_reflectance("B10")
    (True, False, True)
    """
    return SENTINEL2.find(band) is not None


def _asset_claims(observation: Observation) -> Iterator[Claim]:
    """Yield what the reflectance assets say, if they agree; assets that differ say nothing that can be used."""
    offsets: dict[float, str] = {}
    for band, key in observation.assets.items():
        asset = observation.item.assets.get(key)
        if asset is None or not is_reflectance(band):
            continue
        told = _raster_offset(asset.extra_fields)
        if told is not None:
            offsets.setdefault(told, key)
    if len(offsets) == 1:
        ((told, key),) = offsets.items()
        yield Claim(f"raster offset {told:g} of asset {key}", told)


def _raster_offset(fields: Mapping[str, Any]) -> float | None:
    """Return an asset's offset in digital numbers: raster extension 1 (``raster:bands``) or 2 (``raster:offset``)."""
    bands = [band for key in ("raster:bands", "bands") for band in fields.get(key) or () if isinstance(band, Mapping)]
    told = [fields.get("raster:offset"), *(band.get("raster:offset", band.get("offset")) for band in bands)]
    for offset in told:
        if isinstance(offset, (int, float)) and np.isclose(abs(offset), _TENTH, atol=1e-6):
            return -ADDED
        if isinstance(offset, (int, float)) and offset == 0:
            return 0.0
    return None
