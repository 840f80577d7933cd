"""Toy worlds, and the way to the real data."""

import dataclasses
import fcntl
import functools
import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

from helpers.commands import Command, Said

if TYPE_CHECKING:  # the process that hands out the tests reads this file, too, and needs none of these
    import xarray as xr
    from xdist.remote import Producer

    from citygrain.scene.synthetic import SyntheticCity
    from helpers.both_ends import FromBothEnds
    from helpers.pages import Checkout
    from helpers.stac_server import Server, Site
    from helpers.stac_world import World

ROOT = Path(__file__).parents[1]

pytest.register_assert_rewrite("helpers.pages")
settings.register_profile(
    "citygrain",
    deadline=None,  # shared machines are no stopwatches
    max_examples=50,
    derandomize=os.environ.get("CI") == "true",  # there the same cases each time; a developer's runs draw new ones
)
settings.register_profile("quick", settings.get_profile("citygrain"), max_examples=20)  # `make quick` asks for it
settings.load_profile("citygrain")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: no process is to wait for one at the end."""
    from helpers.both_ends import in_order

    in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "FromBothEnds | None":
    """Share the files among processes such that few of them load or make the same."""
    from helpers.both_ends import FromBothEnds

    return FromBothEnds(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Tests have no examples in their docstrings: do not look for any."""
    return [collector for collector in (yield) if not isinstance(collector, DoctestModule)]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage while all is imported, and leave it, for it stays, out of each later search."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 10, 20)  # a test makes much and keeps little: a tenth of its time went into searches
        gc.enable()


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real scenes; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CITYGRAIN_DATA", ROOT / "../shared/data"))
    if not (folder / "scenes").is_dir():
        pytest.skip(f"no real scenes in {folder}: set CITYGRAIN_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def commands_made() -> Callable[..., object]:
    """What typer makes of the functions of the command line, made once: a user's process needs it once, too."""
    from typer.main import get_command

    return functools.cache(get_command)


@pytest.fixture
def citygrain(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], commands_made: Callable[..., object]
) -> Command:
    """Run a command in this process, as the console script does."""
    from citygrain.cli import main

    monkeypatch.setattr("typer.main.get_command", commands_made)

    def command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["citygrain", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
            raise SystemExit(0)
        printed = capfd.readouterr()
        return Said(int(end.value.code or 0), printed.out, printed.err)

    return command


@pytest.fixture(scope="session")
def city() -> "SyntheticCity":
    """A small city with known truth."""
    from citygrain.scene.synthetic import synthetic_city

    return synthetic_city((256, 256), seed=3)


@pytest.fixture(scope="session")
def stac_server() -> "Iterator[Server]":
    """A server of STAC catalogues on loopback, in a process of its own; sites are added to it."""
    from helpers.stac_server import serving

    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def stac_world(tmp_path_factory: pytest.TempPathFactory) -> "Callable[..., World]":
    """Write a world of `helpers.stac_world.WORLDS` once in a session: `stac_world("border")`, changed by keywords."""

    @functools.cache
    def write(name: str, **changes: object) -> "World":
        from helpers.stac_world import WORLDS, write_world

        spec = dataclasses.replace(WORLDS[name], **changes)  # type: ignore[arg-type]
        return write_world(tmp_path_factory.mktemp("worlds") / name, spec)

    return write


@pytest.fixture
def served(stac_server: "Server", stac_world: "Callable[..., World]") -> "Callable[..., tuple[World, Site]]":
    """Serve a world on a site of its own: `world, site = served("border")`; no other test's faults, log or URLs."""

    def serve(name: str, **changes: object) -> "tuple[World, Site]":
        world = stac_world(name, **changes)
        return world, stac_server.serve(world.folder)

    return serve


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Checkout]":
    """A folder like a fresh checkout, where the commands of the guides run."""
    from helpers import pages
    from helpers.warm_commands import warm_commands

    folder = tmp_path_factory.mktemp("checkout")
    if pages.FULL:
        yield pages.checkout(folder)
        return
    with warm_commands(tmp_path_factory.mktemp("commands")) as commands:
        yield pages.checkout(folder, commands)


@pytest.fixture
def quilt() -> "tuple[xr.DataArray, xr.DataArray]":
    """Features (2, 40, 60) with a hole of no data, and superpixels of 5 x 5 pixels that leave the hole out."""
    import numpy as np
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from citygrain.tessellation import raster_like

    grid = GeoBox.from_bbox((0, 0, 600, 400), "EPSG:32633", resolution=10)
    rng = np.random.default_rng(0)
    values = rng.random((2, 40, 60), np.float32)
    labels = (np.arange(40)[:, None] // 5 * 12 + np.arange(60) // 5 + 1).astype(np.int32)
    hole = np.isin(labels, [50, 51])
    values[:, hole] = np.nan
    labels[hole] = 0
    labels[labels > 51] -= 2
    layers = [raster_like(layer, grid) for layer in values]
    features = xr.concat(layers, "band").assign_coords(band=["B04", "B08"])
    features.attrs.update(units="reflectance", sensor="sentinel-2")
    return features, raster_like(labels, grid)


UNDRAWN = ("citygrain.report.pages.encode_figure", lambda *_, **__: b"\x89PNG")


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Draw no picture for a report: for tests that read its words, or do not look at it."""
    with patch(*UNDRAWN):
        yield


@pytest.fixture(scope="session")
def finished_runs(city: "SyntheticCity", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs: `a`; `b`, whose map has other classes in places; `c`, with other superpixels.

    The process that comes first makes it; the others copy it.
    """
    together = tmp_path_factory.getbasetemp().parent  # of all processes of a session, where there are several
    made, own = together / "finished_runs", tmp_path_factory.mktemp("runs") / "own"
    with (together / "finished_runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if "PYTEST_XDIST_WORKER" not in os.environ:
            make_runs(city, own)
            return own
        if not made.exists():
            make_runs(city, made)
    shutil.copytree(made, own)
    for path in (*own.glob("*.toml"), *own.glob("?/manifest.json")):
        path.write_text(path.read_text(encoding="utf-8").replace(str(made), str(own)), encoding="utf-8")
    return own


def make_runs(city: "SyntheticCity", folder: Path) -> None:
    """Make the runs of `finished_runs`; the pictures of their reports are not drawn."""
    from citygrain.maps.thematic_map import ThematicMap
    from citygrain.models.card import read_card
    from citygrain.scene.codes import read_codes
    from citygrain.workflows.city.city_map import run_city_map
    from citygrain.workflows.config_file import read_config
    from helpers.city_runs import run_toml, write_city

    folder.mkdir()
    write_city(folder, city)
    for name, n_segments in (("a", 900), ("c", 1100)):
        (folder / f"{name}.toml").write_text(run_toml(per_class=60, n_segments=n_segments), encoding="utf-8")
        with patch(*UNDRAWN):
            run_city_map(read_config(folder / f"{name}.toml", {}), folder / name)
    shutil.copytree(folder / "a", folder / "b")
    city_map = ThematicMap.read(folder / "a/map.tif", read_card(folder / "a/model").legend)
    labels, codes = read_codes(folder / "a/segments.tif").values, city_map.codes.copy()
    codes.values[(labels % 4 == 0) & (codes.values == 2)] = 3
    ThematicMap(codes, city_map.confidence, city_map.legend).write(folder / "b/map.tif")
    record = json.loads((folder / "b/manifest.json").read_text(encoding="utf-8"))
    record["config"]["model"]["epochs"] = 11
    (folder / "b/manifest.json").write_text(json.dumps(record), encoding="utf-8")
