"""A STAC API by stac-fastapi over the items of a folder, kept in memory. Runs in the server's own process.

The framework checks the requests, routes them and writes the links; here is the search.
"""

import json
import operator
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import attr
from shapely.geometry import box, shape
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import (
    ItemCollectionUri,
    create_get_request_model,
    create_post_request_model,
    create_request_model,
)
from stac_fastapi.extensions.pagination import TokenPaginationExtension
from stac_fastapi.extensions.query import QueryExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.core import BaseCoreClient
from stac_fastapi.types.errors import InvalidQueryParameter, NotFoundError
from stac_fastapi.types.links import CollectionLinks, ItemLinks
from stac_fastapi.types.requests import get_base_url
from stac_fastapi.types.rfc3339 import rfc3339_str_to_datetime, str_to_interval

__all__ = ["stac_app"]

Json = dict[str, Any]

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "in": lambda value, wanted: value in wanted,
    "startsWith": lambda value, wanted: str(value).startswith(wanted),
    "contains": lambda value, wanted: wanted in value,
}


def stac_app(folder: Path, *, query: bool, page: int) -> Any:
    """Return the ASGI application; without `query` the server does not know that extension.

    Parameters
    ----------
    folder : Path
        Of a static catalogue.
    query : bool
        Whether properties can be asked for.
    page : int
        The most items in one answer, whatever the limit.
    """
    extensions = [TokenPaginationExtension(), *([QueryExtension()] if query else [])]
    client = MemoryClient(
        found_items=[_read(path) for path in sorted(folder.glob("*/*/*.json"))],
        found_collections=[_read(path) for path in sorted(folder.glob("*/collection.json"))],
        page=page,
    )
    return StacApi(
        settings=ApiSettings(),
        client=client,
        extensions=extensions,
        search_get_request_model=create_get_request_model(extensions),
        search_post_request_model=create_post_request_model(extensions),
        items_get_request_model=create_request_model(
            "ItemCollectionUri", base_model=ItemCollectionUri, extensions=extensions[:1], request_type="GET"
        ),
        middlewares=[],
    ).app


def _read(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


@attr.s
class MemoryClient(BaseCoreClient):
    """Answers from lists."""

    found_items: list[Json] = attr.ib(kw_only=True)
    found_collections: list[Json] = attr.ib(kw_only=True)
    page: int = attr.ib(kw_only=True)

    def all_collections(self, **kwargs: Any) -> Any:
        base = get_base_url(kwargs["request"])
        return {
            "collections": [self._collection(one, base) for one in self.found_collections],
            "links": [{"rel": "root", "href": base, "type": "application/json"}],
        }

    def get_collection(self, collection_id: str, **kwargs: Any) -> Any:
        for one in self.found_collections:
            if one["id"] == collection_id:
                return self._collection(one, get_base_url(kwargs["request"]))
        raise NotFoundError(f"Collection {collection_id} not found")

    def get_item(self, item_id: str, collection_id: str, **kwargs: Any) -> Any:
        for one in self.found_items:
            if (one["id"], one["collection"]) == (item_id, collection_id):
                return self._item(one, get_base_url(kwargs["request"]))
        raise NotFoundError(f"Item {item_id} in collection {collection_id} not found")

    def item_collection(self, collection_id: str, **asked: Any) -> Any:
        return self._search(asked | {"collections": [collection_id]}, asked["request"])

    def get_search(self, **asked: Any) -> Any:
        for name in ("intersects", "query"):
            asked[name] = json.loads(asked[name]) if asked.get(name) else None
        return self._search(asked, asked["request"])

    def post_search(self, search_request: Any, **kwargs: Any) -> Any:
        asked = json.loads(search_request.model_dump_json(exclude_none=True, by_alias=True))
        return self._search(asked, kwargs["request"])

    def _search(self, asked: Json, request: Any) -> Json:
        found = [one for one in self.found_items if _matches(one, asked)]
        found.sort(key=lambda one: one["properties"]["datetime"], reverse=True)  # as the public ones do
        start = int((asked.get("token") or "next:0").removeprefix("next:"))
        stop = start + min(asked.get("limit") or 10, self.page)
        base = get_base_url(request)
        links = [{"rel": "root", "type": "application/json", "href": base}]
        if stop < len(found):
            links.append(_next(request, asked | {"token": f"next:{stop}"}))
        return {
            "type": "FeatureCollection",
            "features": [self._item(one, base) for one in found[start:stop]],
            "links": links,
            "numberMatched": len(found),
            "numberReturned": len(found[start:stop]),
        }

    def _item(self, one: Json, base: str) -> Json:
        """With absolute links: assets point to the files of the static catalogue."""
        content = deepcopy(one)
        files = urljoin(base, f"../static/{one['collection']}/{one['id']}/")
        for asset in content["assets"].values():
            asset["href"] = urljoin(files, asset["href"])
        content["links"] = ItemLinks(one["collection"], base, one["id"]).create_links()
        return content

    def _collection(self, one: Json, base: str) -> Json:
        return {**one, "links": CollectionLinks(one["id"], base).create_links()}


def _next(request: Any, asked: Json) -> Json:
    link = {"rel": "next", "type": "application/geo+json", "method": request.method}
    url = str(request.url).split("?")[0]
    if request.method == "POST":
        return link | {"href": url, "body": {name: value for name, value in asked.items() if value is not None}}
    return link | {"href": f"{url}?{urlencode(dict(request.query_params) | {'token': asked['token']})}"}


def _matches(one: Json, asked: Json) -> bool:
    if asked.get("collections") and one["collection"] not in asked["collections"]:
        return False
    if asked.get("ids") and one["id"] not in asked["ids"]:
        return False
    area = _area(asked)
    if area is not None and not area.intersects(shape(one["geometry"])):
        return False
    if asked.get("datetime") and not _within(one["properties"]["datetime"], asked["datetime"]):
        return False
    return all(
        _holds(one["properties"].get(name), wanted, test)
        for name, tests in (asked.get("query") or {}).items()
        for test, wanted in tests.items()
    )


def _area(asked: Json) -> Any:
    if asked.get("intersects"):
        return shape(asked["intersects"])
    return box(*asked["bbox"]) if asked.get("bbox") else None


def _within(stamp: str, wanted: str) -> bool:
    time, interval = rfc3339_str_to_datetime(stamp), str_to_interval(wanted)
    if not isinstance(interval, tuple):
        return time == interval
    first, last = interval
    return (first is None or first <= time) and (last is None or time <= last)


def _holds(value: Any, wanted: Any, test: str) -> bool:
    if test not in _TESTS:
        raise InvalidQueryParameter(f"unknown operator {test}")
    return value is not None and _TESTS[test](value, wanted)
