"""What is in a made world: its overpasses, and what their metadata say; the ready worlds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

__all__ = ["WORLDS", "Overpass", "WorldSpec"]


@dataclass(frozen=True)
class Overpass:
    """One Sentinel-2 item: what happened, and what its metadata say.

    Attributes
    ----------
    day : str
        ``2025-06-03``.
    cloud, haze : float
        Shares, 0 to 1.
    season : float
        -1 = winter, 0 = the ground as it is; how green the canopy is.
    swath : float
        Share of the tile's width, at its upper edge, that the sensor did not see; half of it at the lower edge.
    baseline : str
        Processing baseline; from 04.00 on the metadata would have the numbers shifted by 1000.
    offset : int
        What was truly added to the numbers of the files.
    says_applied : bool or None
        ``earthsearch:boa_offset_applied``; None = left out.
    says_offset : float or None
        Offset in ``raster:bands``, in reflectance; None = no ``raster:bands`` scale at all.
    tile : str
        MGRS tile.
    columns : tuple of float
        First and last share of the ground's width that the tile covers.
    epsg : int or None
        Another UTM zone than the ground's.
    missing : tuple of str
        Bands whose asset is absent.
    level : str
        ``L2A`` or ``L1C``.
    processed : int
        How often it was processed anew.
    clock : str
        UTC.
    """

    day: str
    cloud: float = 0.0
    haze: float = 0.0
    season: float = 0.0
    swath: float = 0.0
    baseline: str = "05.11"
    offset: int = 1000
    says_applied: bool | None = None
    says_offset: float | None = None
    tile: str = "33UUU"
    columns: tuple[float, float] = (0.0, 1.0)
    epsg: int | None = None
    missing: tuple[str, ...] = ()
    level: str = "L2A"
    processed: int = 0
    clock: str = "10:15:59"

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T{self.clock}").replace(tzinfo=UTC)


@dataclass(frozen=True)
class WorldSpec:
    """What a world is made of.

    Attributes
    ----------
    passes : tuple of Overpass
        Sentinel-2.
    ground : str
        One of `helpers.stac_ground.GROUNDS`.
    shape : tuple of int
        Rows and columns of the synthetic ground.
    flavour : str
        Whose manner the items follow.
    radar : tuple of str
        Days of Sentinel-1; every second one from the other orbit.
    radar_level : str
        ``RTC`` or ``GRD``.
    worldcover, cloud_probability : bool
        Whether these are there.
    landsat : tuple of str
        Days of Landsat 9.
    block : int
        Side of the blocks in the files.
    seed : int
        Of skies and noise.
    """

    passes: tuple[Overpass, ...]
    ground: str = "synthetic"
    shape: tuple[int, int] = (264, 264)
    flavour: str = "earth-search"
    radar: tuple[str, ...] = ()
    radar_level: str = "RTC"
    worldcover: bool = False
    landsat: tuple[str, ...] = ()
    cloud_probability: bool = False
    block: int = 128
    seed: int = 0


_YEAR = (
    Overpass("2025-01-14", cloud=0.1, season=-1.0),
    Overpass("2025-05-11", cloud=0.15, haze=0.1),
    Overpass("2025-06-03", cloud=0.35),
    Overpass("2025-06-18", cloud=1.0),
    Overpass("2025-07-03", cloud=0.1, swath=0.5),
    Overpass("2025-07-23", cloud=0.25),
    Overpass("2025-08-12", cloud=0.2, haze=0.05),
)
_SMALL = (132, 132)


def _told(passes: Iterable[Overpass], **changes: Any) -> tuple[Overpass, ...]:
    return tuple(replace(one, **changes) for one in passes)


_CLEAR = (Overpass("2025-06-03"), Overpass("2025-07-03"), Overpass("2025-07-23"))
_TRUE_FLAGS = {"offset": 0, "says_applied": True, "says_offset": 0.0}
_WEST, _EAST = {"tile": "33UUU", "columns": (0.0, 0.6)}, {"tile": "33UVU", "columns": (0.4, 1.0)}

WORLDS: dict[str, WorldSpec] = {
    "small": WorldSpec(
        _told(_YEAR, **_TRUE_FLAGS),
        radar=("2025-06-01", "2025-06-07", "2025-07-13", "2025-08-06"),
        worldcover=True,
        landsat=("2025-06-21", "2025-07-15"),
    ),
    # The offset stands in the numbers and nobody says that it was taken away: as ESA delivers it.
    "plain": WorldSpec(_told(_CLEAR, says_applied=False, says_offset=-0.1), shape=_SMALL),
    # The flag says that the offset was taken away; the numbers still hold it.
    "flag_lies_applied": WorldSpec(_told(_CLEAR, offset=1000, says_applied=True, says_offset=0.0), shape=_SMALL),
    # The flag says that the offset is still in the numbers; it is not.
    "flag_lies_not_applied": WorldSpec(_told(_CLEAR, offset=0, says_applied=False, says_offset=-0.1), shape=_SMALL),
    # Two pieces of metadata contradict each other: the flag says taken away, raster:bands says subtract.
    "flags_contradict": WorldSpec(_told(_CLEAR, offset=0, says_applied=True, says_offset=-0.1), shape=_SMALL),
    "border": WorldSpec(
        tuple(replace(one, **_TRUE_FLAGS, **side) for one in (*_YEAR[1:3], _YEAR[5]) for side in (_WEST, _EAST)),
    ),
    "zones": WorldSpec(
        tuple(
            replace(one, **_TRUE_FLAGS, **side)
            for one in (Overpass("2025-06-03", cloud=0.2), Overpass("2025-07-03", cloud=0.2), Overpass("2025-07-23"))
            for side in (_WEST | {"tile": "32UQD", "epsg": 32632}, _EAST)
        ),
        ground="border12",
        shape=(240, 240),
    ),
    # A tile of one day processed in two ways: the older without the offset, the newer with it.
    "baselines": WorldSpec(
        (
            Overpass("2025-06-03", baseline="02.14", offset=0, **_WEST),
            Overpass("2025-06-03", baseline="05.11", offset=1000, says_applied=False, says_offset=-0.1, **_EAST),
            Overpass("2025-07-03", baseline="05.11", offset=1000, says_applied=False, says_offset=-0.1, **_WEST),
            Overpass("2025-07-03", baseline="05.11", offset=1000, says_applied=False, says_offset=-0.1, **_EAST),
        ),
        shape=_SMALL,
    ),
    "missing": WorldSpec(
        (
            Overpass("2025-06-03", missing=("SCL",), **_TRUE_FLAGS),
            Overpass("2025-07-03", missing=("B11",), **_TRUE_FLAGS),
            Overpass("2025-07-23", **_TRUE_FLAGS),
        ),
        shape=_SMALL,
    ),
    "duplicates": WorldSpec(
        (
            Overpass("2025-06-03", baseline="05.09", **_TRUE_FLAGS),
            Overpass("2025-06-03", baseline="05.11", processed=1, **_TRUE_FLAGS),
            Overpass("2025-07-03", **_TRUE_FLAGS),
        ),
        shape=_SMALL,
    ),
    # Two days of each season, with the canopy of it: -1, 0.5, 1 and -0.3.
    "seasons": WorldSpec(
        tuple(
            Overpass(day, cloud=0.1, season=season, **_TRUE_FLAGS)
            for season, days in {
                -1.0: ("2025-01-14", "2025-02-08"),
                0.5: ("2025-04-02", "2025-05-11"),
                1.0: ("2025-06-30", "2025-07-23"),
                -0.3: ("2025-09-21", "2025-10-31"),
            }.items()
            for day in days
        ),
        shape=_SMALL,
    ),
    # Clouds on every day: the whole ground on two, nearly all on the third.
    "hidden": WorldSpec(
        (
            Overpass("2025-06-03", cloud=1.0, **_TRUE_FLAGS),
            Overpass("2025-07-03", cloud=1.0, **_TRUE_FLAGS),
            Overpass("2025-07-23", cloud=0.7, **_TRUE_FLAGS),
        ),
        shape=_SMALL,
        cloud_probability=True,
    ),
    "l1c": WorldSpec(
        (Overpass("2025-06-03", level="L1C", missing=("SCL", "AOT")), Overpass("2025-07-03", **_TRUE_FLAGS)),
        shape=_SMALL,
    ),
}
"""Ready worlds; `dataclasses.replace` gives them another ground or flavour."""
