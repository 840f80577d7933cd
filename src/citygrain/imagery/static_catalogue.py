"""A static catalogue: JSON files that link to each other, on the network or on the disk."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pystac
import shapely

from citygrain.errors import InputError
from citygrain.imagery.catalogues import Catalogue, Collection
from citygrain.imagery.query import Query
from citygrain.imagery.stac_items import read_item
from citygrain.imagery.transport import Transport, refuse_address

__all__ = ["home_of", "links_of", "read_document", "readable", "walk"]

_MOST_DOCUMENTS = 20_000


def walk(catalogue: Catalogue, collection: Collection, query: Query, transport: Transport) -> Iterator[pystac.Item]:
    """Follow links from the root, past what lies elsewhere or in other years, in the order of the links."""
    home = home_of(catalogue)
    waiting, seen = [(catalogue.url, not collection.id)], set()
    while waiting:
        address, inside = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MOST_DOCUMENTS:
            raise InputError(f"{catalogue.name} has more than {_MOST_DOCUMENTS} documents here", mend="use its API")
        document = read_document(address, transport, home)
        if document.get("type") == "Feature":
            if inside or document.get("collection") == collection.id:
                yield _item(document, address)
            continue
        if document.get("type") == "Collection":
            if collection.id and not inside and document.get("id") != collection.id:
                continue
            inside = True
            with suppress(AttributeError, LookupError, TypeError, ValueError):  # no extent: look into it
                if not _may_hold(document["extent"], query):
                    continue
        waiting += [(each, inside) for each in reversed(links_of(document, address, "child", "item"))]


def links_of(document: Mapping[str, Any], address: str, *kinds: str) -> list[str]:
    """Return where the links of a document lead that are of these kinds; what is no link is passed over."""
    links = document.get("links")
    said = [link for link in (links if isinstance(links, list) else []) if isinstance(link, Mapping)]
    return [
        join(address, link["href"]) for link in said if link.get("rel") in kinds and isinstance(link.get("href"), str)
    ]


def _item(document: dict[str, Any], address: str) -> pystac.Item:
    item = read_item(document, address)
    for asset in item.assets.values():
        asset.href = join(address, asset.href)
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


def read_document(address: str, transport: Transport, home: Path | None) -> dict[str, Any]:
    """Read a document of a catalogue; a file only if the catalogue itself is one."""
    if not _is_path(address):
        return transport.get_json(address)
    if home is None:
        raise InputError(f"a catalogue on the network names the file {address}", wanted="https")
    try:
        value = json.loads(Path(address).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{address} cannot be read: {error}", wanted="a STAC document") from None
    if not isinstance(value, dict):
        raise InputError(f"{address} holds no JSON object", wanted="a STAC document")
    return value


def home_of(catalogue: Catalogue) -> Path | None:
    """Return the folder of a catalogue on the disk; None of one on the network."""
    return Path(catalogue.url).parent if _is_path(catalogue.url) else None


def _is_path(address: str) -> bool:
    return "://" not in address


def join(address: str, href: str) -> str:
    """Return where a link leads."""
    if "://" in href:
        return href.removeprefix("file://")
    if not _is_path(address):
        try:
            return urljoin(address, href)
        except ValueError:
            return href  # no address: refused when it is read
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
