"""Toy worlds, and the way to the real data."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings
from odc.geo.geobox import GeoBox

from citygrain.scene.synthetic import SyntheticCity, synthetic_city
from citygrain.tessellation import raster_like
from helpers.commands import Command, Said

ROOT = Path(__file__).parents[1]

settings.register_profile(
    "citygrain",
    deadline=None,  # shared machines are no stopwatches
    max_examples=50,
    derandomize=os.environ.get("CI") == "true",  # there the same cases each time; a developer's runs draw new ones
)
settings.load_profile("citygrain")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the pages: they take as long as all other files together, which go on beside them."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real scenes; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CITYGRAIN_DATA", ROOT / "../shared/data"))
    if not (folder / "scenes").is_dir():
        pytest.skip(f"no real scenes in {folder}: set CITYGRAIN_DATA")
    return folder.resolve()


@pytest.fixture
def citygrain(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, as the console script does."""
    from citygrain.cli import main

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
def city() -> SyntheticCity:
    """A small city with known truth."""
    return synthetic_city((256, 256), seed=3)


@pytest.fixture
def quilt() -> tuple[xr.DataArray, xr.DataArray]:
    """Features (2, 40, 60) with a hole of no data, and superpixels of 5 x 5 pixels that leave the hole out."""
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


@pytest.fixture(scope="session")
def finished_runs(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs: `a`; `b`, whose map has other classes in places; `c`, with other superpixels."""
    from citygrain.maps.thematic_map import ThematicMap
    from citygrain.models.card import read_card
    from citygrain.scene.codes import read_codes
    from citygrain.workflows.city_map import run_city_map
    from citygrain.workflows.config import read_config
    from helpers.city_runs import run_toml, write_city

    folder = tmp_path_factory.mktemp("runs")
    write_city(folder, city)
    for name, n_segments in (("a", 900), ("c", 1100)):
        (folder / f"{name}.toml").write_text(run_toml(per_class=60, n_segments=n_segments), encoding="utf-8")
        run_city_map(read_config(folder / f"{name}.toml", {}), folder / name)
    shutil.copytree(folder / "a", folder / "b")
    city_map = ThematicMap.read(folder / "a/map.tif", read_card(folder / "a/model").legend)
    labels, codes = read_codes(folder / "a/segments.tif").values, city_map.codes.copy()
    codes.values[(labels % 4 == 0) & (codes.values == 2)] = 3
    ThematicMap(codes, city_map.confidence, city_map.legend).write(folder / "b/map.tif")
    record = json.loads((folder / "b/manifest.json").read_text(encoding="utf-8"))
    record["config"]["model"]["epochs"] = 11
    (folder / "b/manifest.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
