"""`citygrain map` with models of cells, as a user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from distributed import LocalCluster
from odc.geo.geobox import GeoBox

from citygrain.legend import LCZ
from citygrain.models.catalogue import make_model
from citygrain.samples.samples import Samples
from citygrain.scene.write import write_cog
from helpers.commands import Command

BANDS = ("B02", "B03", "B04")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dates of one ground, and a model of patches that has learned bright from dark."""
    folder = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(0)
    grid = GeoBox.from_bbox((385_000, 5_820_000, 385_640, 5_820_480), "EPSG:32633", resolution=10)
    for name in ("a.tif", "b.tif"):
        values = np.where(rng.random((1, 5, 7)) > 0.5, 3000, 800).repeat(10, 1).repeat(10, 2)[:, :48, :64]
        write_cog(folder / name, values.repeat(3, 0).astype(np.uint16), grid, band_names=BANDS)
    y = np.repeat([2, 17], 40).astype(np.uint8)
    x = rng.normal(np.where(y == 2, 0.3, 0.08)[:, None, None, None], 0.01, (80, 3, 8, 8)).astype(np.float32)
    model = make_model(
        "mlp", recipe="course", epochs=2, threads=1, preparation={"tessellation": "grid", "pixel_m2": 100}
    )
    model.fit(Samples.of(x, y, features=BANDS, legend=LCZ)).save(folder / "model")
    return folder


def test_a_city_in_cells(citygrain: Command, world: Path, tmp_path: Path) -> None:
    said = citygrain("map", world / "a.tif", "--model", world / "model", "--grid", 100, "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert "map.tif: " in said.stdout and "Compact midrise" in said.stdout and said.stderr == ""
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.descriptions == ("lcz", "lczFilter") and file.res == (100, 100) and file.shape == (5, 6)
        assert file.bounds.left == 385_000 and file.bounds.top == 5_820_480
    assert (tmp_path / "map.kmz").exists() and not (tmp_path / "probabilities.tif").exists()


def test_a_cluster_makes_the_same_map_of_cells(citygrain: Command, world: Path, tmp_path: Path) -> None:
    wish = ("map", world / "a.tif", "--model", world / "model", "--grid", 100, "--json")
    here = citygrain(*wish, "--out", tmp_path / "here")
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        there = citygrain(*wish, "--out", tmp_path / "there", "--cluster", cluster.scheduler_address)
    assert there.returncode == here.returncode == 0, there.stderr
    assert there.stderr == "" and there.stdout == here.stdout
    for name in ("map.tif", "confidence.tif"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_dates_strides_and_json(citygrain: Command, world: Path, tmp_path: Path) -> None:
    options = ["--date", world / "b.tif", "--stride", 4, "--probabilities", "--no-filter", "--level", "boa", "--json"]
    said = citygrain("map", world / "a.tif", "--model", world / "model", "--out", tmp_path, *options)
    assert said.returncode == 0, said.stderr
    record = json.loads(said.stdout)
    assert [date["source"] for date in record["dates"]] == ["a.tif", "b.tif"]
    assert record["grid"]["cell_m"] == 40 and list(record["areas_ha"]) == ["class"] and record["level"] == "boa"
    with rasterio.open(tmp_path / "probabilities.tif") as file:
        assert file.count == 17 and file.shape == (12, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", 45], "cells of 45 m on pixels of 10 m; wanted: a multiple of 10 m; set --grid 40"),
        (["--grid", 100, "--stride", 2], "both --grid and --stride"),
        (["--segments", "s.tif"], "--segments with a model of cells"),
        (["--digital-numbers"], "digital numbers"),
        (["--date", "none.tif"], "none.tif does not exist"),
    ],
)
def test_what_does_not_fit_is_one_line(
    citygrain: Command, world: Path, tmp_path: Path, options: list[object], message: str
) -> None:
    said = citygrain("map", world / "a.tif", "--model", world / "model", "--out", tmp_path, *options)
    assert said.returncode == 2 and message in said.stderr and said.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_one_line(citygrain: Command, world: Path) -> None:
    said = citygrain("map", world / "a.tif", "--model", "resnet-9000", "--out", world / "out")
    assert said.returncode == 2 and "resnet-9000" in said.stderr and "sen2lcz-mf" in said.stderr


@pytest.mark.slow
def test_a_published_network_warns_of_the_processing_level(
    citygrain: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CITYGRAIN_CACHE", str(data / "so2sat/weights"))
    scene = data / "scenes/berlin/s2_20241024.tif"
    said = citygrain("map", scene, "--model", "sen2lcz-mf", "--out", tmp_path, "--half")
    assert said.returncode == 0, said.stderr
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "top-of-atmosphere" in warning and "--level toa" in warning and "\n" not in warning
    caplog.clear()
    assert citygrain("map", scene, "--model", "sen2lcz-mf", "--out", tmp_path, "--level", "toa").returncode == 0
    assert not caplog.records
