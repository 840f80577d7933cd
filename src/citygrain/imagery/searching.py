"""What a catalogue has of an area: asked of a STAC API, or found by walking a static catalogue.

The order of what is found depends on the images alone: by product, time, tile and name.
"""

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pystac
import shapely
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from citygrain.errors import InputError
from citygrain.imagery.area import Area, as_geojson
from citygrain.imagery.assets import observe
from citygrain.imagery.catalogues import Catalogue, Collection, known_collections
from citygrain.imagery.observation import Observation
from citygrain.imagery.transport import Transport, refuse_address, unreached

__all__ = ["Query", "newest_only", "parse_dates", "resolve_collection", "search"]

_MOST_ITEMS = 5_000
_MOST_DOCUMENTS = 20_000
_PAGE = 100


@dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes
    ----------
    area : Area
        Images that touch it.
    start, end : datetime
        First and last moment, UTC; both None for products without dates.
    cloud_max : float
        Percent; images that say more are left out, those that say nothing stay.
    assets : mapping of str to str
        Our band names and the keys of assets, as the user says them.
    """

    area: Area
    start: datetime | None = None
    end: datetime | None = None
    cloud_max: float = 100.0
    assets: Mapping[str, str] = field(default_factory=dict)


def parse_dates(first: str, last: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of the days from `first` to `last`, both included.

    Raises
    ------
    InputError
        If one is no date, or they stand the wrong way round.

    Examples
    --------
    >>> [str(moment) for moment in parse_dates("2025-05-01", "2025-05-01")]
    ['2025-05-01 00:00:00+00:00', '2025-05-01 23:59:59.999999+00:00']
    """
    days = []
    for text in (first, last):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            raise InputError(f"date {text!r}", wanted="a day such as 2025-05-01") from None
    if days[0] > days[1]:
        raise InputError(f"dates from {first} to {last}", wanted="the earlier one first")
    start = datetime.combine(days[0], time.min, UTC)
    return start, datetime.combine(days[1], time.min, UTC) + timedelta(days=1, microseconds=-1)


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
    root = _document(catalogue.url, transport, Path(catalogue.url).parent if _is_path(catalogue.url) else None)
    if _is_api(root):
        items = _ask(catalogue, collection, query, transport)
    else:
        items = _walk(catalogue, collection, query, transport)
    found: dict[str, Observation] = {}
    for item in items:
        if _fits(item, query):
            observation = observe(item, collection, query.assets)
            if observation.assets:
                found.setdefault(observation.id, observation)
        if len(found) > _MOST_ITEMS:
            raise InputError(
                f"more than {_MOST_ITEMS} images", wanted="fewer", mend="choose a smaller area or fewer days"
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


def _fits(item: pystac.Item, query: Query) -> bool:
    """Tell whether an item touches the area, lies within the dates, and is clear enough."""
    if item.geometry is not None:
        try:
            outline = shapely.from_geojson(_json(item.geometry))
        except shapely.errors.ShapelyError:
            return False
        if not shapely.intersects(shapely.make_valid(outline), query.area.polygon):
            return False
    cloud = item.properties.get("eo:cloud_cover")
    if cloud is not None and float(cloud) > query.cloud_max:
        return False
    moment = item.datetime or item.common_metadata.start_datetime
    if query.start is None or query.end is None or moment is None:
        return True
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return query.start <= moment <= query.end


def _json(value: Any) -> str:
    return json.dumps(value)


# A STAC API


def _is_api(root: Mapping[str, Any]) -> bool:
    return bool(root.get("conformsTo")) and any(link.get("rel") == "search" for link in root.get("links", []))


def _ask(catalogue: Catalogue, collection: Collection, query: Query, transport: Transport) -> Iterator[pystac.Item]:
    """Ask an API page by page; clouds are looked at here, for not every API can."""
    with _plain_words(catalogue):
        client = Client.open(catalogue.url, stac_io=_io(transport))
        found = client.search(
            collections=[collection.id] if collection.id else None,
            intersects=as_geojson(query.area),
            datetime=[query.start, query.end] if query.start else None,
            limit=_PAGE,
            max_items=_MOST_ITEMS + 1,
        )
        yield from found.items()


def _io(transport: Transport) -> StacApiIO:
    """Return what pystac-client asks by: our session, with its patience and its counts."""
    asking = StacApiIO(max_retries=None, timeout=transport.timeout, request_modifier=_checked)
    asking.session = transport.session
    return asking


def _checked(request: Any) -> Any:
    refuse_address(request.url)
    return request


@contextmanager
def _plain_words(catalogue: Catalogue) -> Iterator[None]:
    """Say what goes wrong with an API in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status is None:
            raise InputError(
                unreached(catalogue.url, error), mend="check the network; the same command goes on later"
            ) from None
        raise InputError(
            f"{catalogue.url} answered {status}", mend="check the collection, or try again later"
        ) from None
    except (KeyError, TypeError, ValueError, pystac.STACError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{catalogue.url} answered something else than STAC: {error}", wanted="a STAC API") from None


# A static catalogue


def _walk(catalogue: Catalogue, collection: Collection, query: Query, transport: Transport) -> Iterator[pystac.Item]:
    """Follow links from the root, past what lies elsewhere or in other years, in the order of the links."""
    home = Path(catalogue.url).parent if _is_path(catalogue.url) else None
    waiting, seen = [(catalogue.url, not collection.id)], set()
    while waiting:
        address, inside = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MOST_DOCUMENTS:
            raise InputError(f"{catalogue.name} has more than {_MOST_DOCUMENTS} documents here", mend="use its API")
        document = _document(address, transport, home)
        if document.get("type") == "Feature":
            if inside or document.get("collection") == collection.id:
                yield _item(document, address)
            continue
        if document.get("type") == "Collection":
            if collection.id and not inside and document.get("id") != collection.id:
                continue
            inside = True
            if not _may_hold(document.get("extent", {}), query):
                continue
        children = [link for link in document.get("links", []) if link.get("rel") in ("child", "item")]
        waiting += [(_join(address, link["href"]), inside) for link in reversed(children)]


def _item(document: dict[str, Any], address: str) -> pystac.Item:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            item = pystac.Item.from_dict(document, href=address, preserve_dict=False)
    except (KeyError, TypeError, ValueError, pystac.STACError) as error:
        raise InputError(f"{address} is no STAC item: {error}") from None
    for asset in item.assets.values():
        asset.href = _join(address, asset.href)
    return item


def _may_hold(extent: Mapping[str, Any], query: Query) -> bool:
    """Tell whether a collection of this extent may hold something that is looked for."""
    boxes = extent.get("spatial", {}).get("bbox") or []
    flat = [(box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]) for box in boxes if len(box) in (4, 6)]
    if flat and not any(shapely.intersects(shapely.box(*box), query.area.polygon) for box in flat if box[0] <= box[2]):
        return any(box[0] > box[2] for box in flat)  # across the 180th meridian: look into it
    spans = extent.get("temporal", {}).get("interval") or []
    if not spans or query.start is None or query.end is None:
        return True
    return any(
        (first is None or _moment(first) <= query.end) and (last is None or _moment(last) >= query.start)
        for first, last in spans
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _collection_names(catalogue: Catalogue, transport: Transport) -> list[str]:
    """Return the names of a catalogue's collections, those of a static one if they hang at its root."""
    home = Path(catalogue.url).parent if _is_path(catalogue.url) else None
    root = _document(catalogue.url, transport, home)
    if _is_api(root):
        with _plain_words(catalogue):
            return sorted(each.id for each in Client.open(catalogue.url, stac_io=_io(transport)).get_collections())
    if root.get("type") == "Collection":
        return [str(root["id"])]
    names = []
    for link in root.get("links", []):
        if link.get("rel") == "child":
            child = _document(_join(catalogue.url, link["href"]), transport, home)
            names += [str(child["id"])] if child.get("type") == "Collection" else []
    return names


def _document(address: str, transport: Transport, home: Path | None) -> dict[str, Any]:
    """Read a document of a catalogue; a file only if the catalogue itself is one."""
    if not _is_path(address):
        return transport.get_json(address)
    if home is None:
        raise InputError(f"a catalogue on the network names the file {address}", wanted="https")
    try:
        value = json.loads(Path(address).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{address} cannot be read: {error}", wanted="a STAC document") from None
    if not isinstance(value, dict):
        raise InputError(f"{address} holds no JSON object", wanted="a STAC document")
    return value


def _is_path(address: str) -> bool:
    return "://" not in address


def _join(address: str, href: str) -> str:
    """Return where a link leads."""
    if "://" in href:
        return href.removeprefix("file://")
    if not _is_path(address):
        return urljoin(address, href)
    return str((Path(address).parent / href).resolve()) if not Path(href).is_absolute() else href


def readable(href: str, catalogue: Catalogue) -> str:
    """Return the address over https of a catalogue's file.

    Raises
    ------
    InputError
        If it can be read only in another way.

    Examples
    --------
    >>> readable("https://example.org/a.tif", Catalogue("x", "x", "https://example.org"))
    'https://example.org/a.tif'
    """
    for start, instead in catalogue.rewrite.items():
        if href.startswith(start):
            return instead + href.removeprefix(start)
    if _is_path(href):
        if _is_path(catalogue.url):
            return href
        raise InputError(f"{catalogue.name} names the file {href} on this machine", wanted="an https address")
    if href.startswith("s3://"):
        raise InputError(
            f"{href} lies in a store that wants an account", mend="take the product from another catalogue"
        )
    refuse_address(href)
    return href


def names_of(observations: Iterable[Observation]) -> list[str]:
    """Return the identifiers of observations."""
    return [observation.id for observation in observations]
