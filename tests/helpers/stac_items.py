"""STAC items as three public catalogues write them: the same scene under other names and other properties.

Nothing here touches pixels. Names of fields follow items of Earth Search v1, of the Planetary Computer and of the
Copernicus Data Space; links are relative, as in a static catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from odc.geo.geobox import GeoBox

from citygrain.sensors import SENTINEL2

__all__ = ["FLAVOURS", "Asset", "Facts", "asset_key", "catalog", "collection", "collection_name", "item", "item_id"]

FLAVOURS = ("earth-search", "planetary-computer", "cdse")
Json = dict[str, Any]

_SCHEMA = "https://stac-extensions.github.io"
_EXTENSIONS = {
    "earth-search": ("eo/v1.1.0", "grid/v1.1.0", "projection/v2.0.0", "mgrs/v1.0.0", "raster/v1.1.0", "file/v2.1.0"),
    "planetary-computer": ("eo/v1.0.0", "sat/v1.0.0", "projection/v1.1.0"),
    "cdse": ("eo/v2.0.0", "grid/v1.1.0", "projection/v2.0.0", "raster/v2.0.0", "file/v2.1.0"),
}
_SCENE_KEYS = {"SCL": "scl", "AOT": "aot", "CLD": "cloud", "VV": "vv", "VH": "vh"}
_GSD = {"SCL": 20, "AOT": 20, "CLD": 20, "VV": 10, "VH": 10, "map": 10}
_LANDSAT = {"B1": "coastal", "B2": "blue", "B3": "green", "B4": "red", "B5": "nir08", "B6": "swir16", "B7": "swir22"}


@dataclass(frozen=True)
class Asset:
    """One file of an item.

    Attributes
    ----------
    band : str
        Our name: ``B04``, ``SCL``, ``VV``, ``map``.
    href : str
        Its name beside the item.
    geobox : GeoBox
        Its grid.
    dtype : str
        Of its numbers.
    nodata : float
        Number without meaning.
    scale, offset : float or None
        What ``raster:bands`` says; None = it says nothing.
    size, checksum
        Bytes, and multihash in hexadecimal digits.
    """

    band: str
    href: str
    geobox: GeoBox
    dtype: str
    nodata: float
    scale: float | None
    offset: float | None
    size: int
    checksum: str


@dataclass(frozen=True)
class Facts:
    """What an item says of its scene beside its files.

    Attributes
    ----------
    product : str
        ``sentinel-2``, ``sentinel-1``, ``worldcover`` or ``landsat``.
    level : str
        ``L2A``, ``L1C``, ``RTC``, ``GRD``, ``SR``, ``map``.
    time : datetime
        UTC.
    tile : str
        MGRS tile, or the number of the orbit.
    geobox : GeoBox
        The grid of 10 m.
    properties : dict
        The rest, as the catalogue spells it.
    """

    product: str
    level: str
    time: datetime
    tile: str
    geobox: GeoBox
    cloud: float | None = None
    baseline: str | None = None
    processed: int = 0
    orbit_state: str = "descending"
    properties: Mapping[str, Any] = field(default_factory=dict)


def collection_name(facts: Facts, flavour: str) -> str:
    """What a catalogue calls the collection."""
    return {
        "L2A": "sentinel-2-l2a",
        "L1C": "sentinel-2-l1c",
        "RTC": "sentinel-1-rtc",
        "GRD": "sentinel-1-grd",
        "SR": "landsat-c2-l2",
        "map": "esa-worldcover",
    }[facts.level]


def asset_key(band: str, level: str, flavour: str) -> str:
    """What a catalogue calls a band's file."""
    if level == "SR":
        return _LANDSAT.get(band, band.lower())
    if band in ("VV", "VH", "map"):
        return band.lower() if flavour != "cdse" else band
    found = SENTINEL2.find(band)
    if flavour == "earth-search":
        return found.common if found else _SCENE_KEYS[band]
    if flavour == "cdse" and level == "L2A":
        metres = _GSD.get(band) or int(found.resolution_m if found else 10)
        return f"{band}_{metres}m"
    return band


def item_id(facts: Facts, flavour: str) -> str:
    """A name in the manner of the catalogue."""
    day, clock = f"{facts.time:%Y%m%d}", f"{facts.time:%Y%m%dT%H%M%S}"
    if facts.product == "worldcover":
        return f"ESA_WorldCover_10m_2021_v200_{facts.tile}"
    if facts.product == "sentinel-1":
        return f"S1A_IW_GRDH_1SDV_{clock}_{facts.tile}" + ("_rtc" if facts.level == "RTC" else "")
    if facts.product == "landsat":
        return f"LC09_L2SP_{facts.tile}_{day}_02_T1"
    if flavour == "earth-search":
        return f"S2B_{facts.tile}_{day}_{facts.processed}_{facts.level}"
    made = f"{day}T{14 + facts.processed:02d}0312"
    return f"S2B_MSI{facts.level}_{clock}_{_baseline_word(facts)}R065_T{facts.tile}_{made}"


def _baseline_word(facts: Facts) -> str:
    return f"N{(facts.baseline or '').replace('.', '')}_" if facts.baseline else ""


def item(facts: Facts, assets: list[Asset], flavour: str) -> Json:
    """Return a STAC item with relative links."""
    name, where = item_id(facts, flavour), collection_name(facts, flavour)
    outline = facts.geobox.extent.to_crs("EPSG:4326")
    bounds = outline.boundingbox
    links = {"self": f"./{name}.json", "root": "../../catalog.json"}
    links |= dict.fromkeys(("parent", "collection"), "../collection.json")
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if flavour == "cdse" else "1.0.0",
        "stac_extensions": [f"{_SCHEMA}/{name}/schema.json" for name in _EXTENSIONS[flavour]],
        "id": name,
        "collection": where,
        "geometry": outline.json,
        "bbox": [bounds.left, bounds.bottom, bounds.right, bounds.top],
        "properties": _properties(facts, flavour, name),
        "links": [_link(rel, href) for rel, href in links.items()],
        "assets": {asset_key(one.band, facts.level, flavour): _asset(one, facts, flavour) for one in assets},
    }


def _properties(facts: Facts, flavour: str, name: str) -> Json:
    stamp = f"{facts.time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    common: Json = {"datetime": stamp, **_projection(facts.geobox, flavour, whole=False)}
    if facts.product == "worldcover":
        common |= {
            "start_datetime": f"{facts.time:%Y}-01-01T00:00:00Z",
            "end_datetime": f"{facts.time:%Y}-12-31T23:59:59Z",
        }
        common |= {"esa_worldcover:product_version": "2.0.0", "esa_worldcover:product_tile": facts.tile}
    elif facts.product == "sentinel-1":
        common |= {
            "platform": "sentinel-1a", "constellation": "sentinel-1", "sar:instrument_mode": "IW",
            "sar:polarizations": ["VV", "VH"], "sar:product_type": facts.level, "sar:frequency_band": "C",
            "sat:orbit_state": facts.orbit_state, "sat:relative_orbit": int(facts.tile),
        }  # fmt: skip
    elif facts.product == "landsat":
        common |= {"platform": "landsat-9", "instruments": ["oli", "tirs"], "eo:cloud_cover": facts.cloud}
        common |= {"landsat:wrs_path": facts.tile[:3], "landsat:wrs_row": facts.tile[3:]}
        common |= {"landsat:correction": "L2SP", "landsat:collection_category": "T1"}
    else:
        common |= _sentinel2(facts, flavour, name)
    return {**common, **facts.properties}


def _sentinel2(facts: Facts, flavour: str, name: str) -> Json:
    tile, made = facts.tile, f"{facts.time:%Y-%m-%d}T{14 + facts.processed:02d}:03:12.000000Z"
    product = f"S2B_MSI{facts.level}_{facts.time:%Y%m%dT%H%M%S}_{_baseline_word(facts)}R065_T{tile}.SAFE"
    common: Json = {"eo:cloud_cover": facts.cloud}
    if flavour == "planetary-computer":
        return common | {
            "platform": "Sentinel-2B", "constellation": "Sentinel 2", "instruments": ["msi"], "s2:mgrs_tile": tile,
            "s2:processing_baseline": facts.baseline, "s2:product_type": f"S2MSI{facts.level[1:]}",
            "s2:product_uri": product, "s2:generation_time": made, "sat:relative_orbit": 65,
            "sat:orbit_state": "descending",
        }  # fmt: skip
    if flavour == "cdse":
        return common | {
            "platform": "sentinel-2b", "constellation": "sentinel-2", "instruments": ["msi"],
            "grid:code": f"MGRS-{tile}", "processing:version": facts.baseline, "published": made,
            "processing:level": f"L{facts.level[1:]}", "sat:relative_orbit": 65,
            "product:type": f"S2MSI{facts.level[1:]}",
        }  # fmt: skip
    return common | {
        "platform": "sentinel-2b", "constellation": "sentinel-2", "instruments": ["msi"], "grid:code": f"MGRS-{tile}",
        "mgrs:utm_zone": int(tile[:2]), "mgrs:latitude_band": tile[2], "mgrs:grid_square": tile[3:],
        "s2:product_uri": product, "s2:generation_time": made, "s2:processing_baseline": facts.baseline,
        "s2:product_type": f"S2MSI{facts.level[1:]}", "s2:sequence": str(facts.processed), "created": made,
        "earthsearch:payload_id": f"roda-sentinel2/workflow-sentinel2-to-stac/{name}",
    }  # fmt: skip


def _projection(grid: GeoBox, flavour: str, *, whole: bool) -> Json:
    """``proj:code`` of version 2, or ``proj:epsg`` of version 1; with `whole` the shape and the transform too."""
    code: Json = (
        {"proj:epsg": grid.crs.epsg} if flavour == "planetary-computer" else {"proj:code": f"EPSG:{grid.crs.epsg}"}
    )
    if not whole:
        return code
    return {"proj:shape": [int(n) for n in grid.shape], "proj:transform": [float(n) for n in grid.affine[:6]]}


def _asset(one: Asset, facts: Facts, flavour: str) -> Json:
    found = SENTINEL2.find(one.band) if facts.product == "sentinel-2" else None
    described: Json = {
        "href": f"./{one.href}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": one.band,
        "roles": ["data", "reflectance"] if found else ["data"],
        "gsd": abs(one.geobox.affine.a) if one.geobox.crs.projected else _GSD.get(one.band, 10),
        **_projection(one.geobox, flavour, whole=True),
    }
    band: Json = {"nodata": one.nodata, "data_type": one.dtype}
    if flavour == "cdse":
        if one.scale is not None:
            band |= {"raster:scale": one.scale, "raster:offset": one.offset}
        named = {"name": one.band} | ({"eo:common_name": found.common} if found else {})
        described |= {"bands": [named | band]}
    else:
        if one.scale is not None:
            band |= {"scale": one.scale, "offset": one.offset}
        if found:
            name = found.common if flavour == "earth-search" else found.name
            wave = {"center_wavelength": round(found.wavelength_nm / 1000, 3)}
            described["eo:bands"] = [{"name": name, "common_name": _common(found.common)} | wave]
        elif one.band in _LANDSAT:
            described["eo:bands"] = [{"name": f"OLI_{one.band}", "common_name": _LANDSAT[one.band]}]
        if flavour == "earth-search" or not found:
            described["raster:bands"] = [band]
    if flavour != "planetary-computer":
        described |= {"file:size": one.size, "file:checksum": one.checksum}
    return described


def _common(name: str) -> str:
    """The eo extension knows one name for the three bands of the red edge."""
    return "rededge" if name.startswith("rededge") else name


def collection(name: str, items: list[Json], flavour: str) -> Json:
    """Return the collection of some items, with links to them."""
    boxes = [one["bbox"] for one in items]
    times = sorted(one["properties"]["datetime"] for one in items)
    extent = [f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max))]
    links = [_link("self", "./collection.json"), _link("root", "../catalog.json"), _link("parent", "../catalog.json")]
    return {
        "type": "Collection",
        "stac_version": "1.1.0" if flavour == "cdse" else "1.0.0",
        "stac_extensions": [],
        "id": name,
        "title": name,
        "description": f"{name} of a made world, in the manner of {flavour}",
        "license": "CC-BY-4.0" if name == "esa-worldcover" else "proprietary",
        "extent": {"spatial": {"bbox": [extent]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "links": links + [_link("item", f"./{one['id']}/{one['id']}.json") for one in items],
    }


def catalog(name: str, collections: list[str]) -> Json:
    """Return the root of a static catalogue."""
    links = [_link("self", "./catalog.json"), _link("root", "./catalog.json")]
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": name,
        "description": "A made world: its ground, its clouds and its metadata's faults are known",
        "links": links + [_link("child", f"./{one}/collection.json") for one in collections],
    }


def _link(rel: str, href: str) -> Json:
    return {"rel": rel, "href": href, "type": "application/geo+json" if rel == "item" else "application/json"}
