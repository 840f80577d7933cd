"""An API that answers rudely costs a line, some requests and no file of this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from citygrain.errors import InputError
from citygrain.imagery import transport as module
from citygrain.imagery.area import area_from_bbox
from citygrain.imagery.catalogues import Catalogue, Collection
from citygrain.imagery.query import Query, parse_dates
from citygrain.imagery.searching import search
from citygrain.imagery.transport import Transport
from helpers.rude_server import Rude, rude_server
from helpers.small_catalogue import feature

CORE = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]


@pytest.fixture
def rude() -> Iterator[Rude]:
    with rude_server() as server:
        server.answers["/"] = lambda here, _: landing(here)
        yield server


def landing(rude: Rude, search_at: str = "/search") -> dict[str, Any]:
    links = [
        {"rel": "self", "href": f"{rude.url}/"}, {"rel": "root", "href": f"{rude.url}/"},
        {"rel": "search", "href": search_at if search_at != "/search" else f"{rude.url}/search", "method": "POST"},
    ]  # fmt: skip
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "rude", "description": "rude", "links": links}
    return {**about, "conformsTo": CORE}


def page(features: Any, following: str | None = None) -> dict[str, Any]:
    links = [{"rel": "next", "href": following, "method": "GET"}] if following else []
    return {"type": "FeatureCollection", "features": features, "links": links}


def found(rude: Rude) -> list[str]:
    query = Query(area_from_bbox("13.3,52.45,13.4,52.5"), *parse_dates("2025-05-01", "2025-08-31"))
    catalogue = Catalogue("rude", "rude", f"{rude.url}/")
    patient = Transport(retries=1, timeout=5, back_off=0.01)
    return [one.id for one in search(catalogue, Collection("sentinel-2", "L2A", ""), query, patient)]


def refused(rude: Rude, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        found(rude)
    assert "\n" not in str(error.value)


def test_pages_are_followed_to_the_last(rude: Rude) -> None:
    rude.answers["/search"] = lambda here, _: page([feature("a")], f"{here.url}/more")
    rude.answers["/more"] = lambda *_: page([feature("b")])
    assert found(rude) == ["a", "b"]


def test_a_page_that_is_its_own_next_ends_the_search(rude: Rude) -> None:
    rude.answers["/search"] = lambda here, _: page([feature("a")], f"{here.url}/search")
    refused(rude, "answers the same page again and again")
    assert len(rude.asked) < 6


@pytest.mark.parametrize("where", ["/etc/passwd", "file:///etc/passwd", "http://10.0.0.1/more", "ftp://a/b"])
def test_a_next_page_on_this_machine_or_elsewhere_is_not_opened(rude: Rude, where: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    rude.answers["/search"] = lambda *_: page([feature("a")], where)
    refused(rude, "wanted: https")
    rude.answers["/"] = lambda here, _: landing(here, where)
    refused(rude, "wanted: https")


@pytest.mark.parametrize("junk", [[], "x", {"features": 7}, {"features": [7]}, {"features": [{}]}, {"features": {}}])
def test_answers_that_are_no_stac_are_told(rude: Rude, junk: Any) -> None:
    rude.answers["/search"] = lambda *_: junk if junk != "x" else b"x"
    if isinstance(junk, dict) and not junk["features"]:
        assert found(rude) == []
    else:
        refused(rude, "STAC")


@pytest.mark.parametrize("target", ["http://169.254.169.254/", "file:///etc/passwd", "ftp://a/b", "https://[x"])
def test_nobody_is_sent_elsewhere(rude: Rude, target: str) -> None:
    rude.answers["/search"] = lambda *_: target
    refused(rude, "wanted: https")
    rude.answers["/"] = lambda *_: target
    refused(rude, "wanted: https")


def test_a_redirect_in_a_circle_ends(rude: Rude) -> None:
    rude.answers["/"] = lambda here, _: f"{here.url}/"
    refused(rude, "cannot be reached")


def test_an_answer_without_end_is_not_read_to_it(rude: Rude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 10_000)
    rude.answers["/search"] = lambda *_: b" " * 20_000
    refused(rude, "answered more than")
    rude.answers["/"] = lambda *_: b"[" * 20_000
    refused(rude, "answered more than")


def test_json_that_is_too_deep_is_no_json(rude: Rude) -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    rude.answers["/search"] = lambda *_: deep
    refused(rude, "STAC")
    rude.answers["/"] = lambda *_: deep
    refused(rude, "something else than JSON")
