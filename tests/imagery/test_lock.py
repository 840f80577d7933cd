"""A lock tells the same files from others, and tells no secret."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.imagery.area import area_from_bbox, grid_for
from citygrain.imagery.catalogues import Signing, catalogue_named
from citygrain.imagery.image_set import ImageSet, bands_at_hand
from citygrain.imagery.lock import Lock, changes, locked_only, make_lock, read_lock, request_changes, write_lock
from citygrain.imagery.query import Query
from citygrain.imagery.searching import resolve_collection, search
from citygrain.imagery.signing import signer_for
from citygrain.imagery.transport import Transport
from helpers import faults
from helpers.junk import JUNK, places, with_junk
from helpers.stac_world import World

BANDS = ("B04", "B08", "SCL")


def source_of(world: World, address: str, product: str = "sentinel-2", signing: Signing | None = None) -> ImageSet:
    transport = Transport(retries=0, timeout=10)
    catalogue = catalogue_named(address)
    catalogue = replace(catalogue, signing=signing) if signing else catalogue
    collection = resolve_collection(catalogue, product, transport)
    found = search(catalogue, collection, Query(area_from_bbox(world.bbox)), transport)
    signer = signer_for(catalogue, collection.id, transport)
    return ImageSet(product, catalogue, collection, tuple(found), BANDS, signer)


def lock_of(world: World, source: ImageSet, **request: object) -> Lock:
    return make_lock(request, grid_for(area_from_bbox(world.bbox)), [source], Transport(retries=0, timeout=10))


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["earth-search", "planetary-computer"])
def test_the_same_catalogue_gives_the_same_lock(served, flavour, tmp_path: Path) -> None:
    world, site = served("plain", flavour=flavour)
    source = source_of(world, site.api)
    lock = lock_of(world, source, days=3)
    write_lock(tmp_path / "fetch.lock.json", lock)
    again = read_lock(tmp_path / "fetch.lock.json")
    assert again == lock == lock_of(world, source_of(world, site.api), days=3)
    assert changes(lock, again) == []
    file = lock["sources"][0]["items"][0]["files"]["B04"]
    assert ("checksum" if flavour == "earth-search" else "etag") in file and file["size"] > 0
    assert request_changes(lock, {"days": 4}) == ["days: 3 then, 4 now"]


def test_a_file_on_disk_is_known_by_its_ends(served, tmp_path: Path) -> None:
    world, _ = served("plain", flavour="planetary-computer")
    source = source_of(world, str(world.folder))
    lock = lock_of(world, source)
    path = Path(source.href(source.observations[0], "B04"))
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert changes(lock, lock_of(world, source))[0].startswith(
            f"{source.observations[0].id}: B04 is not the same file"
        )
        path.unlink()
        with pytest.raises(InputError, match=r"B04 of .* is not there"):
            lock_of(world, source)
    finally:
        path.write_bytes(whole)


def test_what_came_and_went_is_told(served) -> None:
    world, site = served("plain")
    source = source_of(world, site.api)
    lock = lock_of(world, source)
    fewer = replace(source, observations=source.observations[1:])
    name = source.observations[0].id
    assert changes(lock, lock_of(world, fewer)) == [f"{name} is no longer there"]
    assert changes(lock_of(world, fewer), lock) == [f"{name} is new"]
    kept, new, gone = locked_only(lock, source.catalogue.name, "sentinel-2", fewer.observations)
    assert (kept, new, gone) == (list(fewer.observations), [], [name])
    assert locked_only(lock_of(world, fewer), source.catalogue.name, "sentinel-2", source.observations)[1] == [name]


def test_no_secret_is_written(served) -> None:
    world, site = served("plain", flavour="planetary-computer")
    site.faults(faults.expired(uses=1000))
    source = source_of(world, site.api, signing=Signing("sas", f"{site.tokens}/token", ("127.0.0.1",)))
    lock = json.dumps(lock_of(world, source))
    assert "sig" not in lock and "etag" in lock


def test_a_file_that_is_away_is_told_before_pixels_are_read(served) -> None:
    world, site = served("plain", flavour="planetary-computer")
    site.faults(faults.missing("*B08.tif"))
    with pytest.raises(InputError, match=r"B08.tif answered 404"):
        lock_of(world, source_of(world, site.api))


def test_images_without_a_band_are_left_out_aloud(served) -> None:
    world, site = served("missing")
    source = source_of(world, site.api)
    kept, said = bands_at_hand(source.observations, ["B11", "SCL"])
    assert len(kept) == 1
    assert [line.split(": ")[1] for line in said] == ["it has no SCL", "it has no B11"]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 9, "request": {}, "grid": {}, "sources": []}'])
def test_what_is_no_lock_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "fetch.lock.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_lock(tmp_path / "fetch.lock.json")
    assert read_lock(tmp_path / "none") is None


FILE = {"asset": "red", "href": "https://example.org/a.tif", "etag": "1", "size": 3}
LOCK: Lock = {
    "format": 1, "request": {"method": "median"}, "grid": {"crs": "EPSG:32633"}, "versions": {"numpy": "2"},
    "sources": [{"product": "sentinel-2", "catalogue": "x", "items": [{"id": "a", "files": {"B04": FILE}}]}],
    "results": {"s2.tif": "0123"}, "seen": 0.5,
}  # fmt: skip


@given(st.sampled_from(places(LOCK)), JUNK)
def test_a_lock_that_was_edited_is_used_or_refused(tmp_path_factory, place, junk) -> None:
    path = tmp_path_factory.mktemp("lock") / "fetch.lock.json"
    path.write_text(json.dumps(with_junk(LOCK, place, junk)), encoding="utf-8")
    try:
        lock = read_lock(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert lock is not None
    assert all(isinstance(line, str) for line in (*changes(lock, LOCK), *request_changes(lock, LOCK["request"])))
    assert locked_only(lock, "x", "sentinel-2", [])[0] == []
    assert all(
        (path.parent / name).parent == path.parent and digest.strip for name, digest in lock.get("results", {}).items()
    )


def test_results_elsewhere_are_none_of_a_lock(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(json.dumps(LOCK | {"results": {"../../etc/passwd": "0"}}), encoding="utf-8")
    with pytest.raises(InputError, match="is no lock file"):
        read_lock(tmp_path / "a")
