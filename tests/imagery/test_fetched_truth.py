"""What `citygrain fetch` makes of a catalogue is scored against the ground that the catalogue was made from."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from helpers.fetched import fetch_middle, read_fetched, rms
from helpers.stac_ground import backscatter
from helpers.stac_items import FLAVOURS
from helpers.stac_plans import WORLDS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("method", "seen_often"), [("median", 0.003), ("medoid", 0.004), ("best", 0.006)])
def test_composite_is_the_ground(fetch, method, seen_often):
    """Six days, one all cloud, one half beyond the swath; a plain median of all is 0.08 to 0.15 from the truth."""
    _, got = fetch("small", "--method", method)
    for band in ("B02", "B03", "B04", "B08", "B11", "B12"):
        assert rms(got.error(band)) < 0.006, band
        assert rms(got.error(band)[got.count >= 3]) < seen_often, band
    assert np.isfinite(got.bands["B04"]).mean() > 0.7
    assert ((got.count == 0) == np.isnan(got.bands["B04"])).all()


def test_counted_observations_were_clear(fetch):
    _, got = fetch("small", "--method", "median")
    assert (got.count > got.clear()).mean() < 0.1  # faint shadows that the classes overlook
    assert (got.count > got.clear() + 1).mean() < 0.01


def test_a_hidden_ground_stays_no_data(fetch):
    _, got = fetch("hidden", "--cloud-max", 100)
    empty = got.count == 0
    assert all(np.isnan(band[empty]).all() and np.isfinite(band[~empty]).all() for band in got.bands.values())
    assert empty.mean() > 0.7 and not (got.count[got.clear() == 0] > 0).mean() > 0.1


def test_tile_border_leaves_no_seam(fetch):
    _, got = fetch("border")
    width = got.world.ground.geobox.shape[1]
    edges = [round(share * width / 12) * 12 - got.window[1].start for share in (0.4, 0.6)]
    for band in ("B02", "B08", "B11"):
        error = got.error(band)
        assert rms(error[got.count > 0]) < 0.006
        columns = np.arange(error.shape[1])
        near = np.min([np.abs(columns - edge) for edge in edges], 0) <= 3
        assert rms(error[:, near]) < 1.5 * rms(error[:, ~near]) + 0.0005, band


def test_the_two_tiles_of_a_day_count_once(fetch):
    _, got = fetch("border")
    assert got.count.max() <= len({one.day for one in WORLDS["border"].passes})


def test_two_zones_become_one_grid(fetch):
    """The western tile was resampled twice, there and back, so its error is that of two interpolations."""
    _, got = fetch("zones")
    assert (got.count > 0).mean() > 0.9
    width = got.world.ground.geobox.shape[1]
    own = np.arange(got.count.shape[1]) + got.window[1].start >= round(0.6 * width / 12) * 12
    for band in ("B04", "B08"):
        error = got.error(band)
        assert rms(error[:, own]) < 0.006
        assert abs(np.nanmean(error[:, ~own])) < 0.002  # no shift of the values
        assert rms(error[:, ~own]) < 0.03


@pytest.mark.parametrize("name", ["flag_lies_applied", "flag_lies_not_applied"])
def test_wrong_flags_are_refused_with_the_evidence(citygrain, served, tmp_path, name):
    out = tmp_path / "out"
    said = fetch_middle(citygrain, *served(name), out)
    assert said.returncode == 2
    assert "1000" in said.stderr and "offset" in said.stderr
    assert not list(out.glob("*.tif"))


@pytest.mark.parametrize(("name", "offset"), [("flag_lies_applied", -1000), ("flag_lies_not_applied", 0)])
def test_the_user_decides_and_it_is_recorded(fetch, name, offset):
    _, got = fetch(name, "--offset", offset)
    assert rms(got.error("B04")) < 0.005
    written = " ".join(path.read_text(encoding="utf-8") for path in got.folder.glob("*.json"))
    assert "offset" in written and any(str(number) in written for number in {offset, abs(offset) / 10_000})


@pytest.mark.parametrize("name", ["plain", "baselines", "flags_contradict"])
def test_offset_is_taken_off_once(fetch, name):
    """As ESA delivers it; an old and a new baseline on one day; two flags, of which the data confirm one."""
    _, got = fetch(name)
    for band in ("B02", "B04", "B08", "B12"):
        assert rms(got.error(band)) < 0.005, band


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_catalogue_gives_the_same_pixels(fetch, flavour):
    flags = {"offset": 1000, "says_applied": False, "says_offset": -0.1}
    passes = tuple(replace(one, **flags) for one in WORLDS["plain"].passes)
    _, got = fetch("plain", flavour=flavour, passes=passes)
    _, other = fetch("plain", flavour=FLAVOURS[0], passes=passes)
    for band, values in other.bands.items():
        np.testing.assert_array_equal(got.bands[band], values)


def test_images_without_an_asset_are_told(fetch):
    said, got = fetch("missing")
    assert "SCL" in said.stderr + said.stdout or "S2B_33UUU_20250603" in said.stderr + said.stdout
    assert rms(got.error("B04")) < 0.005


def test_an_image_processed_twice_counts_once(fetch):
    _, got = fetch("duplicates")
    assert got.count.max() == 2
    lock = json.loads((got.folder / "fetch.lock.json").read_text(encoding="utf-8"))
    names = [item["id"] for source in lock["sources"] for item in source["items"]]
    assert "S2B_33UUU_20250603_1_L2A" in names and "S2B_33UUU_20250603_0_L2A" not in names


def test_level_1c_is_not_mixed_in(fetch):
    _, got = fetch("l1c")
    assert got.count.max() == 1


@pytest.mark.parametrize("ground", ["berlin", "leipzig"])
def test_real_cities_come_back(fetch, data, ground):
    crs = {"berlin": "EPSG:32633", "leipzig": "EPSG:32632"}[ground]  # Leipzig's scene is not in the zone of its place
    _, got = fetch("plain", "--crs", crs, ground=ground)
    for band in ("B02", "B08", "B11"):
        assert rms(got.error(band)) < 0.005, band


def test_seasons_have_their_own_canopy(citygrain, served, tmp_path):
    """A composite of each season: green where it was green, by the truth of that season."""
    world, site = served("seasons")
    dates = ("2025-01-01", "2025-12-31")
    said = fetch_middle(citygrain, world, site, tmp_path / "out", "--seasons", dates=dates)
    assert said.returncode == 0, said.stderr
    for name, season in {"winter": -1.0, "spring": 0.5, "summer": 1.0, "autumn": -0.3}.items():
        got = read_fetched(tmp_path / "out", world, f"_{name}")
        for band in ("B04", "B08"):
            assert rms(got.error(band, season)) < 0.006, (name, band)


def test_radar_is_the_mean_of_its_days(fetch):
    """Four days of 4.4 looks: the mean deviates by the square root of 1 / 17.6, and is not shifted."""
    _, got = fetch("small", "--products", "sentinel-2,sentinel-1,worldcover")
    with rasterio.open(got.folder / "s1.tif") as file:
        power, names = file.read(), file.descriptions
    ratio = power[names.index("VV")] / backscatter(got.world.ground)[0][got.window]
    assert abs(ratio.mean() - 1) < 0.01
    assert 0.15 < ratio.std() < 0.30
    with rasterio.open(got.folder / "worldcover.tif") as file:
        assert (file.read(1) == got.world.ground.cover[got.window]).mean() > 0.85  # to the nearest pixel, twice


def test_the_same_command_gives_the_same_bytes(citygrain, served, tmp_path):
    world, site = served("plain")
    for out in ("a", "b"):
        assert fetch_middle(citygrain, world, site, tmp_path / out, "--workers", 1 if out == "a" else 4).returncode == 0
    for name in ("s2.tif", "clear.tif"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    site.clear()
    assert fetch_middle(citygrain, world, site, tmp_path / "a").returncode == 0
    assert site.bytes("*.tif") == 0, "what is there is not read again"
