"""Whatever happens on the way, a fetch ends with the same files or with one clear line, and nothing half-written."""

import hashlib
from pathlib import Path

import pytest

from helpers import faults
from helpers.fetched import fetch_middle

pytestmark = pytest.mark.slow

TIF = "static/sentinel-2-l2a/*.tif"
HEALING = {
    "the search is unavailable once": [faults.unavailable("stac/search")],
    "the search asks to wait": [faults.busy("stac/search", retry_after="0")],
    "the search is cut off": [faults.cut("stac/search", 100)],
    "the landing page is unavailable twice": [faults.unavailable("stac*", times=2)],
    "files ask to wait": [faults.busy(TIF, retry_after="0", times=5, after=3)],
    "files ask to wait and do not say how long": [faults.busy(TIF, retry_after=None, times=3)],
    "files are unavailable": [faults.unavailable(TIF, times=4, after=2)],
    "the gateway fails": [faults.unavailable(TIF, status=502, times=3)],
    "connections break at once": [faults.cut(TIF, 0, times=3, after=4)],
    "connections break in the middle": [faults.cut(TIF, 900, times=5, after=6)],
    "headers break off before the projection": [faults.cut(TIF, 500, times=3)],
    "everything is slow": [faults.slow("*", 0.005, per_megabyte=0.5)],
}
LASTING = {
    "a band is gone": [faults.missing("*20250703*B04.tif")],
    "a file is truncated": [faults.truncated("*20250703*B08.tif", 6_000)],
    "files stay unavailable": [faults.unavailable("*B11.tif", times=None)],
    "connections always break": [faults.cut("*B03.tif", 500, times=None)],
    "all is forbidden": [faults.expired(uses=0)],
}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a twentieth of what a fetch waits before it asks again, as often as it does."""
    from citygrain.imagery import transport
    from citygrain.imagery.patience import patiently

    options = transport.gdal_options
    monkeypatch.setattr(transport, "gdal_options", lambda: options() | {"GDAL_HTTP_RETRY_DELAY": 0.025})
    monkeypatch.setitem(patiently.__kwdefaults__, "wait", 0.05)
    monkeypatch.setitem(transport.Transport.__init__.__kwdefaults__, "back_off", 0.025)


def prints(folder: Path) -> dict[str, str]:
    """Checksums of the rasters."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tif"))}


@pytest.fixture(scope="module")
def calm() -> dict[str, dict[str, str]]:
    """Rasters of a fetch without faults, once it has been made."""
    return {}


@pytest.fixture
def undisturbed(calm, citygrain, served, tmp_path) -> dict[str, str]:
    if not calm:
        assert fetch_middle(citygrain, *served("plain"), tmp_path / "calm").returncode == 0
        calm["plain"] = prints(tmp_path / "calm")
    return calm["plain"]


@pytest.mark.parametrize("what", HEALING)
def test_what_heals_changes_no_pixel(citygrain, served, tmp_path, undisturbed, what):
    world, site = served("plain")
    site.faults(*HEALING[what])
    said = fetch_middle(citygrain, world, site, tmp_path / "out")
    assert said.returncode == 0, said.stderr
    assert sum(site.struck()) > 0
    assert prints(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("what", LASTING)
def test_what_lasts_is_told_and_mended_later(citygrain, served, tmp_path, undisturbed, what):
    world, site = served("plain")
    site.faults(*LASTING[what])
    out = tmp_path / "out"
    said = fetch_middle(citygrain, world, site, out)
    assert said.returncode != 0
    assert "Traceback" not in said.stderr and len(said.stderr.strip().splitlines()[-1]) < 400
    assert "s2.tif" not in prints(out)
    site.faults()
    again = fetch_middle(citygrain, world, site, out)
    assert again.returncode == 0, again.stderr
    assert prints(out) == undisturbed
    left = {path.suffix for path in out.rglob("*") if path.is_file()}
    assert left <= {".tif", ".toml", ".json", ".xml", ".md", ".txt"}, "nothing half-written stays"


def test_a_catalogue_that_is_not_there_is_one_line(citygrain, served, stac_server, tmp_path):
    from dataclasses import replace

    world, site = served("plain")
    gone = replace(site, server=type("Gone", (), {"url": "http://127.0.0.1:9"})())
    said = fetch_middle(citygrain, world, gone, tmp_path / "out")
    assert said.returncode == 2
    assert "127.0.0.1:9" in said.stderr and "Traceback" not in said.stderr
    assert not list((tmp_path / "out").rglob("*.tif"))
