"""The command line of fetching: areas in all forms, one line for a mistake, a plan before anything is read."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DAYS = ("--from", "2025-05-01", "--to", "2025-08-31")
FEW = ("--bands", "B04,B08,B11", "--memory", "2GB")


def box(world):
    return ",".join(f"{edge:.6f}" for edge in world.bbox)


def test_a_plan_is_printed_and_nothing_is_written(served, citygrain, tmp_path):
    world, site = served("small")
    asked = ("fetch", "--bbox", box(world), *DAYS, "--catalogue", site.api, "--out", tmp_path / "x", *FEW, "--dry-run")
    said = citygrain(*asked)
    assert said.returncode == 0
    assert len([line for line in said.stdout.splitlines() if "% cloud" in line]) == 5
    assert "requests, about" in said.stdout and "of disk at most" in said.stdout
    told = json.loads(citygrain(*asked, "--json").stdout)
    assert told["bytes"] > 0 and len(told["items"]) == 10
    assert told["disk_bytes"] == told["copies_bytes"] + told["written_bytes"] > told["copies_bytes"] > 0
    assert not (tmp_path / "x").exists()


def test_a_city_is_fetched_by_its_name(served, citygrain, tmp_path):
    world, _ = served("plain")
    west, south, east, north = world.bbox
    (tmp_path / "places.csv").write_text(f"name,lon,lat\nToytown,{(west + east) / 2},{(south + north) / 2}\n")
    place = ("--place", "toytown", "--places", tmp_path / "places.csv", "--radius", "0.3")
    asked = (
        "fetch",
        *place,
        *DAYS,
        "--catalogue",
        world.folder,
        "--products",
        "sentinel-2",
        *FEW,
        "--out",
        tmp_path / "t",
    )
    said = citygrain(*asked)
    assert said.returncode == 0, said.stderr
    assert "clear at least once" in said.stdout and "bytes a pixel" in said.stdout
    assert (tmp_path / "t" / "city.toml").exists()
    assert "nothing was to be done" in citygrain(*asked).stdout
    assert json.loads(citygrain(*asked, "--json").stdout)["reused"] is True
    assert (
        citygrain("look", tmp_path / "t" / "s2.tif", "--rgb", "B11,B08,B04", "--out", tmp_path / "l.png").returncode
        == 0
    )


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "0 areas; wanted: one of --bbox, --area, or --place"),
        (("--bbox", "1,2,3,4", "--area", "x.geojson"), "2 areas"),
        (("--place", "Berlin"), "give --places FILE"),
        (("--bbox", "52,13,53,14", "--from", "spring"), "date 'spring'"),
        (("--bbox", "13,52,14,53", "--to", "2025-W30"), "date '2025-W30'"),
        (("--bbox", "13,52,14,53", "--offset", "5"), "offset 5; wanted: 0 or -1000"),
        (("--bbox", "13,52,14,53", "--products", "sentinel-2,sentinel-2"), "each once"),
        (("--bbox", "13,52,14,53", "--collection", "sentinel-2"), "wanted: PRODUCT=ID"),
        (("--bbox", "13,52,14,53", "--catalogue", "a", "--catalogue", "b"), "catalogues a and b"),
        (("--bbox", "13,52,14,53", "--catalogue", "elsewhere"), "catalogue elsewhere is unknown"),
        (("--bbox", "13,52,14,53", "--catalogue", "earth-search", "--products", "sentinel-2,modis"), "products"),
    ],
)
def test_a_mistake_is_one_line(citygrain, tmp_path, options, word):
    said = citygrain("fetch", *DAYS, "--out", tmp_path / "out", *options)
    assert said.returncode == 2
    assert len(said.stderr.strip().splitlines()) == 1
    assert word in said.stderr


def test_a_product_that_a_catalogue_has_not_is_told_before_anything_is_asked(citygrain, tmp_path, monkeypatch):
    from citygrain.imagery import transport

    monkeypatch.setattr(transport.requests.Session, "request", lambda *_, **__: pytest.fail("asked"))
    said = citygrain(
        "fetch", "--bbox", "13,52,14,53", *DAYS, "--catalogue", "earth-search", "--products", "sentinel-2,worldcover",
        "--out", tmp_path,
    )  # fmt: skip
    assert said.returncode == 2
    assert "earth-search has no worldcover" in said.stderr
    assert "--catalogue worldcover=NAME, with NAME one of planetary-computer" in said.stderr


def test_names_that_would_move_the_cursor_are_named(citygrain, tmp_path):
    said = citygrain("fetch", "--place", "a\x1b[2J", *DAYS, "--out", tmp_path / "x")
    assert said.stderr == "citygrain: place a\\x1b[2J without a file of places; give --places FILE\n"


ANSWERS_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that began these tests in the background has it ignored
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["*stac*", "*.tif"])
def test_ctrl_c_is_answered_though_the_server_is_silent(served, tmp_path, moment):
    from helpers import faults

    world, site = served("plain")
    command = [
        sys.executable, "-c", ANSWERS_CTRL_C, "-m", "citygrain", "fetch", "--bbox", box(world), *DAYS, *FEW,
        "--catalogue", site.api, "--products", "sentinel-2", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    site.faults(faults.slow(moment, 25))
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not site.requests(moment) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert time.monotonic() - pressed < 15
    assert process.returncode == 130
    assert said == "citygrain: interrupted; the same command goes on from the last finished step\n"


@pytest.mark.slow
def test_a_second_fetch_into_the_same_folder_is_refused(served, citygrain, tmp_path):
    from citygrain.files import sole_use

    world, site = served("plain")
    asked = ("fetch", "--bbox", box(world), *DAYS, *FEW, "--catalogue", site.api, "--products", "sentinel-2")
    tmp_path.joinpath("x").mkdir()
    with sole_use(tmp_path / "x"):
        said = citygrain(*asked, "--out", tmp_path / "x")
    assert said.returncode == 2 and "another process is writing into" in said.stderr
    assert not list((tmp_path / "x").iterdir())
    assert citygrain(*asked, "--out", tmp_path / "x").returncode == 0


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(served, tmp_path):
    from helpers import faults

    world, site = served("small")
    command = [
        sys.executable, "-c", "from citygrain.cli import main; main()", "fetch", "--bbox", box(world), *DAYS, *FEW,
        "--catalogue", site.api, "--products", "sentinel-2,worldcover", "--workers", "1", "--out", str(tmp_path),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    site.faults(faults.slow("*worldcover*.tif", 1.5))
    process = subprocess.Popen(command, env=environment)
    kept = tmp_path / ".fetch"
    end = time.monotonic() + 120
    while not list(kept.glob("s2_*.npz")) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "city.toml").exists() and list(kept.glob("s2_*.npz"))
    site.faults()
    site.clear()
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "clear at least once" in done.stdout
    assert not [
        entry for entry in site.log("*B04.tif") if entry.method == "GET"
    ]  # finished windows were not read again
    assert not kept.exists() and (tmp_path / "city.toml").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_run_takes_what_was_fetched(served, citygrain, tmp_path):
    world, site = served("small")
    asked = (
        "fetch",
        "--bbox",
        box(world),
        *DAYS,
        "--catalogue",
        site.api,
        "--memory",
        "2GB",
        "--out",
        tmp_path / "city",
    )
    assert citygrain(*asked).returncode == 0
    config = tmp_path / "city" / "city.toml"
    config.write_text(config.read_text() + 'window = 9\nper_class = 60\nblock = 500\n[model]\nname = "forest"\n')
    said = citygrain("run", config, "--out", tmp_path / "run")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "run" / "map.tif").exists()
    assert json.loads((tmp_path / "run" / "assessment.json").read_text())
