"""Images of a made world as observations, read from its folder without a server."""

from pathlib import Path

import pystac

from citygrain.imagery.assets import observe
from citygrain.imagery.catalogues import Collection, catalogue_named
from citygrain.imagery.observation import Observation
from helpers.stac_world import World

__all__ = ["observations_of"]


def observations_of(world: World, product: str = "sentinel-2") -> list[Observation]:
    """All images of a product, in the order of their files."""
    collections = catalogue_named(world.spec.flavour).collections
    found = []
    for path in sorted(Path(world.folder).glob("*/*/*.json")):
        item = pystac.Item.from_file(str(path))
        item.make_asset_hrefs_absolute()
        name = str(item.collection_id)
        kind = next((one for one in collections if one.id == name), None)
        if kind is None and name.startswith("sentinel-1"):
            kind = Collection("sentinel-1", name.rpartition("-")[2].upper(), name)
        if kind is not None and kind.product == product:
            found.append(observe(item, kind))
    return found
