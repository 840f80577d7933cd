"""A STAC API: asked page by page, by our session, with its patience and its counts."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pystac
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from citygrain.errors import InputError
from citygrain.imagery.area import as_geojson
from citygrain.imagery.catalogues import Catalogue, Collection
from citygrain.imagery.query import Query
from citygrain.imagery.stac_items import read_item
from citygrain.imagery.transport import Transport, refuse_address, unreached

__all__ = ["MOST_ITEMS", "ask", "collection_names", "is_api"]

MOST_ITEMS = 5_000
_PAGE = 100


def is_api(root: Mapping[str, Any]) -> bool:
    """Tell whether the root of a catalogue is that of an API that can be searched."""
    links = root.get("links")
    return bool(root.get("conformsTo")) and any(
        isinstance(link, Mapping) and link.get("rel") == "search" for link in (links if isinstance(links, list) else [])
    )


def ask(catalogue: Catalogue, collection: Collection, query: Query, transport: Transport) -> Iterator[pystac.Item]:
    """Ask page by page; clouds are looked at later, for not every API can.

    Raises
    ------
    InputError
        If it cannot be reached, or answers something else than STAC.
    """
    seen: set[str] = set()
    with _plain_words(catalogue):
        client = Client.open(catalogue.url, stac_io=_io(transport))
        found = client.search(
            collections=[collection.id] if collection.id else None,
            intersects=as_geojson(query.area),
            datetime=[query.start, query.end] if query.start else None,
            limit=_PAGE,
            max_items=MOST_ITEMS + 1,
        )
        for page in found.pages_as_dicts():
            items = [read_item(document, f"an answer of {catalogue.url}") for document in page["features"]]
            names = {item.id for item in items}
            if names <= seen:
                raise InputError(f"{catalogue.url} answers the same page again and again", wanted="a STAC API")
            seen |= names
            yield from items


def collection_names(catalogue: Catalogue, transport: Transport) -> list[str]:
    """Return the names of an API's collections."""
    with _plain_words(catalogue):
        return sorted(each.id for each in Client.open(catalogue.url, stac_io=_io(transport)).get_collections())


class _Asking(StacApiIO):
    """Asks over the network alone: pystac would open a path that an answer names as its next page."""

    def read_text(self, source: Any, *args: Any, **options: Any) -> str:
        """Return what an address answers."""
        refuse_address(source if isinstance(source, str) else str(source.get_absolute_href()))
        return str(super().read_text(source, *args, **options))


def _io(transport: Transport) -> StacApiIO:
    asking = _Asking(max_retries=None, timeout=transport.timeout)
    asking.session = transport.session
    return asking


@contextmanager
def _plain_words(catalogue: Catalogue) -> Iterator[None]:
    """Say what goes wrong with an API in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except APIError as error:
        if isinstance(error.__context__, InputError):  # of our own session
            raise error.__context__ from None
        status = getattr(error, "status_code", None)
        if status is None:
            raise InputError(
                unreached(catalogue.url, error), mend="check the network; the same command goes on later"
            ) from None
        raise InputError(
            f"{catalogue.url} answered {status}", mend="check the collection, or try again later"
        ) from None
    except InputError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError, pystac.STACError) as error:
        raise InputError(f"{catalogue.url} answered something else than STAC: {error}", wanted="a STAC API") from None
