"""What a fetch is asked for, and which images answer it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from citygrain.errors import InputError
from citygrain.imagery.area import Area, as_geojson, grid_for
from citygrain.imagery.catalogues import Catalogue, Collection, catalogue_named
from citygrain.imagery.image_set import ImageSet, bands_at_hand
from citygrain.imagery.lock import Lock, locked_only
from citygrain.imagery.observation import Observation
from citygrain.imagery.query import Query, parse_dates
from citygrain.imagery.searching import newest_only, resolve_collection, search
from citygrain.imagery.signing import signer_for
from citygrain.imagery.transport import Transport
from citygrain.sensors import SENTINEL2, SO2SAT_SENTINEL2

__all__ = ["PRODUCTS", "FetchRequest", "Gathered", "gather"]

log = logging.getLogger(__name__)

PRODUCTS = ("sentinel-2", "sentinel-1", "worldcover")
METHODS = ("median", "medoid", "best")
RADAR = ("mean", "median")
SPECKLE = ("none", "boxcar", "lee", "refined-lee")
_MASKS = ("SCL", "CLD")


@dataclass(frozen=True)
class FetchRequest:
    """What the user asks for.

    Attributes
    ----------
    area : Area
        Where.
    first, last : str
        Days, both included: ``"2025-05-01"``.
    products : tuple of str
        Some of `PRODUCTS`.
    catalogue : str
        Name, address or path.
    catalogues, collections : mapping of str to str
        Others for single products: ``{"worldcover": "planetary-computer"}``.
    assets : mapping of str to str
        Our band names and keys of assets, where a catalogue leaves it open.
    level : str
        ``"L2A"`` or ``"L1C"``, of Sentinel-2.
    bands : tuple of str
        Sentinel-2 bands.
    resolution : int
        Metres, 10 or 20.
    crs : str, optional
        Instead of the UTM zone of the area.
    method : str
        ``"median"``, ``"medoid"`` or ``"best"``.
    seasons : bool
        One composite for each season instead of one for all days.
    cloud_max : float
        Percent; cloudier images are not read.
    dilation : float
        Metres by which clouds and shadows are grown.
    radar : str
        ``"mean"`` or ``"median"`` of the radar's power over the days.
    speckle : str
        Filter of each radar image before: ``"none"``, ``"boxcar"``, ``"lee"`` or ``"refined-lee"``.
    offset : float, optional
        Digital numbers to add, instead of what metadata and data say: 0 or -1000.
    """

    area: Area
    first: str
    last: str
    products: tuple[str, ...] = PRODUCTS
    catalogue: str = "planetary-computer"
    catalogues: Mapping[str, str] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, str] = field(default_factory=dict)
    level: str = "L2A"
    bands: tuple[str, ...] = SO2SAT_SENTINEL2
    resolution: int = 10
    crs: str | None = None
    method: str = "median"
    seasons: bool = False
    cloud_max: float = 60.0
    dilation: float = 100.0
    radar: str = "mean"
    speckle: str = "none"
    offset: float | None = None

    def __post_init__(self) -> None:
        parse_dates(self.first, self.last)
        strange = [name for name in self.products if name not in PRODUCTS]
        if strange or "sentinel-2" not in self.products or len(set(self.products)) < len(self.products):
            raise InputError(
                f"products {', '.join(self.products) or 'none'}",
                wanted=f"sentinel-2 and any of {', '.join(PRODUCTS[1:])}, each once",
            )
        if self.method not in METHODS:
            raise InputError(f"method {self.method}", wanted=f"one of {', '.join(METHODS)}")
        if self.radar not in RADAR:
            raise InputError(f"radar {self.radar}", wanted=f"one of {', '.join(RADAR)}")
        if self.speckle not in SPECKLE:
            raise InputError(f"speckle {self.speckle}", wanted=f"one of {', '.join(SPECKLE)}")
        if not 0 <= self.cloud_max <= 100:
            raise InputError(f"clouds up to {self.cloud_max:g} %", wanted="0 to 100")
        if not 0 <= self.dilation <= 1000:
            raise InputError(f"clouds grown by {self.dilation:g} m", wanted="0 to 1000")
        if self.offset not in (None, 0, -1000):
            raise InputError(f"offset {self.offset:g}", wanted="0 or -1000")
        unknown = [band for band in self.bands if band not in {each.name for each in SENTINEL2.bands}]
        if unknown or not self.bands or len(set(self.bands)) < len(self.bands):
            names = ", ".join(band.name for band in SENTINEL2.bands)
            raise InputError(f"bands {', '.join(self.bands) or 'none'}", wanted=f"each once, of {names}")

    def to_json(self) -> dict[str, Any]:
        """Return what was asked as JSON: it decides whether an earlier fetch is the same one."""
        return {
            "area": as_geojson(self.area),
            "from": self.first,
            "to": self.last,
            "products": sorted(self.products),
            "catalogue": self.catalogue,
            "catalogues": dict(sorted(self.catalogues.items())),
            "collections": dict(sorted(self.collections.items())),
            "assets": dict(sorted(self.assets.items())),
            "level": self.level,
            "bands": list(self.bands),
            "resolution": self.resolution,
            "crs": self.crs,
            "method": self.method,
            "seasons": self.seasons,
            "cloud_max": self.cloud_max,
            "dilation": self.dilation,
            "radar": self.radar,
            "speckle": self.speckle,
            "offset": self.offset,
        }


@dataclass(frozen=True)
class Gathered:
    """The images that answer a request.

    Attributes
    ----------
    sets : tuple of ImageSet
        One for each product.
    left_out : tuple of str
        Lines about images that are not used.
    new, gone : tuple of str
        With a lock: images that it does not name, and those that it names and nobody has.
    """

    sets: tuple[ImageSet, ...]
    left_out: tuple[str, ...]
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def gather(
    request: FetchRequest, transport: Transport, *, lock: Lock | None = None, secrets: Mapping[str, str] | None = None
) -> Gathered:
    """Search the catalogues for all products.

    Parameters
    ----------
    request : FetchRequest
        What is asked for.
    transport : Transport
        Asks.
    lock : Lock, optional
        Of an earlier fetch: its images are taken and no others.
    secrets : mapping of str to str, optional
        By the names of environment variables.

    Raises
    ------
    InputError
        If a catalogue has no image of a product.
    """
    grid_for(request.area, resolution=request.resolution, crs=request.crs)  # a wrong one is refused before the search
    sets: list[ImageSet] = []
    left_out: list[str] = []
    new: list[str] = []
    gone: list[str] = []
    where = [(product, *_where(request, product, transport)) for product in request.products]
    for product, catalogue, collection in where:
        everything = search(catalogue, collection, _query(request, product), transport)
        if lock is not None:
            everything, added, lost = locked_only(lock, catalogue.name, product, everything)
            new += added
            gone += lost
        kept, bands, said = _choose(request, product, everything, catalogue.name)
        left_out += said
        signer = signer_for(catalogue, collection.id, transport, secrets)
        found = ImageSet(product, catalogue, collection, tuple(kept), tuple(bands), signer)
        sets.append(found)
        log.info(
            "%s: %d images of %s from %s", found.product, len(found.observations), found.collection.id, catalogue.name
        )
    return Gathered(tuple(sets), tuple(left_out), tuple(new), tuple(gone))


def _where(request: FetchRequest, product: str, transport: Transport) -> tuple[Catalogue, Collection]:
    """Return catalogue and collection of a product."""
    catalogue = catalogue_named(request.catalogues.get(product, request.catalogue))
    level = request.level if product == "sentinel-2" else None
    called = request.collections.get(product)
    return catalogue, resolve_collection(catalogue, product, transport, level=level, called=called)


def _choose(
    request: FetchRequest, product: str, found: Sequence[Observation], catalogue: str
) -> tuple[list[Observation], list[str], list[str]]:
    """Return the images that are read, their bands, and lines about the others."""
    kept, said = newest_only(found)
    bands = _bands(request, product, kept)
    kept, lacking = bands_at_hand(kept, bands)
    kept = _newest_map(kept) if product == "worldcover" else kept
    if not kept:
        raise InputError(
            f"{catalogue} has no {product} of {_what(request, product)}", mend=_advice(product, found, lacking)
        )
    return kept, bands, said + lacking


def _query(request: FetchRequest, product: str) -> Query:
    assets = {band: key for band, key in request.assets.items() if (band in ("VV", "VH")) == (product == "sentinel-1")}
    if product == "worldcover":  # a map of a year is of use in any other
        return Query(request.area, assets={k: v for k, v in request.assets.items() if k == "MAP"})
    start, end = parse_dates(request.first, request.last)
    cloud = request.cloud_max if product == "sentinel-2" else 100.0
    return Query(request.area, start, end, cloud, {k: v for k, v in assets.items() if k != "MAP"})


def _bands(request: FetchRequest, product: str, found: Sequence[Observation]) -> list[str]:
    """Return the bands that are read: of the masks those that all images have."""
    if product == "worldcover":
        return ["MAP"]
    if product == "sentinel-1":
        return ["VV", "VH"]
    masks = [mask for mask in _MASKS if found and all(mask in each.assets for each in found)]
    if "SCL" not in masks and any("SCL" in each.assets for each in found):
        masks.insert(0, "SCL")  # images without it are left out
    return [*request.bands, *masks]


def _newest_map(observations: Sequence[Observation]) -> list[Observation]:
    """Keep the tiles of the latest year."""
    latest = max((each.time.year for each in observations), default=0)
    return [each for each in observations if each.time.year == latest]


def _what(request: FetchRequest, product: str) -> str:
    west, south, east, north = request.area.bbox
    days = "" if product == "worldcover" else f" from {request.first} to {request.last}"
    clouds = f" with clouds up to {request.cloud_max:g} %" if product == "sentinel-2" else ""
    return f"{west:g},{south:g},{east:g},{north:g}{days}{clouds}"


def _advice(product: str, found: Sequence[Observation], lacking: Sequence[str]) -> str:
    if lacking:
        return f"{len(lacking)} were found and left out: {lacking[0]}"
    if product == "sentinel-2" and not found:
        return "choose more days or a higher --cloud-max"
    return "leave it out by --products, or choose another catalogue or more days"
