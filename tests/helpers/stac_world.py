"""Worlds with known truth as STAC catalogues of Cloud-Optimised GeoTIFFs, written to a folder.

A ground is seen on several days through clouds that we drew; the items tell of it as public catalogues do, and in some
worlds they tell it wrongly. `World` keeps what no catalogue knows: the ground, and where each day is clear.
"""

import functools
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from helpers.stac_ground import BANDS, Ground, Weather, ground_named, weather
from helpers.stac_items import Asset, Facts, catalog, collection, collection_name, item, item_id
from helpers.stac_plans import WORLDS, Overpass, WorldSpec
from helpers.stac_scenes import (
    Layer,
    in_season,
    landcover_layer,
    landsat_layers,
    radar_layers,
    seed_of,
    sentinel2_layers,
)

__all__ = ["WORLDS", "Overpass", "World", "WorldSpec", "write_world"]


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
        return self.truth_in(0)

    def truth_in(self, season: float) -> xr.DataArray:
        """The same with the canopy of a season, as an `Overpass` has it."""
        coords = {"band": list(BANDS), **xr_coords(self.ground.geobox)}
        return xr.DataArray(in_season(self.ground, season), dims=("band", "y", "x"), coords=coords, name="reflectance")

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
    sky = _sky(world, one)
    layers, grid, seen = sentinel2_layers(world.spec, world.ground, sky, one)
    told = world.spec.flavour == "earth-search" and one.says_applied is not None
    said = {"earthsearch:boa_offset_applied": one.says_applied} if told else {}
    cloud = _percent(sky)
    facts = Facts(
        "sentinel-2", one.level, one.time, one.tile, grid, cloud, one.baseline, one.processed, properties=said
    )
    return _known(world, _write_item(world, facts, layers), one, sky, seen)


def _landsat(world: World, one: Overpass) -> dict[str, Any]:
    sky, grid = _sky(world, one), world.ground.geobox
    layers = landsat_layers(world.ground, sky, one)
    facts = Facts("landsat", "SR", one.time, one.tile, grid.zoom_out(3), _percent(sky))
    return _known(world, _write_item(world, facts, layers), one, sky, np.ones(grid.shape, bool))


def _sky(world: World, one: Overpass) -> Weather:
    """All items of one day have the same."""
    seed = seed_of(world.spec.seed, one.day)
    return weather(world.ground.geobox.shape, cloud=one.cloud, haze=one.haze, seed=seed)


def _percent(sky: Weather) -> float:
    return round(100 * float((sky.cloud > 0.2).mean()), 2)


def _known(
    world: World, described: dict[str, Any], one: Overpass, sky: Weather, seen: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Keep the truth of an item."""
    name = described["id"]
    world.skies[name], world.overpasses[name], world.seen[name] = sky, one, seen
    return described


def _radar(world: World, day: str, number: int) -> dict[str, Any]:
    """In turn from the ascending and the descending orbit."""
    time = datetime.fromisoformat(f"{day}T{'05:16:40' if number % 2 else '16:51:10'}").replace(tzinfo=UTC)
    state, orbit = ("descending", "95") if number % 2 else ("ascending", "44")
    facts = Facts("sentinel-1", world.spec.radar_level, time, orbit, world.ground.geobox, orbit_state=state)
    return _write_item(world, facts, radar_layers(world.spec, world.ground, day))


def _worldcover(world: World) -> dict[str, Any]:
    layers = landcover_layer(world.ground, world.bbox)
    facts = Facts("worldcover", "map", datetime(2021, 1, 1, tzinfo=UTC), "N51E012", layers["map"][1])
    return _write_item(world, facts, layers)


def _write_item(world: World, facts: Facts, layers: dict[str, Layer]) -> dict[str, Any]:
    flavour = world.spec.flavour
    name = item_id(facts, flavour)
    folder = world.folder / collection_name(facts, flavour) / name
    folder.mkdir(parents=True, exist_ok=True)
    assets = []
    for band, (values, grid, scale, offset, nodata) in layers.items():
        image = _cog(
            values.tobytes(), values.shape, values.dtype.name, grid=grid, nodata=nodata, block=world.spec.block
        )
        (folder / f"{band}.tif").write_bytes(image)
        checksum = "1220" + hashlib.sha256(image).hexdigest()
        assets.append(Asset(band, f"{band}.tif", grid, values.dtype.name, nodata, scale, offset, len(image), checksum))
    described = item(facts, assets, flavour)
    _write_json(folder / f"{name}.json", described)
    return described


@functools.cache  # worlds that differ in little have most images in common
def _cog(raw: bytes, shape: tuple[int, int], dtype: str, *, grid: GeoBox, nodata: float, block: int) -> bytes:
    height, width = shape
    profile = {
        "driver": "COG", "count": 1, "height": height, "width": width, "dtype": dtype, "nodata": nodata,
        "crs": f"EPSG:{grid.crs.epsg}", "transform": grid.affine, "compress": "DEFLATE", "predictor": "YES",
        "blocksize": block,
    }  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(np.frombuffer(raw, dtype).reshape(shape), 1)
        return bytes(memory.getbuffer())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
