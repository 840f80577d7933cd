"""A fetch from a served catalogue: clear ground comes out, faults lose nothing, and the same command gives the same."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from citygrain.errors import InputError, OutputError
from citygrain.imagery.area import area_from_bbox
from citygrain.imagery.sources import read_sources
from citygrain.imagery.transport import Transport
from citygrain.scene.read import read_scene
from citygrain.workflows.fetching import fetch_work
from citygrain.workflows.fetching.fetch import FetchOptions, fetch, plan_fetch
from citygrain.workflows.fetching.fetch_request import FetchRequest
from citygrain.workflows.fetching.fetch_windows import Scratch
from helpers import faults

pytestmark = pytest.mark.slow

BANDS = ("B02", "B03", "B04", "B08", "B11")


def ask(world, site, **changes):
    usual = {"catalogue": site.api, "products": ("sentinel-2",), "bands": BANDS}
    return FetchRequest(area_from_bbox(world.bbox), "2025-05-01", "2025-08-31", **(usual | changes))


def quickly(**changes):
    return FetchOptions(memory="2GB", workers=2, transport=Transport(retries=3, timeout=10, back_off=0.01), **changes)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Wait no longer than needed between attempts, nor let GDAL wait."""
    from citygrain.imagery import patience, transport

    options = transport.gdal_options
    monkeypatch.setattr(transport, "gdal_options", lambda: options() | {"GDAL_HTTP_RETRY_DELAY": 0.025})
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)


WELL = {}


@pytest.fixture
def well(served, tmp_path_factory):
    """The folder of a fetch of the world `plain` without any fault; made once, not to be changed."""
    if "plain" not in WELL:
        WELL["plain"] = tmp_path_factory.mktemp("well")
        fetch(ask(*served("plain")), WELL["plain"], quickly())
    return WELL["plain"]


def pixels(path):
    with rasterio.open(path) as file:
        return file.read()


def on_truth(world, path):
    """Return the fetched reflectance and the truth, pixel on pixel."""
    scene = read_scene(path)
    truth = world.truth.sel(band=list(scene.band.values))
    dx = round(float(truth.x[0] - scene.x[0])) // 10
    dy = round(float(scene.y[0] - truth.y[0])) // 10
    return scene.values[:, dy : dy + truth.shape[1], dx : dx + truth.shape[2]], truth.values


def test_clear_ground_comes_out(served, tmp_path):
    world, site = served("small")
    done = fetch(ask(world, site, products=("sentinel-2", "sentinel-1", "worldcover")), tmp_path, quickly())
    made, truth = on_truth(world, tmp_path / "s2.tif")
    seen = np.isfinite(made).all(0)
    assert seen.mean() > 0.7
    error = np.abs(made - truth)[:, seen]
    assert np.median(error) < 0.02
    counts = pixels(tmp_path / "clear.tif")[0]
    assert counts.max() <= 5
    assert done.seen == pytest.approx((counts > 0).mean())
    assert np.array_equal(counts > 0, (pixels(tmp_path / "s2.tif") > 0).all(0))
    power = pixels(tmp_path / "s1.tif")
    assert power.shape == (2, *counts.shape) and np.nanmin(power) > 0
    assert set(np.unique(pixels(tmp_path / "worldcover.tif"))) <= {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(done.files)
    told = json.loads((tmp_path / "sources.json").read_text())
    assert len(told["radiometry"]) == done.images["sentinel-2"] == 5
    assert all(each["attribution"] and each["licence_url"] for each in told["sources"])
    assert set(read_sources(tmp_path)) == {"s2.tif", "clear.tif", "s1.tif", "worldcover.tif"}
    with rasterio.open(tmp_path / "s2.tif") as file:
        assert file.tags()["level"] == "L2A" and file.descriptions == BANDS and file.scales[0] == pytest.approx(1e-4)


@pytest.mark.parametrize("method", ["median", "medoid", "best"])
def test_no_window_matters(served, tmp_path, monkeypatch, method):
    world, site = served("small")
    whole = fetch(ask(world, site, method=method), tmp_path / "whole", quickly())
    monkeypatch.setattr(fetch_work, "window_side", lambda *_, **__: 100)
    parts = fetch(ask(world, site, method=method), tmp_path / "parts", quickly())
    assert whole.seen == parts.seen
    for name in ("s2.tif", "clear.tif"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_same_command_gives_the_same(served, tmp_path):
    world, site = served("plain")
    fetch(ask(world, site), tmp_path, quickly())
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert fetch(ask(world, site), tmp_path, quickly()).reused
    (tmp_path / "s2.tif").unlink()
    assert not fetch(ask(world, site), tmp_path, quickly()).reused
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_another_request_and_changed_images_are_refused(served, tmp_path, stac_server):
    world, _ = served("plain")
    copy = tmp_path / "catalogue"
    shutil.copytree(world.folder, copy)
    out = tmp_path / "out"
    asked = ask(world, stac_server.serve(copy), catalogue=str(copy))
    fetch(asked, out, quickly())
    with pytest.raises(InputError, match=r"holds another fetch \(method: .*--update"):
        fetch(replace(asked, method="medoid"), out, quickly())
    gone = sorted(copy.glob("sentinel-2-l2a/S2*"))[0]
    collection = copy / "sentinel-2-l2a" / "collection.json"
    document = json.loads(collection.read_text())
    document["links"] = [link for link in document["links"] if gone.name not in link["href"]]
    collection.write_text(json.dumps(document))
    before = (out / "s2.tif").read_bytes()
    with pytest.raises(InputError, match=f"1 changes since .*{gone.name} is no longer there.*--update"):
        fetch(asked, out, quickly())
    assert (out / "s2.tif").read_bytes() == before
    assert fetch(asked, out, quickly(update=True)).images == {"sentinel-2": 2}


@pytest.mark.parametrize(
    "fault",
    [
        faults.slow("*.tif", 0.05),
        faults.busy("*.tif", times=3),
        faults.unavailable("*.tif", times=4),
        faults.cut("*.tif", 100, times=3),
        faults.missing("*B04.tif", times=1, after=6),
    ],
    ids=["slow", "429", "503", "cut", "404 for once"],
)
def test_faults_that_pass_lose_nothing(served, well, tmp_path, fault):
    world, site = served("plain")
    site.faults(fault)
    fetch(ask(world, site), tmp_path, quickly())
    assert site.struck()[0] > 0
    assert (well / "s2.tif").read_bytes() == (tmp_path / "s2.tif").read_bytes()


@pytest.mark.parametrize(
    "fault", [faults.missing("*B04.tif"), faults.truncated("*B04.tif", 9000)], ids=["404", "truncated"]
)
def test_faults_that_stay_are_told_and_leave_nothing_half_written(served, tmp_path, fault):
    world, site = served("plain")
    site.faults(fault)
    with pytest.raises(InputError) as error:
        fetch(ask(world, site), tmp_path, quickly())
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".tif", ".toml", ".json")]
    assert (tmp_path / ".fetch").exists() == (fault.kind == "truncated")  # where headers cannot be read nothing is kept


def test_a_fetch_that_was_killed_goes_on(served, tmp_path, monkeypatch):
    world, site = served("small")
    monkeypatch.setattr(fetch_work, "window_side", lambda *_, **__: 100)
    whole = fetch(ask(world, site), tmp_path / "whole", quickly())
    made, real = [], fetch_work.optical_window

    def dies(*arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(arguments[1])
        return real(*arguments)

    monkeypatch.setattr(fetch_work, "optical_window", dies)
    with pytest.raises(KeyboardInterrupt):
        fetch(ask(world, site), tmp_path / "killed", replace(quickly(), workers=1))
    assert not (tmp_path / "killed" / "s2.tif").exists()
    monkeypatch.setattr(fetch_work, "optical_window", lambda *a: made.append(a[1]) or real(*a))
    again = fetch(ask(world, site), tmp_path / "killed", quickly())
    assert again.seen == whole.seen
    assert len(made) == 9
    assert (tmp_path / "killed" / "s2.tif").read_bytes() == (tmp_path / "whole" / "s2.tif").read_bytes()
    assert not (tmp_path / "killed" / ".fetch").exists()


def test_images_that_contradict_themselves_are_refused_with_the_evidence(served, tmp_path):
    world, site = served("flag_lies_applied")
    with pytest.raises(InputError) as error:
        fetch(ask(world, site), tmp_path, replace(quickly(), workers=1))
    assert "S2B_33UUU" in str(error.value)
    copies = sorted(path.name for path in tmp_path.rglob("*.tif"))
    assert len(copies) == 4  # of B02 to SCL of three images: no more is copied than tells
    fetch(ask(world, site, offset=-1000.0), tmp_path, quickly())
    made, truth = on_truth(world, tmp_path / "s2.tif")
    assert np.nanmedian(np.abs(made - truth)) < 0.02


def test_a_border_of_tiles_and_one_of_zones_leave_no_seam(served, tmp_path):
    for name in ("border", "zones"):
        world, site = served(name)
        fetch(ask(world, site), tmp_path / name, quickly())
        made, truth = on_truth(world, tmp_path / name / "s2.tif")
        seen = np.isfinite(made).all(0)
        assert seen.mean() > 0.6
        assert np.median(np.abs(made - truth)[:, seen]) < 0.02


def test_seasons_are_files_of_their_own(served, tmp_path):
    world, site = served("small")
    request = replace(ask(world, site, seasons=True), first="2025-01-01", last="2025-12-31")
    done = fetch(request, tmp_path, quickly())
    names = {name for name in done.files if name.startswith("s2_")}
    assert names == {"s2_winter.tif", "s2_spring.tif", "s2_summer.tif"}
    assert all((tmp_path / name.replace("s2", "clear")).exists() for name in names)


def test_radar_has_seasons_too(served, tmp_path):
    world, site = served("small")
    asked = replace(ask(world, site, bands=("B04",), products=("sentinel-2", "sentinel-1")), first="2025-01-01")
    done = fetch(replace(asked, seasons=True), tmp_path / "parts", quickly())
    assert [name for name in done.files if name.startswith("s1")] == ["s1_summer.tif"]
    fetch(asked, tmp_path / "whole", quickly())  # all its days are of the summer
    assert np.array_equal(pixels(tmp_path / "whole/s1.tif"), pixels(tmp_path / "parts/s1_summer.tif"), equal_nan=True)
    assert set(read_sources(tmp_path / "parts")) == {name for name in done.files if name.endswith(".tif")}
    assert "s1_summer" not in (tmp_path / "parts/city.toml").read_text()  # dates have the same bands
    summer = replace(asked, seasons=True, first="2025-06-01")
    fetch(summer, tmp_path / "summer", quickly())
    assert 'path = ["s2_summer.tif", "s1_summer.tif"]' in (tmp_path / "summer/city.toml").read_text()


def test_radar_is_filtered_alike_in_windows_of_any_size(served, tmp_path, monkeypatch):
    world, site = served("small")
    asked = ask(world, site, products=("sentinel-2", "sentinel-1"), bands=("B04",))
    filtered = replace(asked, radar="median", speckle="refined-lee")
    fetch(asked, tmp_path / "plain", quickly())
    fetch(filtered, tmp_path / "whole", quickly())
    monkeypatch.setattr(fetch_work, "window_side", lambda *_, **__: 100)
    fetch(filtered, tmp_path / "parts", quickly())
    assert (tmp_path / "whole" / "s1.tif").read_bytes() == (tmp_path / "parts" / "s1.tif").read_bytes()
    plain, whole = pixels(tmp_path / "plain" / "s1.tif"), pixels(tmp_path / "whole" / "s1.tif")
    assert np.array_equal(np.isfinite(plain), np.isfinite(whole))
    assert np.nanmean(whole) < np.nanmean(plain)
    with rasterio.open(tmp_path / "whole" / "s1.tif") as file:
        told = file.tags()
    assert (told["method"], told["speckle"], told["looks"]) == ("median", "refined-lee", "4.4")
    with pytest.raises(InputError, match=r"holds another fetch \(speckle: .*refined-lee.* then, .*lee.* now\)"):
        fetch(replace(filtered, speckle="lee"), tmp_path / "whole", quickly())


def test_clouds_that_grow_less_leave_more(served, tmp_path):
    world, site = served("small")
    seen = [
        fetch(ask(world, site, bands=("B04",), dilation=metres), tmp_path / f"{metres}", quickly()).seen
        for metres in (0.0, 300.0)
    ]
    assert seen[0] > 0.85 and seen[1] < 0.75  # the grid is a little larger than the world


def test_nothing_found_says_what_to_do(served, tmp_path):
    world, site = served("small")
    with pytest.raises(InputError, match="choose more days or a higher --cloud-max"):
        fetch(ask(world, site, cloud_max=0.0), tmp_path, quickly())
    with pytest.raises(InputError, match="no sentinel-2"):
        fetch(replace(ask(world, site), first="2019-01-01", last="2019-02-01"), tmp_path, quickly())


def test_a_disk_too_small_is_refused_before_anything_is_copied(served, tmp_path, monkeypatch):
    world, site = served("plain")
    plan = plan_fetch(ask(world, site), quickly())
    need = plan.disk + plan.written
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need - 1))
    with pytest.raises(
        OutputError, match=r"MB free; wanted: .* MB for copies of the images and what.*; free disk"
    ) as error:
        fetch(ask(world, site), tmp_path, quickly())
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.tif"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need))
    assert fetch(ask(world, site), tmp_path, quickly()).seen > 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert fetch(ask(world, site), tmp_path, quickly()).reused


@pytest.mark.parametrize("seasons", [False, True])
def test_no_more_disk_is_taken_than_was_foretold(served, tmp_path, monkeypatch, seasons):
    world, site = served("small")
    asked = ask(world, site, seasons=seasons, products=("sentinel-2", "sentinel-1", "worldcover"))
    plan = plan_fetch(asked, quickly())
    taken, real = [], Scratch.clear

    def weighed(scratch):
        taken.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
        real(scratch)

    monkeypatch.setattr(Scratch, "clear", weighed)
    done = fetch(asked, tmp_path, quickly())
    assert (
        0.5 * (plan.disk + plan.written) < max(taken) < plan.disk + plan.written + 4096 * sum(done.images.values()) * 7
    )


def test_copies_that_are_there_need_no_more_disk(served, tmp_path, monkeypatch):
    world, site = served("plain")
    written = plan_fetch(ask(world, site), quickly()).written

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetch_work, "optical_window", dies)
        with pytest.raises(KeyboardInterrupt):
            fetch(ask(world, site), tmp_path, quickly())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=written))
    assert fetch(ask(world, site), tmp_path, quickly()).seen > 0


def test_a_plan_reads_no_images(served):
    world, site = served("small")
    plan = plan_fetch(ask(world, site, products=("sentinel-2", "worldcover")), quickly())
    assert len(plan.items) == 6
    assert plan.bytes > 0 and plan.seconds


@pytest.mark.parametrize(
    "wrong",
    [{"products": ("worldcover",)}, {"products": ("sentinel-2", "modis")}, {"method": "mean"}, {"bands": ("B99",)},
     {"bands": ("B02", "B02")}, {"cloud_max": -1.0}, {"dilation": -1.0}, {"resolution": 60},
     {"radar": "max"}, {"speckle": "frost"}],
)  # fmt: skip
def test_wrong_wishes_are_refused_before_anything_is_asked(served, wrong, tmp_path):
    world, site = served("plain")
    with pytest.raises(InputError, match="wanted") as error:
        fetch(ask(world, site, **wrong), tmp_path, quickly())
    assert "\n" not in str(error.value)
    assert site.requests() == 0


def test_tokens_that_expire_are_renewed(served, well, tmp_path, monkeypatch, caplog):
    from citygrain.imagery.catalogues import Signing, catalogue_named
    from citygrain.workflows.fetching import fetch_request

    world, site = served("plain")
    site.faults(faults.expired(uses=15))
    signing = Signing("sas", f"{site.tokens}/token", ("127.0.0.1",))
    monkeypatch.setattr(fetch_request, "catalogue_named", lambda name: replace(catalogue_named(name), signing=signing))
    fetch(ask(world, site), tmp_path / "signed", quickly())
    assert (well / "s2.tif").read_bytes() == (tmp_path / "signed" / "s2.tif").read_bytes()
    assert site.requests("sas/token/*") > 1
    assert "sig=" not in caplog.text
    for path in (tmp_path / "signed").glob("*.*"):
        assert b"sig=" not in path.read_bytes()
