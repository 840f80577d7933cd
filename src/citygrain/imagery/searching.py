"""What a catalogue has of an area: asked of a STAC API, or found by walking a static catalogue.

The order of what is found depends on the images alone: by product, time, tile and name.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import pystac
import shapely

from citygrain.errors import InputError
from citygrain.imagery.assets import observe
from citygrain.imagery.catalogues import Catalogue, Collection, known_collections
from citygrain.imagery.observation import Observation
from citygrain.imagery.query import Query
from citygrain.imagery.stac_api import MOST_ITEMS, ask, collection_names, is_api
from citygrain.imagery.stac_items import cloud_of
from citygrain.imagery.static_catalogue import home_of, links_of, read_document, walk
from citygrain.imagery.transport import Transport

__all__ = ["fits", "newest_only", "resolve_collection", "search"]


def resolve_collection(
    catalogue: Catalogue, product: str, transport: Transport, *, level: str | None = None, called: str | None = None
) -> Collection:
    """Return the collection of a product; in a catalogue that is not in the table it is looked for by its usual names.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    if catalogue.collections or called is not None:
        return catalogue.collection(product, level, called)
    usual = {each.id: each for each in known_collections(product, level)}
    there = _collection_names(catalogue, transport)
    found = [name for name in there if name in usual]
    if not there:
        return Collection(product, level or "", "", licence=next(iter(usual.values())).licence if usual else None)
    if level is None and len({usual[name].level for name in found}) > 1:  # the table's first level is the usual one
        first = known_collections(product)[0].level
        found = [name for name in found if usual[name].level == first] or found
    if len(found) != 1:
        raise InputError(
            f"{catalogue.name} holds {', '.join(there)}", wanted=f"one collection of {product}",
            mend=f"say which: --collection {product}=ID",
        )  # fmt: skip
    same = usual[found[0]]
    return Collection(product, same.level, found[0], licence=same.licence)


def search(catalogue: Catalogue, collection: Collection, query: Query, transport: Transport) -> list[Observation]:
    """Return what a catalogue has, by time, tile and name.

    Parameters
    ----------
    catalogue : Catalogue
        A STAC API or a static catalogue.
    collection : Collection
        Which of its collections.
    query : Query
        Area, dates, clouds.
    transport : Transport
        Asks.

    Returns
    -------
    list of Observation
        Several processings of the same image included, see `newest_only`.

    Raises
    ------
    InputError
        If the catalogue cannot be reached or read, or has more than some thousand images.
    """
    root = read_document(catalogue.url, transport, home_of(catalogue))
    if is_api(root):
        items = ask(catalogue, collection, query, transport)
    else:
        items = walk(catalogue, collection, query, transport)
    found: dict[str, Observation] = {}
    for item in items:
        if fits(item, query):
            _prefer_https(item)
            observation = observe(item, collection, query.assets)
            if observation.assets:
                found.setdefault(observation.id, observation)
        if len(found) > MOST_ITEMS:
            raise InputError(
                f"more than {MOST_ITEMS} images", wanted="fewer", mend="choose a smaller area or fewer days"
            )
    return sorted(found.values(), key=lambda o: (o.time, o.tile or "", o.id))


def newest_only(observations: Sequence[Observation]) -> tuple[list[Observation], list[str]]:
    """Keep the newest processing of each image.

    Parameters
    ----------
    observations : sequence of Observation
        In any order.

    Returns
    -------
    kept : list of Observation
        In the same order.
    said : list of str
        A line for each image that was left out.
    """
    groups: dict[tuple[Any, ...], list[Observation]] = {}
    for observation in observations:
        groups.setdefault(_same_image(observation), []).append(observation)
    best = {key: max(group, key=_newness) for key, group in groups.items()}
    said = [
        f"{old.id} is left out: {best[key].id} is the same image, processed later"
        for key, group in groups.items()
        for old in group
        if old is not best[key]
    ]
    kept = {id(observation) for observation in best.values()}
    return [observation for observation in observations if id(observation) in kept], said


def _same_image(observation: Observation) -> tuple[Any, ...]:
    """Return what two processings of the same image share.

    Times of a processing differ by milliseconds between catalogues, so Sentinel-2's are told by tile and minute.
    """
    if observation.product != "sentinel-2" or observation.tile is None:
        return (observation.product, observation.id)
    platform = str(observation.item.properties.get("platform", "")).lower()
    return (
        observation.product,
        observation.level,
        platform,
        observation.tile,
        observation.time.replace(second=0, microsecond=0),
    )


def _newness(observation: Observation) -> tuple[Any, ...]:
    said = observation.item.properties
    made = str(said.get("s2:generation_time") or said.get("published") or said.get("created") or "")
    sequence = int(match[1]) if (match := re.search(r"_(\d+)_L[12][AC]$", observation.id)) else 0
    return observation.baseline or "", made, sequence, observation.id


def fits(item: pystac.Item, query: Query) -> bool:
    """Tell whether an item touches the area, lies within the dates, and is clear enough."""
    if not _meets(item, query.area.polygon):
        return False
    cloud = cloud_of(item)
    if cloud is not None and cloud > query.cloud_max:
        return False
    moment = item.datetime or item.common_metadata.start_datetime
    if query.start is None or query.end is None or moment is None:
        return True
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return query.start <= moment <= query.end


def _meets(item: pystac.Item, polygon: shapely.Geometry) -> bool:
    """Tell whether an item's outline touches the area; an item that does not say where it lies may."""
    try:
        outline = shapely.from_geojson(json.dumps(item.geometry)) if item.geometry else shapely.Polygon()
    except (shapely.errors.ShapelyError, ValueError):
        outline = shapely.Polygon()
    if not outline.is_empty:
        return bool(shapely.intersects(shapely.make_valid(outline), polygon))
    west, south, east, north = item.bbox or (-180, -90, 180, 90)
    return west > east or bool(shapely.intersects(shapely.box(west, south, east, north), polygon))


def _prefer_https(item: pystac.Item) -> None:
    """Take the address over https where an asset offers one beside another (STAC's alternate-assets extension)."""
    for asset in item.assets.values():
        alternate = asset.extra_fields.get("alternate")
        other = alternate.get("https") if isinstance(alternate, dict) else None
        if isinstance(other, dict) and str(other.get("href", "")).startswith("https://"):
            asset.href = str(other["href"])


def _collection_names(catalogue: Catalogue, transport: Transport) -> list[str]:
    """Return the names of a catalogue's collections, those of a static one if they hang at its root."""
    home = home_of(catalogue)
    root = read_document(catalogue.url, transport, home)
    if is_api(root):
        return collection_names(catalogue, transport)
    if root.get("type") == "Collection":
        return [str(root.get("id", ""))]
    children = [read_document(address, transport, home) for address in links_of(root, catalogue.url, "child")]
    return [str(child.get("id", "")) for child in children if child.get("type") == "Collection"]
