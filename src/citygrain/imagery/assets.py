"""What an item's assets and properties mean, in our words.

For a catalogue of the table the keys are known. For any other they are found: by the asset's key, then by the name of
its band, then by the band's common name. Where two assets could be meant, nothing is guessed.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pystac

from citygrain.errors import InputError
from citygrain.imagery.catalogues import Collection
from citygrain.imagery.observation import Observation
from citygrain.imagery.stac_items import cloud_of, printable
from citygrain.sensors import SENSORS, Sensor

__all__ = ["asset_keys", "observe"]

_SENSOR_OF = {
    "sentinel-2": "sentinel-2",
    "sentinel-1": "sentinel-1",
    "landsat": "landsat-8",
    "hls-s30": "sentinel-2",
    "hls-l30": "landsat-8",
}
_LAYERS = {
    "SCL": ("scl",),
    "CLD": ("cld", "cloud_probability", "cloud", "cldprb", "msk_cldprb"),
    "QA": ("qa_pixel",),
    "FMASK": ("fmask", "oa_fmask"),
    "MAP": ("map", "worldcover", "esa_worldcover_10m_map"),
}
"""Layers that are no bands, and what they are called."""
_LAYERS_OF = {
    "sentinel-2": ("SCL", "CLD"),
    "landsat": ("QA",),
    "hls-s30": ("FMASK",),
    "hls-l30": ("FMASK",),
    "worldcover": ("MAP",),
}
_NOT_DATA = {"thumbnail", "overview", "metadata", "visual"}
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_TILE = re.compile(r"(?:^|_)T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?:_|$)")


def observe(item: pystac.Item, collection: Collection, overrides: Mapping[str, str] | None = None) -> Observation:
    """Say what an item is in our words.

    Parameters
    ----------
    item : pystac.Item
        As the catalogue gave it.
    collection : Collection
        Where it comes from.
    overrides : mapping of str to str, optional
        Our band names and asset keys as the user says them.

    Returns
    -------
    Observation
        With those assets that the item has.

    Raises
    ------
    InputError
        If it has no time, or two of its assets could be the same band.
    """
    assets = {band: key for band, key in collection.assets.items() if key in item.assets}
    assets = {**assets, **(overrides or {})} if assets else asset_keys(item, collection.product, overrides)
    return Observation(
        item=item,
        product=collection.product,
        assets=assets,
        time=_time(item),
        cloud=cloud_of(item),
        level=collection.level or _level(item, assets),
        baseline=_baseline(item),
        tile=_tile(item),
    )


def asset_keys(item: pystac.Item, product: str, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """Find which asset of an item is which band of a product.

    Parameters
    ----------
    item : pystac.Item
        Of a catalogue that is not in the table.
    product : str
        ``"sentinel-2"``, ...
    overrides : mapping of str to str, optional
        Our band names and asset keys as the user says them.

    Returns
    -------
    dict of str to str
        Our band names and asset keys.

    Raises
    ------
    InputError
        If two assets could be the same band, or the item lacks one that the user named.
    """
    wrong = [key for key in (overrides or {}).values() if key not in item.assets]
    if wrong:
        raise InputError(f"item {item.id} has no asset {wrong[0]}", wanted=f"one of {', '.join(item.assets)}")
    sensor = SENSORS.get(_SENSOR_OF.get(product, ""))
    names = _band_names(sensor) if sensor else {}
    names |= {layer: _LAYERS[layer] for layer in _LAYERS_OF.get(product, ())}
    data = {key: asset for key, asset in item.assets.items() if not _NOT_DATA & _roles(asset)}
    found = dict(overrides or {})
    for band, spellings in names.items():
        key = None if band in found else _only(item, band, data, spellings, sensor)
        if key:
            found[band] = key
    return found


def _roles(asset: pystac.Asset) -> set[str]:
    """Return the roles that speak against an asset: none, if it is data too."""
    roles = {str(role) for role in asset.roles} if isinstance(asset.roles, list) else set()
    return set() if "data" in roles else roles


def _band_names(sensor: Sensor) -> dict[str, tuple[str, ...]]:
    return {band.name: (band.name.lower(), *(alias.lower() for alias in band.aliases)) for band in sensor.bands}


def _only(
    item: pystac.Item, band: str, data: Mapping[str, pystac.Asset], spellings: Iterable[str], sensor: Sensor | None
) -> str | None:
    """Return the key of the one asset that is this band."""
    wanted = set(spellings)
    common = {b.common for b in sensor.bands if b.name == band} if sensor else set()
    ways = (
        [key for key in data if _plain(key) in wanted],
        [key for key, asset in data.items() if _said_names(asset, "name") in [{name} for name in wanted]],
        [key for key in data if _plain(key) in common],
        [key for key, asset in data.items() if common and _said_names(asset, "common_name") == common],
    )
    for keys in ways:
        best = _finest(keys, data)
        if len(best) > 1:
            raise InputError(
                f"item {item.id}: assets {' and '.join(best)} could both be {band}",
                mend=f"say which: --asset {band}=KEY",
            )
        if best:
            return best[0]
    return None


def _plain(key: str) -> str:
    """Return a key without case and resolution: ``B04_10m`` is b04."""
    return re.sub(r"_\d+m$", "", key.lower())


def _finest(keys: list[str], data: Mapping[str, pystac.Asset]) -> list[str]:
    """Keep the finest of several resolutions of a band, and GeoTIFF rather than JPEG 2000."""
    if len(keys) < 2:
        return keys
    metres = {key: int(match[1]) if (match := re.search(r"_(\d+)m$", key)) else 0 for key in keys}
    finest = [key for key in keys if metres[key] == min(metres.values())]
    tiff = [key for key in finest if "tiff" in (data[key].media_type or "")]
    return tiff or finest


def _said_names(asset: pystac.Asset, field: str) -> set[str]:
    """Return what the bands of an asset are called, as older and newer items write it."""
    entry: dict[str, Any] = asset.to_dict()
    listed = entry.get("bands") or entry.get("eo:bands") or []
    bands = [band for band in listed if isinstance(band, Mapping)] if isinstance(listed, list) else []
    names = {str(band.get(field) or band.get(f"eo:{field}") or "").lower() for band in bands}
    return names if len(bands) == 1 else set()


def _time(item: pystac.Item) -> datetime:
    time = item.datetime or item.common_metadata.start_datetime
    if time is None:
        raise InputError(f"item {item.id} says no time", wanted="datetime or start_datetime")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _level(item: pystac.Item, assets: Mapping[str, str]) -> str:
    said = " ".join(
        str(item.properties.get(key, "")) for key in ("processing:level", "s2:product_type", "sar:product_type")
    ).upper()
    names = f"{item.collection_id or ''} {item.id} {said}".upper()
    for level, marks in (
        ("L1C", ("L1C", "MSI1C")), ("L2A", ("L2A", "MSI2A")), ("RTC", ("RTC",)), ("GRD", ("GRD",)),
    ):  # fmt: skip
        if any(mark in names for mark in marks):
            return level
    return "L2A" if "SCL" in assets else ""


def _baseline(item: pystac.Item) -> str | None:
    said = item.properties.get("s2:processing_baseline") or item.properties.get("processing:version")
    match = re.fullmatch(r"0?(\d{1,2})\.(\d{1,2})(\.\d+)?", str(said or ""))
    if match:
        return f"{int(match[1]):02d}.{match[2]:0>2}"
    for name in (item.properties.get("s2:product_uri"), item.properties.get("s2:granule_id"), item.id):
        if match := _BASELINE.search(f"{name}_".replace(".SAFE_", "_")):
            return f"{match[1]}.{match[2]}"
    return None


def _tile(item: pystac.Item) -> str | None:
    tile = _told_tile(item)
    return tile if tile and printable(tile, longest=40) else None


def _told_tile(item: pystac.Item) -> str | None:
    said = item.properties
    if code := said.get("s2:mgrs_tile") or said.get("grid:code"):
        return str(code).removeprefix("MGRS-").removeprefix("T")
    if "mgrs:utm_zone" in said:
        return f"{said['mgrs:utm_zone']!s:0>2}{said.get('mgrs:latitude_band')}{said.get('mgrs:grid_square')}"
    if "landsat:wrs_path" in said:
        return f"{said['landsat:wrs_path']}/{said.get('landsat:wrs_row')}"
    if "sat:relative_orbit" in said:
        return f"{said['sat:relative_orbit']} {said.get('sat:orbit_state', '')}".strip()
    match = _TILE.search(item.id)
    return match[1] if match else None
