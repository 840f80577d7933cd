"""One image of a catalogue, in our words.

Catalogues name the same bands differently and say the same things in different fields. An `Observation` says them once,
so that what comes after the search knows nothing of catalogues.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pystac

__all__ = ["Observation"]


@dataclass(frozen=True)
class Observation:
    """One STAC item, as we understand it.

    Attributes
    ----------
    item : pystac.Item
        As the catalogue gave it; assets are signed only when they are read.
    product : str
        ``"sentinel-2"``, ``"sentinel-1"``, ``"landsat"``, ``"hls"``, ``"worldcover"``, ...
    assets : mapping of str to str
        Our name of a band (``"B04"``, ``"SCL"``, ``"CLD"``, ``"VV"``) and the asset's key in the item.
    time : datetime
        When it was taken, with UTC as its zone.
    cloud : float or None
        Cloudy share in percent, as the catalogue says.
    level : str
        ``"L1C"``, ``"L2A"``, ``"GRD"``, ``"RTC"``, ``"SR"``; empty where the product has none.
    baseline : str or None
        Sentinel-2 processing baseline, ``"05.09"``.
    tile : str or None
        MGRS tile, ``"33UUU"``; for radar and Landsat the orbit or path and row.
    """

    item: pystac.Item
    product: str
    assets: Mapping[str, str]
    time: datetime
    cloud: float | None
    level: str
    baseline: str | None
    tile: str | None

    @property
    def id(self) -> str:
        """Identifier of the item within its collection."""
        return str(self.item.id)
