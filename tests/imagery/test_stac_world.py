"""The catalogue that the tests of fetching stand on: it is found, read and counted as a real one, and fails as told."""

import json
import time
from http.client import IncompleteRead
from urllib.error import HTTPError

import numpy as np
import odc.stac
import pystac
import pystac_client
import pytest
import rasterio

from helpers import faults
from helpers.stac_items import FLAVOURS, asset_key
from helpers.stac_server import loopback, serving
from helpers.stac_world import WORLDS, Overpass, World

S2 = "sentinel-2-l2a"


def found(site, **asked):
    return list(pystac_client.Client.open(site.api).search(**asked).items())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_api_answers_a_search(served, method):
    world, site = served("small")
    asked = {"collections": [S2], "bbox": world.bbox, "datetime": "2025-05-01/2025-08-31", "method": method}
    items = found(site, **asked, limit=2, query={"eo:cloud_cover": {"lt": 60}})
    assert [item.datetime.month for item in items] == [8, 7, 7, 6, 5]  # page after page, the latest first
    assert site.requests("stac/search") == 3
    assert found(site, **{**asked, "bbox": [0, 0, 1, 1]}) == []
    assert [one.id for one in found(site, ids=[items[0].id], method=method)] == [items[0].id]
    outline = {
        "type": "Point",
        "coordinates": [(world.bbox[0] + world.bbox[2]) / 2, (world.bbox[1] + world.bbox[3]) / 2],
    }
    assert len(found(site, collections=["esa-worldcover"], intersects=outline, method=method)) == 1


def test_api_without_the_query_extension_says_so(stac_server, stac_world):
    site = stac_server.serve(stac_world("plain").folder, query=False)
    client = pystac_client.Client.open(site.api)
    assert not client.conforms_to("QUERY")
    assert pystac_client.Client.open(stac_server.serve(stac_world("plain").folder).api).conforms_to("QUERY")


@pytest.mark.parametrize("links", ["catalog", "absolute"])
def test_static_catalogue_holds_what_the_api_finds(served, links):
    _, site = served("small")
    walked = list(pystac.Catalog.from_file(getattr(site, links)).get_items(recursive=True))
    searched = found(site)
    assert {item.id for item in walked} == {item.id for item in searched}
    files = {item.id: {key: asset.get_absolute_href() for key, asset in item.assets.items()} for item in walked}
    assert files == {item.id: {key: asset.href for key, asset in item.assets.items()} for item in searched} | (
        {}
        if links == "catalog"
        else {i: {k: u.replace("/static/", "/absolute/") for k, u in a.items()} for i, a in files.items()}
    )


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_manner_is_stac_and_names_bands_its_own_way(served, flavour):
    _, site = served("plain", flavour=flavour)
    for item in found(site):
        assert item.collection_id == S2
        assert {asset_key(band, "L2A", flavour) for band in ("B04", "B8A", "SCL")} <= set(item.assets)
        assert pystac.Item.from_dict(item.to_dict()).to_dict() == item.to_dict()
        assert len(item.bbox) == 4 and item.geometry["type"] == "Polygon"
        assert (item.ext.proj.code or f"EPSG:{item.ext.proj.epsg}") == "EPSG:32633"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_odc_stac_reads_the_ground(served, flavour):
    world, site = served("plain", flavour=flavour)
    keys = {band: asset_key(band, "L2A", flavour) for band in ("B04", "B11", "SCL")}
    loaded = odc.stac.load(found(site), bands=list(keys.values()), geobox=world.ground.geobox)
    red = loaded[keys["B04"]].values.astype(np.float32)
    np.testing.assert_allclose((red - 1000) / 10_000, world.truth.sel(band="B04").values[None].repeat(3, 0), atol=0.02)
    assert set(np.unique(loaded[keys["SCL"]])) <= {3, 4, 5, 6, 8, 9, 10}


def test_gdal_reads_a_window_and_no_more(stac_server, tmp_path):
    values = np.random.default_rng(0).integers(1, 9000, (1024, 1024), np.uint16)
    profile = {"driver": "COG", "width": 1024, "height": 1024, "count": 1, "dtype": "uint16", "blocksize": 256}
    (tmp_path / "c/i").mkdir(parents=True)
    path = tmp_path / "c/i/B04.tif"
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, crs="EPSG:32633", transform=rasterio.Affine(10, 0, 0, 0, -10, 0)) as file:
            file.write(values, 1)
        path.write_bytes(memory.getbuffer())
    site = stac_server.serve(tmp_path)
    with rasterio.open(f"/vsicurl/{site.url}/static/c/i/B04.tif") as file:
        window = file.read(1, window=((300, 400), (600, 700)))
    np.testing.assert_array_equal(window, values[300:400, 600:700])
    assert 0 < site.bytes("*.tif") < path.stat().st_size / 5
    assert {entry.status for entry in site.log("*.tif") if entry.method == "GET"} == {206}


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        ("bytes=2-5", 206, b"2345"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("bytes=10-", 416, b""),
    ],
)
def test_ranges_are_those_of_the_standard(stac_server, tmp_path, header, status, body):
    (tmp_path / "digits.bin").write_bytes(b"0123456789")
    url = f"{stac_server.serve(tmp_path).url}/static/digits.bin"
    try:
        answer = loopback(url, Range=header)
    except HTTPError as error:
        answer = error
    with answer:
        assert (answer.status, answer.read()) == (status, body)
        assert answer.headers["Accept-Ranges"] == "bytes" and answer.headers["ETag"]
        assert answer.headers["Content-Range"] in (None, "bytes */10") or status == 206
    with loopback(url, method="HEAD") as answer:
        assert (answer.headers["Content-Length"], answer.read()) == ("10", b"")


def test_nothing_outside_the_folder_is_served(stac_server, tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    site = stac_server.serve(tmp_path / "inside")
    with pytest.raises(HTTPError) as told:
        loopback(f"{site.url}/static/%2e%2e/secret")
    told.value.close()
    assert told.value.code == 404


def status_of(url: str) -> int:
    try:
        with loopback(url) as answer:
            answer.read()
            return answer.status
    except HTTPError as error:
        error.close()
        return error.code


@pytest.fixture
def digits(stac_server, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"0123456789")
    site = stac_server.serve(tmp_path)
    return site, f"{site.url}/static/a.tif"


def test_refusals_come_as_often_as_told(digits):
    site, url = digits
    site.faults(faults.busy("*.tif", retry_after="7", times=2, after=1), faults.unavailable("*.tif", times=1))
    with pytest.raises(HTTPError) as told:
        loopback(url)
    told.value.close()
    assert told.value.code == 503
    site.faults(faults.busy("*.tif", retry_after="7", times=2, after=1))
    assert [status_of(url) for _ in range(5)] == [200, 429, 429, 200, 200]
    assert site.struck() == [2]
    site.faults(faults.missing("static/a.*"))
    assert [status_of(url) for _ in range(2)] == [404, 404]
    site.faults()
    assert status_of(url) == 200
    assert [entry.faults for entry in site.log()][-2:] == [("status",), ()]


def test_retry_after_is_told(digits):
    site, url = digits
    site.faults(faults.busy("*", retry_after="7"))
    with pytest.raises(HTTPError) as told:
        loopback(url)
    told.value.close()
    assert told.value.headers["Retry-After"] == "7"


@pytest.mark.parametrize("length", [0, 4])
def test_connection_is_cut_where_told(digits, length):
    site, url = digits
    site.faults(faults.cut("*.tif", length))
    with loopback(url) as answer, pytest.raises(IncompleteRead) as told:
        answer.read()
    assert told.value.partial == b"0123456789"[:length]
    assert site.log()[-1].bytes == length
    assert status_of(url) == 200


def test_truncated_file_looks_whole(digits):
    site, url = digits
    site.faults(faults.truncated("*.tif", 6))
    with loopback(url) as answer:
        assert (answer.headers["Content-Length"], answer.read()) == ("6", b"012345")


def test_slow_answers_take_their_time(digits):
    site, url = digits
    site.faults(faults.slow("*.tif", 0.3, times=1))
    start = time.monotonic()
    assert status_of(url) == 200
    assert time.monotonic() - start >= 0.3
    assert site.struck() == [1]


def test_signature_expires_and_a_new_one_holds(digits):
    site, url = digits
    site.faults(faults.expired("*.tif", uses=2))
    assert status_of(url) == 403
    with loopback(f"{site.tokens}/token/{S2}") as answer:
        told = json.loads(answer.read())
    assert set(told) == {"msft:expiry", "token"}
    assert [status_of(f"{url}?{told['token']}") for _ in range(3)] == [200, 200, 403]
    with loopback(f"{site.tokens}/sign?href={url}") as answer:
        signed = json.loads(answer.read())["href"]
    assert signed.startswith(f"{url}?") and status_of(signed) == 200


LARGE = ("border", "seasons", "zones")  # these take longest


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in sorted(WORLDS)]
)
def test_clear_pixels_show_the_ground(stac_world, name):
    """What a world calls clear differs from its truth by noise and season alone; what it calls cloudy does not."""
    world: World = stac_world(name)
    for item in world.items():
        if not item["collection"].startswith("sentinel-2") or world.overpasses[item["id"]].epsg:
            continue
        one = world.overpasses[item["id"]]
        with rasterio.open(next((world.folder / item["collection"] / item["id"]).glob("B03.tif"))) as file:
            numbers = file.read(1).astype(np.float32)
        first = round(one.columns[0] * world.ground.geobox.shape[1] / 12) * 12
        here = np.s_[:, first : first + numbers.shape[1]]
        error = np.abs((numbers - one.offset) / 10_000 - world.truth.sel(band="B03").values[here])
        clear, seen = world.clear(item["id"])[here], world.seen[item["id"]][here]
        assert ((numbers > 0) == seen).all()
        if clear.any() and not one.haze and one.season == 0:
            assert np.quantile(error[clear], 0.999) < 0.01
        if (~clear & seen).any():
            assert error[~clear & seen].mean() > 0.02


@pytest.mark.slow
def test_worlds_hold_what_they_promise(stac_world):
    small = stac_world("small")
    shares = {name: float((small.clear(name) & small.seen[name]).mean()) for name in small.overpasses}
    assert min(shares.values()) == 0 and max(shares.values()) > 0.6
    assert min(float(seen.mean()) for seen in small.seen.values()) < 0.8  # the edge of the swath
    zones = {item["properties"]["proj:code"] for item in stac_world("zones").items()}
    assert zones == {"EPSG:32632", "EPSG:32633"}
    missing = [set(WORLDS["missing"].passes[i].missing) for i in range(3)]
    assert [
        {asset_key(b, "L2A", "earth-search") for b in one} & set(item["assets"])
        for one, item in zip(missing, stac_world("missing").items(), strict=True)
    ] == [set()] * 3


def test_radar_and_landcover_are_of_the_same_ground(served):
    world, site = served("small")
    grid = world.ground.geobox
    radar = odc.stac.load(found(site, collections=["sentinel-1-rtc"]), bands=["vv"], geobox=grid)["vv"].values
    cover = odc.stac.load(found(site, collections=["esa-worldcover"]), bands=["map"], geobox=grid)["map"].values[0]
    assert radar.shape[0] == 4 and radar.min() > 0
    assert (cover == world.ground.cover)[2:-2, 2:-2].mean() > 0.85  # twice to the nearest pixel
    assert radar[:, cover == 50].mean() > 5 * radar[:, cover == 80].mean()


def test_landsat_is_of_the_same_ground(served):
    world, site = served("small")
    items = found(site, collections=["landsat-c2-l2"])
    loaded = odc.stac.load(items, bands=["red", "qa_pixel"], geobox=world.ground.geobox.zoom_out(3), groupby="id")
    red = loaded["red"].values * np.float32(0.0000275) - np.float32(0.2)
    clear = loaded["qa_pixel"].values & (1 << 6) > 0
    truth = world.truth.sel(band="B04").coarsen(y=3, x=3).mean().values
    assert np.median(np.abs(red - truth)[clear]) < 0.003 < np.median(np.abs(red - truth)[~clear])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["berlin", "leipzig", "aberystwyth"])
def test_real_scenes_are_grounds_too(data, stac_world, name):
    day = Overpass("2025-06-03", cloud=0.2, says_applied=False, says_offset=-0.1)
    world = stac_world("plain", ground=name, passes=(day,))
    (item,) = world.items()
    with rasterio.open(world.folder / item["collection"] / item["id"] / "B08.tif") as file:
        numbers = file.read(1).astype(np.float32)
        assert (file.crs.to_epsg(), file.transform.c % 60, file.transform.f % 60) == (
            world.ground.geobox.crs.epsg,
            0,
            0,
        )
    error = np.abs((numbers - 1000) / 10_000 - world.truth.sel(band="B08").values)
    assert np.quantile(error[world.clear(item["id"])], 0.99) < 0.01


def test_server_is_up_soon():
    start = time.monotonic()
    with serving() as server:
        assert status_of(server.url) == 404
    assert time.monotonic() - start < 30  # measured at rest: under three
