"""Worlds with known truth as STAC catalogues of Cloud-Optimised GeoTIFFs, written to a folder.

A ground is seen on several days through clouds that we drew; the items tell of it as public catalogues do, and in some
worlds they tell it wrongly. `World` keeps what no catalogue knows: the ground, and where each day is clear.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from rasterio.warp import Resampling, reproject

from helpers.stac_ground import BANDS, Ground, Weather, backscatter, ground_named, weather
from helpers.stac_items import Asset, Facts, catalog, collection, collection_name, item, item_id

__all__ = ["WORLDS", "Overpass", "World", "WorldSpec", "write_world"]

Floats = npt.NDArray[np.float32]

_PATH = np.array([.09, .08, .05, .035, .03, .025, .02, .018, .015, .012, .006, .003], np.float32)  # fmt: skip
"""Reflectance of haze by band."""
_CLOUD = np.array([.62, .60, .60, .61, .62, .63, .63, .64, .64, .40, .45, .35], np.float32)  # fmt: skip
_SHADE = np.array([.45, .48, .55, .60, .62, .66, .67, .68, .69, .69, .72, .74], np.float32)  # fmt: skip
"""Share of the reflectance that a full shadow takes; the blue sky still lights the ground."""
_LEAF = np.array([0, 0, -.05, -.25, 0, .15, .25, .25, .25, .25, -.1, -.15], np.float32)  # fmt: skip
"""What full summer does to a green canopy, relative."""
_METRES = (
    dict.fromkeys(BANDS, 10) | dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20) | {"B01": 60, "B09": 60}
)


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

    @property
    def sky(self) -> str:
        """Items of one day see the same sky."""
        return self.day


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


@dataclass(frozen=True)
class World:
    """A written world and its truth.

    Attributes
    ----------
    folder : Path
        Where ``catalog.json`` lies.
    spec : WorldSpec
        What it was made of.
    ground : Ground
        Without clouds.
    skies : dict
        Weather by item id, on the ground's grid.
    seen : dict
        By item id, where on the ground's grid the item has data.
    overpasses : dict
        By item id.
    """

    folder: Path
    spec: WorldSpec
    ground: Ground
    skies: dict[str, Weather] = field(default_factory=dict)
    seen: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    overpasses: dict[str, Overpass] = field(default_factory=dict)

    @property
    def truth(self) -> xr.DataArray:
        """Reflectance (band, y, x) without clouds, haze, season and noise."""
        coords = {"band": list(BANDS), **xr_coords(self.ground.geobox)}
        return xr.DataArray(self.ground.bands, dims=("band", "y", "x"), coords=coords, name="reflectance")

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the ground."""
        box = self.ground.geobox.extent.to_crs("EPSG:4326").boundingbox
        return (box.left, box.bottom, box.right, box.top)

    def clear(self, item_id: str) -> npt.NDArray[np.bool_]:
        """Where an item has data and neither cloud nor shadow, (y, x) on the ground's grid."""
        return self.skies[item_id].clear & self.seen[item_id]

    def items(self) -> list[dict[str, Any]]:
        """All items, as they are written."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.folder.glob("*/*/*.json"))]


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
    "l1c": WorldSpec(
        (Overpass("2025-06-03", level="L1C", missing=("SCL", "AOT")), Overpass("2025-07-03", **_TRUE_FLAGS)),
        shape=_SMALL,
    ),
}
"""Ready worlds; `dataclasses.replace` gives them another ground or flavour."""


def write_world(folder: Path, spec: WorldSpec | str) -> World:
    """Write a world's catalogue and files.

    Parameters
    ----------
    folder : Path
        Made if need be.
    spec : WorldSpec or str
        What is in it, or the name of one of `WORLDS`.

    Raises
    ------
    FileNotFoundError
        If the ground's scene is not among the data at hand.
    """
    plan = WORLDS[spec] if isinstance(spec, str) else spec
    ground = ground_named(plan.ground, plan.shape)
    world = World(folder, plan, ground)
    written = [_sentinel2(world, one) for one in plan.passes]
    written += [_radar(world, day, number) for number, day in enumerate(plan.radar)]
    written += [_worldcover(world)] if plan.worldcover else []
    written += [_landsat(world, Overpass(day, cloud=0.2, tile="193023")) for day in plan.landsat]
    by_collection: dict[str, list[dict[str, Any]]] = {}
    for one in written:
        by_collection.setdefault(one["collection"], []).append(one)
    for name, items in by_collection.items():
        _write_json(folder / name / "collection.json", collection(name, items, plan.flavour))
    _write_json(folder / "catalog.json", catalog(plan.flavour, list(by_collection)))
    return world


def _sentinel2(world: World, one: Overpass) -> dict[str, Any]:
    """Write one item and what it consists of."""
    spec, ground = world.spec, world.ground
    sky = weather(ground.geobox.shape, cloud=one.cloud, haze=one.haze, seed=_seed(spec.seed, one.sky))
    scene, grid = _tile(_seen_from_above(ground, sky, one), one, ground.geobox)
    layers = _layers(world, one, scene, sky, grid)
    facts = _facts(one, grid, layers, sky, spec.flavour)
    name = item_id(facts, spec.flavour)
    world.skies[name], world.overpasses[name] = sky, one
    world.seen[name] = _covered(np.isfinite(scene[1]), grid, ground.geobox)
    return _write_item(world, facts, layers)


def _seen_from_above(ground: Ground, sky: Weather, one: Overpass) -> Floats:
    """Reflectance (band, y, x) of a day on the ground's grid; NaN beyond the swath."""
    red, nir = ground.bands[3], ground.bands[7]
    leaf = np.clip(((nir - red) / (nir + red) - 0.2) / 0.5, 0, 1) * np.float32(one.season)
    bands = ground.bands * (1 + _LEAF[:, None, None] * leaf)
    bands = bands * (1 - 0.3 * sky.haze) + _PATH[:, None, None] * sky.haze
    bands = bands * (1 - _SHADE[:, None, None] * sky.shadow)
    bands = bands * (1 - sky.cloud) + _CLOUD[:, None, None] * sky.cloud
    height, width = bands.shape[1:]
    edge = one.swath * width * (1 - 0.5 * np.arange(height) / height)
    bands[:, np.arange(width) < edge[:, None]] = np.nan
    return np.asarray(bands, np.float32)


def _tile(scene: Floats, one: Overpass, grid: GeoBox) -> tuple[Floats, GeoBox]:
    """Cut the columns that the tile covers, on its own grid."""
    first, last = (round(share * grid.shape[1] / 12) * 12 for share in one.columns)
    cut, own = scene[:, :, first:last], grid[:, first:last]
    if one.epsg is None:
        return cut, own
    target = _aligned(own.to_crs(f"EPSG:{one.epsg}", resolution=10))
    return _warped(cut, own, target, Resampling.cubic), target


def _aligned(grid: GeoBox) -> GeoBox:
    """A grid of whole cells of 60 m around another."""
    box = grid.boundingbox
    left, top = box.left // 60 * 60, -(-box.top // 60) * 60
    shape = (-(-int(top - box.bottom) // 120) * 12, -(-int(box.right - left) // 120) * 12)
    return GeoBox(shape, Affine(10, 0, left, 0, -10, top), grid.crs)


def _warped(values: npt.NDArray[Any], source: GeoBox, target: GeoBox, how: Resampling) -> npt.NDArray[Any]:
    empty = np.nan if values.dtype.kind == "f" else 0
    out = np.full((*values.shape[:-2], *target.shape), empty, values.dtype)
    reproject(
        values, out, src_transform=source.affine, src_crs=f"EPSG:{source.crs.epsg}", src_nodata=empty,
        dst_transform=target.affine, dst_crs=f"EPSG:{target.crs.epsg}", dst_nodata=empty, resampling=how,
    )  # fmt: skip
    return out


def _covered(valid: npt.NDArray[np.bool_], grid: GeoBox, whole: GeoBox) -> npt.NDArray[np.bool_]:
    return _warped(valid.astype(np.uint8), grid, whole, Resampling.nearest).astype(bool)


Layer = tuple[npt.NDArray[Any], GeoBox, float | None, float | None, float]
"""Values, grid, scale and offset that the item tells (or None), and the number that means no data."""


def _layers(world: World, one: Overpass, scene: Floats, sky: Weather, grid: GeoBox) -> dict[str, Layer]:
    ground = world.ground
    rng = np.random.default_rng(_seed(world.spec.seed, one.day, one.tile, one.processed))
    told = (None, None) if one.says_offset is None else (0.0001, one.says_offset)
    layers: dict[str, Layer] = {}
    for band, values in zip(BANDS, scene, strict=True):
        coarse = _coarser(values, _METRES[band] // 10)
        noise = rng.standard_normal(coarse.shape, np.float32) * (0.0004 + 0.003 * coarse)
        numbers = np.rint((coarse + noise) * 10_000 + one.offset)
        kept = np.where(np.isfinite(coarse), np.clip(numbers, 1, 65_535), 0).astype(np.uint16)
        layers[band] = (kept, _grid_of(grid, _METRES[band]), *told, 0)
    flat = Weather(*(_tile(layer[None], one, ground.geobox)[0][0] for layer in (sky.cloud, sky.shadow, sky.haze)))
    cover = _covered_by(ground, one, grid)
    half = _grid_of(grid, 20)
    layers["SCL"] = (_classes(flat, cover, np.isfinite(scene[1])), half, None, None, 0)
    layers["AOT"] = (_filled((0.1 + flat.haze) * 1000, np.uint16), half, 0.001, 0.0, 0)
    if world.spec.cloud_probability:
        layers["CLD"] = (_filled(flat.cloud * 100, np.uint8), half, None, None, 0)
    return {band: layer for band, layer in layers.items() if band not in one.missing}


def _covered_by(ground: Ground, one: Overpass, grid: GeoBox) -> npt.NDArray[np.uint8]:
    return np.asarray(_warped(ground.cover, ground.geobox, grid, Resampling.nearest), np.uint8)


def _filled(values: Floats, dtype: type) -> npt.NDArray[Any]:
    return np.nan_to_num(np.rint(_coarser(values, 2))).astype(dtype)


def _coarser(values: Floats, step: int) -> Floats:
    height, width = values.shape
    cells = values.reshape(height // step, step, width // step, step)
    return np.asarray(cells.mean((1, 3)), np.float32)


def _grid_of(grid: GeoBox, metres: int) -> GeoBox:
    return grid if metres == 10 else grid.zoom_out(metres / 10)


def _classes(sky: Weather, cover: npt.NDArray[np.uint8], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Scene classification of 20 m: like the real one it overlooks the thin edges of clouds and shadows."""
    cloud, shadow, whole = (_coarser(values.astype(np.float32), 2) for values in (sky.cloud, sky.shadow, seen))
    cover = cover[::2, ::2]
    ground = np.select([cover == 80, cover == 10, cover == 40], [6, 4, 4], 5)
    kinds = [whole < 1, cloud > 0.7, cloud > 0.35, cloud > 0.2, shadow > 0.4]
    return np.select(kinds, [0, 9, 8, 10, 3], ground).astype(np.uint8)


def _facts(one: Overpass, grid: GeoBox, layers: dict[str, Layer], sky: Weather, flavour: str) -> Facts:
    said = (
        {}
        if one.says_applied is None or flavour != "earth-search"
        else {"earthsearch:boa_offset_applied": one.says_applied}
    )
    cloud = round(100 * float((sky.cloud > 0.2).mean()), 2)
    return Facts("sentinel-2", one.level, one.time, one.tile, grid, cloud, one.baseline, one.processed, properties=said)


def _radar(world: World, day: str, number: int) -> dict[str, Any]:
    """Sentinel-1 with the speckle of 4.4 looks."""
    rng = np.random.default_rng(_seed(world.spec.seed, "radar", day))
    power = backscatter(world.ground)
    looks = 4.4
    seen = power * rng.gamma(looks, 1 / looks, power.shape).astype(np.float32)
    grid = world.ground.geobox
    time = datetime.fromisoformat(f"{day}T{'05:16:40' if number % 2 else '16:51:10'}").replace(tzinfo=UTC)
    orbit = ("descending", "95") if number % 2 else ("ascending", "44")
    facts = Facts("sentinel-1", world.spec.radar_level, time, orbit[1], grid, orbit_state=orbit[0])
    return _write_item(world, facts, {name: (seen[i], grid, None, None, -32768) for i, name in enumerate(("VV", "VH"))})


def _worldcover(world: World) -> dict[str, Any]:
    """The cover in geographic coordinates, as ESA has it."""
    ground = world.ground
    step = 1 / 12_000
    west, south, east, north = (round(edge / step) * step for edge in world.bbox)
    shape = (round((north - south) / step), round((east - west) / step))
    grid = GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")
    codes = _warped(ground.cover, ground.geobox, grid, Resampling.nearest)
    facts = Facts("worldcover", "map", datetime(2021, 1, 1, tzinfo=UTC), "N51E012", grid)
    return _write_item(world, facts, {"map": (codes, grid, None, None, 0)})


def _landsat(world: World, one: Overpass) -> dict[str, Any]:
    """Surface reflectance of 30 m as Collection 2 scales it, with its quality bits."""
    ground, grid = world.ground, world.ground.geobox.zoom_out(3)
    sky = weather(ground.geobox.shape, cloud=one.cloud, haze=0, seed=_seed(world.spec.seed, one.sky))
    scene = _seen_from_above(ground, sky, one)
    layers: dict[str, Layer] = {}
    for number, band in enumerate(("B01", "B02", "B03", "B04", "B8A", "B11", "B12"), start=1):
        numbers = np.rint((_coarser(scene[BANDS.index(band)], 3) + 0.2) / 0.0000275)
        layers[f"B{number}"] = (np.clip(numbers, 1, 65_535).astype(np.uint16), grid, 0.0000275, -0.2, 0)
    cloud, shadow = (_coarser(layer, 3) for layer in (sky.cloud, sky.shadow))
    water = ground.cover[1::3, 1::3] == 80
    bits = np.select([cloud > 0.3, shadow > 0.3], [1 << 3, 1 << 4], 1 << 6) | (water << 7)
    layers["QA_PIXEL"] = (bits.astype(np.uint16), grid, None, None, 1)
    facts = Facts("landsat", "SR", one.time, one.tile, grid, round(100 * float((sky.cloud > 0.2).mean()), 2))
    described = _write_item(world, facts, layers)
    world.skies[described["id"]], world.overpasses[described["id"]] = sky, one
    world.seen[described["id"]] = np.ones(ground.geobox.shape, bool)
    return described


def _write_item(world: World, facts: Facts, layers: dict[str, Layer]) -> dict[str, Any]:
    flavour = world.spec.flavour
    name = item_id(facts, flavour)
    folder = world.folder / collection_name(facts, flavour) / name
    folder.mkdir(parents=True, exist_ok=True)
    assets = []
    for band, (values, grid, scale, offset, nodata) in layers.items():
        image = _cog(values, grid, nodata, world.spec.block)
        (folder / f"{band}.tif").write_bytes(image)
        checksum = "1220" + hashlib.sha256(image).hexdigest()
        assets.append(Asset(band, f"{band}.tif", grid, values.dtype.name, nodata, scale, offset, len(image), checksum))
    described = item(facts, assets, flavour)
    _write_json(folder / f"{name}.json", described)
    return described


def _cog(values: npt.NDArray[Any], grid: GeoBox, nodata: float, block: int) -> bytes:
    height, width = values.shape
    profile = {
        "driver": "COG", "count": 1, "height": height, "width": width, "dtype": values.dtype.name, "nodata": nodata,
        "crs": f"EPSG:{grid.crs.epsg}", "transform": grid.affine, "compress": "DEFLATE", "predictor": "YES",
        "blocksize": block,
    }  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(values, 1)
        return bytes(memory.getbuffer())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _seed(*words: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:4], "little")
