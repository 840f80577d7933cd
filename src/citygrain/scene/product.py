"""A product as it was delivered: what its metadata say of its bands, and which of its files a scene is made of.

Sentinel-2 SAFE, Landsat Collection 2, HLS and folders of single bands differ in names and in metadata, and in nothing
else: each has a reader that answers with a `Product`, and from there on there is one way.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from citygrain.errors import InputError
from citygrain.scene.archive import Archive
from citygrain.scene.layers import Layer
from citygrain.scene.radiometry import Claim
from citygrain.scene.rasters import band_layer
from citygrain.sensors import Sensor

__all__ = ["Product", "ProductBand", "product_layers"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProductBand:
    """A band of a product, in one of its resolutions.

    Attributes
    ----------
    name : str
        The sensor's name for it, or that of a mask: ``"B04"``, ``"SCL"``, ``"QA_PIXEL"``.
    file : str
        Its file within the product.
    resolution : float
        Side of its pixels in metres; 0 where only the file tells.
    scale, offset : float or None
        ``value = number / scale + offset``, by the metadata; None where only the file's tags tell.
    nodata : float or None
        The number that means no data; None where only the file tells.
    saturated : float or None
        The number of pixels too bright to be measured.
    codes : bool
        Whether its numbers are codes, such as cloud and water.
    """

    name: str
    file: str
    resolution: float
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    saturated: float | None = None
    codes: bool = False


@dataclass(frozen=True)
class Product:
    """A product.

    Attributes
    ----------
    kind : str
        In words: ``"Sentinel-2 L2A"``.
    archive : Archive
        Its files.
    sensor : Sensor or None
        Whose bands they are; None where nothing tells.
    bands : tuple of ProductBand
        All that can be read, a band once for each of its resolutions.
    usual : tuple of str
        The bands that are read when none is asked for.
    level : str
        ``"L1C"``, ``"L2A"``, ``"TOA"``, ``"SR"``; empty where nothing tells.
    baseline : str or None
        Processing baseline, ``"05.09"``.
    time : str
        When it was sensed, ``"2021-05-27T11:33:21Z"``; empty where nothing tells.
    tile : str
        MGRS tile, or path and row.
    claims : tuple of Claim
        What the metadata say of the offset, where it is in doubt; the decisive first.
    evidence : str
        Where scale and offset come from, in words.
    missing : tuple of str
        Bands that its metadata list, that would be read, and whose files are not there.
    absent : tuple of (str, float)
        Bands and resolutions that its metadata list and whose files are not there, in whatever others they are.
    """

    kind: str
    archive: Archive
    sensor: Sensor | None
    bands: tuple[ProductBand, ...]
    usual: tuple[str, ...]
    level: str = ""
    baseline: str | None = None
    time: str = ""
    tile: str = ""
    claims: tuple[Claim, ...] = field(default=())
    evidence: str = ""
    missing: tuple[str, ...] = ()
    absent: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """Name of its folder or file."""
        return self.archive.path.name

    def attributes(self) -> dict[str, str]:
        """Return what a scene keeps of it."""
        found = {
            "product": self.kind,
            "level": self.level,
            "baseline": self.baseline or "",
            "time": self.time,
            "tile": self.tile,
            "evidence": self.evidence,
        }
        return {key: value for key, value in found.items() if value}


def product_layers(
    product: Product, sensor: Sensor, bands: Sequence[str] | None, resolution: float | None
) -> list[Layer]:
    """Return the layers of the bands asked for, each from the file that is nearest to the resolution.

    That is the file of that resolution; else the next finer one, of which the mean is taken; else the next coarser one.

    Parameters
    ----------
    product : Product
        What there is.
    sensor : Sensor
        Whose names the bands are asked by.
    bands : sequence of str or None
        In this order; None for the usual ones.
    resolution : float or None
        In metres; None for the finest among the bands.

    Raises
    ------
    InputError
        If a band is not there, or its file cannot be used.
    """
    names = _wanted(product, sensor, bands)
    if bands is None:
        left = sorted({band.name for band in product.bands} - set(names))
        if left:
            logger.info("%s: %s are there too and are read by name", product.name, ", ".join(left))
    files = {name: [band for band in product.bands if band.name == name] for name in names}
    sides = {name: {band.resolution for band in files[name]} | _absent(product, name) for name in names}
    finest = min(side for each in sides.values() for side in each)
    return [_layer(product, _chosen(product, files[name], sides[name], resolution or finest)) for name in names]


def _absent(product: Product, name: str) -> set[float]:
    return {side for band, side in product.absent if band == name}


def _chosen(product: Product, there: Sequence[ProductBand], listed: set[float], resolution: float) -> ProductBand:
    """Return the nearest file of a band; refuse where a nearer one is listed and lost."""
    side = _nearest(listed, resolution)
    if band := next((band for band in there if band.resolution == side), None):
        return band
    coarser = ", ".join(f"{band.resolution:g}" for band in there)
    raise InputError(
        f"{product.name} is without {there[0].name} at {side:g} m, which its metadata list",
        wanted="a whole product",
        mend=f"download it again, or read what is there by resolution = {coarser}",
    )


def _wanted(product: Product, sensor: Sensor, bands: Sequence[str] | None) -> list[str]:
    if bands is None:
        if product.missing:
            raise InputError(
                f"{product.name} is without {', '.join(product.missing)}, which its metadata list",
                wanted="a whole product",
                mend=f"download it again, or read what is there by bands = {list(product.usual)}",
            )
        return list(product.usual)
    there = list(dict.fromkeys(band.name for band in product.bands))
    spelt = {name.lower(): name for name in there}
    found = [band.name if (band := sensor.find(name)) else spelt.get(name.strip().lower(), name) for name in bands]
    missing = [name for name, known in zip(bands, found, strict=True) if known not in there]
    if missing or not found:
        came = f"band {', '.join(missing) or '(none asked for)'} is not in {product.name} ({product.kind})"
        raise InputError(came, wanted=f"from {', '.join(there)}")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"band {', '.join(twice)} is asked for twice", wanted="each band once")
    return found


def _nearest(sides: set[float], resolution: float) -> float:
    return max((side for side in sides if side <= resolution), default=min(sides))


def _layer(product: Product, band: ProductBand) -> Layer:
    found = band_layer(*product.archive.locate(band.file))
    return replace(
        found,
        name=band.name,
        scale=found.scale if band.scale is None else band.scale,
        offset=found.offset if band.offset is None else band.offset,
        nodata=found.nodata if band.nodata is None else band.nodata,
        saturated=band.saturated,
        never_zero=band.nodata == 0 and bool(band.offset),
        codes=band.codes,
    )
