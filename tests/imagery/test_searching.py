"""What is found depends on the catalogue's content alone, not on how it is asked."""

from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.imagery.area import area_from_bbox
from citygrain.imagery.catalogues import Catalogue, catalogue_named
from citygrain.imagery.observation import Observation
from citygrain.imagery.query import Query, parse_dates
from citygrain.imagery.searching import newest_only, resolve_collection, search
from citygrain.imagery.static_catalogue import readable
from citygrain.imagery.transport import Transport
from helpers import faults
from helpers.small_catalogue import HERE, feature, write_catalogue

S2 = "sentinel-2-l2a"
SUMMER = parse_dates("2025-05-01", "2025-08-31")


def quick(**options: float) -> Transport:
    return Transport(**{"retries": 3, "timeout": 10, "back_off": 0.01, **options})


def find(address: object, query: Query, product: str = "sentinel-2", **options: str) -> list[Observation]:
    catalogue, transport = catalogue_named(str(address)), quick()
    collection = resolve_collection(catalogue, product, transport, **options)
    return search(catalogue, collection, query, transport)


@pytest.mark.parametrize("way", ["api", "catalog", "absolute"])
def test_an_api_and_its_files_hold_the_same(served, way):
    world, site = served("small")
    query = Query(area_from_bbox(world.bbox), *SUMMER, cloud_max=60)
    found = find(getattr(site, way), query)
    assert [one.time.month for one in found] == [5, 6, 7, 7, 8]
    assert all(one.cloud <= 60 and one.level == "L2A" and one.tile == "33UUU" for one in found)
    assert {"B02", "B08", "B8A", "B12", "SCL"} <= set(found[0].assets)
    assert all(readable(asset.href, catalogue_named(site.api)) for asset in found[0].item.assets.values())
    assert [one.assets for one in find(site.api, Query(query.area), "worldcover")] == [{"MAP": "map"}]
    assert [set(one.assets) for one in find(getattr(site, way), query, "sentinel-1")] == [{"VV", "VH"}] * 4


def test_pages_are_followed(stac_server, stac_world):
    world = stac_world("small")
    site = stac_server.serve(world.folder, page=2)
    found = find(site.api, Query(area_from_bbox(world.bbox)))
    assert len(found) == 7
    assert site.requests("stac/search") >= 4
    assert [one.time for one in found] == sorted(one.time for one in found)


def test_what_is_elsewhere_or_cloudy_or_of_another_year_is_left_out(tmp_path: Path) -> None:
    items = [
        feature("here"), feature("there", bbox=(0, 0, 1, 1)), feature("cloudy", cloud=80),
        feature("untold", cloud=None),
        feature("old", "2019-06-01T10:00:00Z"), feature("last", "2025-08-31T23:59:58Z"),
    ]  # fmt: skip
    root = write_catalogue(tmp_path, {S2: items, "other": [feature("else")]})
    found = find(root, Query(area_from_bbox(HERE), *SUMMER, cloud_max=60))
    assert [one.id for one in found] == ["here", "untold", "last"]


def test_documents_of_collections_elsewhere_are_not_read(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path, {S2: [feature("there", bbox=(0, 0, 1, 1))]})
    (tmp_path / S2 / "there.json").write_text("{", encoding="utf-8")
    assert find(root, Query(area_from_bbox(HERE))) == []


def test_two_collections_that_fit_are_refused_and_may_be_said(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path, {"sentinel-2-l2a": [feature("a")], "s2_l2a": [feature("b")]})
    query = Query(area_from_bbox(HERE))
    with pytest.raises(InputError, match="one collection of sentinel-2; say which: --collection sentinel-2=ID"):
        find(root, query)
    assert [one.id for one in find(root, query, called="s2_l2a")] == ["b"]


def test_level_1c_is_found_when_asked_for(served):
    world, site = served("l1c")
    query = Query(area_from_bbox(world.bbox))
    assert [one.level for one in find(site.api, query)] == ["L2A"]
    assert [one.level for one in find(site.api, query, level="L1C")] == ["L1C"]


def test_the_newest_processing_is_kept(served):
    world, site = served("duplicates")
    found = find(site.api, Query(area_from_bbox(world.bbox)))
    kept, said = newest_only(found)
    assert [one.baseline for one in kept] == ["05.11", kept[1].baseline]
    assert len(found) == 3 and len(kept) == 2 and len(said) == 1 and "processed later" in said[0]
    assert newest_only(found[::-1])[0] == kept[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [faults.busy("stac/search"), faults.unavailable("stac/search", times=2)])
def test_a_busy_server_is_asked_again(served, fault):
    world, site = served("plain")
    site.faults(fault)
    assert len(find(site.api, Query(area_from_bbox(world.bbox)))) == 3
    assert site.struck()[0] >= 1


def test_a_server_that_is_away_is_told_in_one_line(served):
    with pytest.raises(
        InputError, match=r"127.0.0.1:9 cannot be reached: it refuses the connection; check the network"
    ):
        find("http://127.0.0.1:9/stac", Query(area_from_bbox(HERE)))
    world, site = served("plain")
    site.faults(faults.unavailable("stac*", times=None))
    with pytest.raises(InputError, match="answered 503"):
        find(site.api, Query(area_from_bbox(world.bbox)))


def test_nothing_that_is_not_stac_is_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="no JSON object"):
        find(tmp_path, Query(area_from_bbox(HERE)))
    with pytest.raises(InputError, match="unknown"):
        find(tmp_path / "none", Query(area_from_bbox(HERE)))


def test_files_are_read_over_https_or_beside_a_catalogue_of_files_only() -> None:
    away, here = Catalogue("a", "a", "https://example.org"), Catalogue("h", "h", "/data/catalog.json")
    assert readable("/data/b.tif", here) == "/data/b.tif"
    for href in ("/etc/passwd", "s3://bucket/a.tif", "http://example.org/a.tif", "ftp://example.org/a", "/vsicurl/x"):
        with pytest.raises(InputError):
            readable(href, away)
    africa = catalogue_named("digital-earth-africa")
    assert readable("s3://deafrica-sentinel-2/a/b.tif", africa).startswith("https://deafrica-sentinel-2.s3.af-south-1")


@pytest.mark.parametrize(
    ("first", "last"), [("2025-06-01", "2025-05-01"), ("summer", "2025-05-01"), ("2025-02-30", "")]
)
def test_wrong_dates_are_refused(first: str, last: str) -> None:
    with pytest.raises(InputError, match="wanted"):
        parse_dates(first, last)
