"""Requests are repeated when that can help, never without end, and go nowhere else."""

import time

import numpy as np
import pytest
import rasterio

from citygrain.errors import InputError
from citygrain.imagery.transport import Transport, forget_all, gdal_traffic, reading, refuse_address
from helpers import faults


def quick(**options: float) -> Transport:
    return Transport(**{"retries": 3, "timeout": 5, "back_off": 0.01, **options})


def first_file(world, site, pattern="*B04.tif") -> str:
    path = sorted(world.folder.glob(f"*/*/{pattern}"))[0]
    return f"{site.url}/static/{path.relative_to(world.folder).as_posix()}"


@pytest.mark.slow
def test_a_server_is_waited_for_as_it_asks(served):
    _, site = served("plain")
    site.faults(faults.busy("static/catalog.json", retry_after="1", times=1))
    start = time.monotonic()
    assert quick().get_json(site.catalog)["type"] == "Catalog"
    assert 0.9 < time.monotonic() - start < 30


def test_a_server_is_not_asked_for_ever(served):
    _, site = served("plain")
    site.faults(faults.unavailable("static/catalog.json", times=None))
    with pytest.raises(InputError, match=r"answered 503 .*; the server is busy"):
        quick().get_json(site.catalog)
    assert site.requests("static/catalog.json") == 4


def test_what_is_asked_again_is_no_warning(caplog):
    with pytest.raises(InputError, match="cannot be reached"):
        quick().get_json("http://127.0.0.1:9/catalog.json")
    assert not caplog.records


@pytest.mark.parametrize("fault", [faults.cut("static/catalog.json"), faults.cut("static/catalog.json", 20)])
def test_a_cut_answer_is_never_half_an_answer(served, fault):
    _, site = served("plain")
    site.faults(fault)
    try:
        assert quick().get_json(site.catalog)["type"] == "Catalog"
    except InputError as error:
        assert "127.0.0.1" in str(error)
    assert quick().get_json(site.catalog)["type"] == "Catalog"


def test_a_silent_server_is_given_up(served):
    _, site = served("plain")
    site.faults(faults.slow("static/catalog.json", 3.0))
    with pytest.raises(InputError, match="does not answer"):
        quick(retries=0, timeout=0.3).get_json(site.catalog)


def test_requests_are_counted(served):
    _, site = served("plain")
    transport = quick()
    transport.get_json(site.catalog)
    assert transport.traffic.requests == 1
    assert transport.traffic.bytes == site.bytes("static/catalog.json")


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "file:///etc/passwd", "ftp://a.org", "https://user:word@a.org", "https://", "gopher://x"],
)
def test_only_https_and_this_machine_are_asked(url):
    with pytest.raises(InputError, match="wanted: https, or http on this machine") as error:
        refuse_address(url)
    assert "word" not in str(error.value)


def test_gdal_counts_what_it_reads(served):
    world, site = served("plain")
    site = site.server.serve(world.folder)  # at an address that GDAL has not seen
    before, site_before = gdal_traffic(), site.bytes("*.tif")
    if before is None:
        pytest.skip("GDAL cannot be asked here")
    with reading(), rasterio.open(first_file(world, site)) as source:
        source.read(1)
    after = gdal_traffic()
    assert after[0] > before[0]
    assert after[1] - before[1] == site.bytes("*.tif") - site_before > 0


@pytest.mark.slow
def test_gdal_asks_again(served):
    world, site = served("plain")
    address = first_file(world, site)
    with reading(), rasterio.open(address) as source:
        whole = source.read(1)
    site = site.server.serve(world.folder)
    site.faults(faults.unavailable("*.tif", times=2))
    with reading(), rasterio.open(first_file(world, site)) as source:
        assert np.array_equal(source.read(1), whole)


def test_an_absent_file_may_come_back(served):
    world, site = served("plain")
    address = first_file(world, site)
    site.faults(faults.missing("*.tif"))
    with reading(), pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(address)
    site.faults()
    forget_all()
    with reading(), rasterio.open(address) as source:
        assert source.count == 1
