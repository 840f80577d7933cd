"""The command line as a user meets it: examples, quiet output, and one line for every mistake."""

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog
from helpers.city_runs import CLASSES, run_toml, write_city
from helpers.commands import Command, Said

TOML = run_toml()


@pytest.fixture(scope="module")
def world(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    grid = city.scene.odc.geobox
    bands = [str(b) for b in city.scene.band.values]
    numbers = np.rint(city.scene.values * 10_000).astype(np.uint16)
    write_city(folder, city)
    (folder / "run.toml").write_text(TOML, encoding="utf-8")
    write_cog(folder / "empty.tif", np.zeros_like(numbers), grid, nodata=0, band_names=bands)
    write_cog(folder / "small.tif", numbers[:, :6, :6], grid[:6, :6], band_names=bands)
    infinite = city.scene.values.copy()
    infinite[2, 5, 5] = np.inf
    write_cog(folder / "infinite.tif", infinite, grid, band_names=bands)
    holes = city.scene.values.copy()
    holes[:, :20, :30] = np.nan
    write_cog(folder / "holes.tif", holes, grid, band_names=bands)
    elsewhere = GeoBox.from_bbox((0, 0, 640, 640), "EPSG:32633", resolution=10)
    write_cog(folder / "elsewhere.tif", np.ones((64, 64), np.uint8), elsewhere, nodata=0)
    write_cog(folder / "one_class.tif", np.ones(grid.shape, np.uint8), grid, nodata=0)
    rare = city.reference.values.copy()
    rare[rare == 4] = 3
    rare[100:112, 100:112] = 4
    write_cog(folder / "rare.tif", rare, grid, nodata=0)
    with rasterio.open(folder / "scene.tif") as source:
        profile = {**source.profile, "crs": None, "driver": "GTiff"}
        with rasterio.open(folder / "no_crs.tif", "w", **profile) as target:
            target.write(source.read())
    (folder / "cut.tif").write_bytes((folder / "scene.tif").read_bytes()[:200_000])
    (folder / "text.tif").write_text("no raster")
    return folder


DONE: dict[Path, Said] = {}


@pytest.fixture
def done(citygrain: Command, world: Path) -> tuple[Path, Said]:
    """The folder of a finished run, and what it said; made by the first test that needs it, not to be changed."""
    folder = world / "done"
    if folder not in DONE:
        DONE[folder] = citygrain("run", world / "run.toml", "--out", folder)
    return folder, DONE[folder]


MISTAKES = {
    "missing file": ('path = "scene.tif"', 'path = "none.tif"', r"none\.tif"),
    "not a raster": ('path = "scene.tif"', 'path = "text.tif"', r"text\.tif"),
    "truncated TIFF": ('path = "scene.tif"', 'path = "cut.tif"', r"cut\.tif"),
    "no overlap": ('path = "reference.tif"', 'path = "elsewhere.tif"', "does not meet the scene"),
    "no CRS": ('path = "scene.tif"', 'path = "no_crs.tif"', "coordinate|CRS"),
    "band not there": ("[segments]", '[features]\nbands = ["B02", "B10"]\n[segments]', "B10"),
    "index without its band": ("[segments]", '[features]\nindices = ["thermal/2"]\n[segments]', "thermal"),
    "code not in the legend": (CLASSES, 'classes = { 1 = "Urban", 2 = "Crop" }', r"\b3\b.*\b4\b"),
    "one class only": ('path = "reference.tif"', 'path = "one_class.tif"', "one class only"),
    "rare class": ('path = "reference.tif"', 'path = "rare.tif"', "'Water' is too rare"),
    "all without data": ('path = "scene.tif"', 'path = "empty.tif"', "no data|nodata"),
    "smaller than the window": ('path = "scene.tif"', 'path = "small.tif"', "overlap|window|superpixels|segments"),
    "infinite values": ('path = "scene.tif"\nscale = 10000', 'path = "infinite.tif"\nscale = 1', "infinite"),
    "scale too large": ("scale = 10000", "scale = 100000", "scale"),
    "scale too small": ("scale = 10000", "scale = 1000", "scale"),
    "typing mistake": ("n_segments", "n_segmnets", r"did you mean n_segments\?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line_and_exit_code_2(
    citygrain: Command, world: Path, tmp_path: Path, mistake: str
) -> None:
    old, new, message = MISTAKES[mistake]
    assert old in TOML
    (world / "wrong.toml").write_text(TOML.replace(old, new), encoding="utf-8")
    result = citygrain("run", world / "wrong.toml", "--out", tmp_path / "out")
    lines = [line for line in result.stderr.splitlines() if line.startswith("citygrain: ")]
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1 and re.search(message, lines[0]), result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_class_too_rare_is_left_out_if_asked(
    citygrain: Command, world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = TOML.replace('"reference.tif"', '"rare.tif"').replace("[samples]", '[samples]\nrare = "leave out"')
    (world / "left.toml").write_text(text, encoding="utf-8")
    result = citygrain("run", world / "left.toml", "--out", tmp_path, "--json")
    assert result.returncode == 0, result.stderr
    assert "'Water' is too rare" in caplog.text and "left out" in caplog.text
    figures = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))
    assert list(figures["left_out"]) == ["Water"] and figures["left_out"]["Water"] > 0
    with rasterio.open(tmp_path / "map.tif") as file:
        assert set(np.unique(file.read(1))) <= {0, 1, 2, 3}
    assert "Too rare here to be learned, so the map does not have it: Water (" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_codes_to_ignore_are_as_if_unlabelled(citygrain: Command, world: Path, tmp_path: Path) -> None:
    text = TOML.replace(CLASSES, 'classes = { 1 = "Urban", 3 = "Vegetation" }\nignore = [2, 4]')
    (world / "ignore.toml").write_text(text, encoding="utf-8")
    result = citygrain("run", world / "ignore.toml", "--out", tmp_path, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["superpixel"]["confusion"]["classes"] == ["Urban", "Vegetation"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_no_data_in_a_part_stays_no_data(citygrain: Command, world: Path, tmp_path: Path) -> None:
    text = TOML.replace('path = "scene.tif"\nscale = 10000', 'path = "holes.tif"\nscale = 1')
    (world / "holes.toml").write_text(text, encoding="utf-8")
    assert citygrain("run", world / "holes.toml", "--out", tmp_path).returncode == 0
    with rasterio.open(tmp_path / "map.tif") as file:
        codes = file.read(1)
    assert (codes[:20, :30] == 0).all() and (codes == 0).sum() == 600


def test_a_folder_that_cannot_be_written(citygrain: Command, world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    result = citygrain("run", world / "run.toml", "--out", tmp_path / "file")
    assert result.returncode == 2 and "cannot be written" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_full_disk(citygrain: Command, world: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # stands for a disk with 20 kB left
    try:
        result = citygrain("run", world / "run.toml", "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert result.returncode == 2 and "could not be written: File too large" in result.stderr, result.stderr
    assert not list((tmp_path / "out").glob("*.tif")) and not list((tmp_path / "out").glob(".*part*"))


@pytest.mark.slow
def test_look_features_segment(citygrain: Command, world: Path, tmp_path: Path) -> None:
    result = citygrain("look", world / "scene.tif", "--rgb", "B08,B04,B03", "--out", tmp_path / "look.png")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG") and "B8A" in result.stdout
    about = citygrain("look", world / "scene.tif", "--out", tmp_path / "look.png", "--json")
    assert len(json.loads(about.stdout)["bands"]) == 10
    formula = "NDVI,(nir-red)/(nir+red),max(red,nir)"
    drawn = tmp_path / "f.svg"
    result = citygrain(
        "features", world / "scene.tif", "--indices", formula, "--out", tmp_path / "f.tif", "--figure", drawn
    )
    assert result.returncode == 0, result.stderr
    assert "(nir-red)/(nir+red)</text>" in drawn.read_text(encoding="utf-8")
    with rasterio.open(tmp_path / "f.tif") as file:
        ndvi, same, _ = file.read()
        assert file.descriptions[0] == "NDVI"
    np.testing.assert_allclose(ndvi, same, rtol=1e-5)
    assert result.stderr == ""
    wrong = citygrain(
        "features", world / "infinite.tif", "--indices", "NDVI,red", "--scale", 1, "--out", tmp_path / "g.tif"
    )
    assert wrong.returncode == 2 and "infinite values" in wrong.stderr
    assert not list(tmp_path.glob("*g.tif*"))
    result = citygrain("segment", world / "scene.tif", "--n-segments", 300, "--out", tmp_path / "s.tif", "--json")
    assert result.returncode == 0 and 200 < json.loads(result.stdout)["n_segments"] < 400
    result = citygrain("segment", world / "scene.tif", "--n-segments", 300, "--sweep", "--out", tmp_path / "sweep.png")
    assert result.returncode == 0 and (tmp_path / "sweep.png").stat().st_size > 50_000


@pytest.mark.slow
def test_steps_one_by_one(citygrain: Command, world: Path, done: tuple[Path, Said], tmp_path: Path) -> None:
    """Each command takes what the one before it wrote."""
    result = citygrain("sample", world / "run.toml", "--out", tmp_path / "samples.h5")
    assert result.returncode == 0, result.stderr
    result = citygrain("train", tmp_path / "samples.h5", "--model", "forest", "--out", tmp_path / "model")
    assert result.returncode == 0, result.stderr
    shutil.copytree(done[0], tmp_path / "a")
    model = tmp_path / "a/model"
    result = citygrain("map", world / "scene.tif", "--scale", 10000, "--model", model, "--out", tmp_path / "b")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "b/map.tif").read_bytes() == (tmp_path / "a/map.tif").read_bytes()
    names = "1=Urban,2=Crop,3=Vegetation,4=Water"
    result = citygrain(
        "assess", tmp_path / "b/map.tif", "--reference", world / "reference.tif", "--classes", names, "--json"
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["overall_accuracy"] > 0.6
    (tmp_path / "a/report.html").unlink()
    assert citygrain("report", tmp_path / "a").returncode == 0
    assert (tmp_path / "a/report.html").is_file()


@pytest.mark.slow
def test_a_model_refuses_another_scene(
    citygrain: Command, world: Path, done: tuple[Path, Said], tmp_path: Path, city: SyntheticCity
) -> None:
    model, grid = done[0] / "model", city.scene.odc.geobox
    numbers = np.rint(city.scene.values * 10_000).astype(np.uint16)
    write_cog(tmp_path / "few.tif", numbers[:4], grid, band_names=["B02", "B03", "B04", "B05"])
    coarse = GeoBox.from_bbox(grid.boundingbox, grid.crs, shape=(128, 128))
    bands = [str(b) for b in city.scene.band.values]
    write_cog(tmp_path / "coarse.tif", numbers[:, ::2, ::2], coarse, band_names=bands)
    cases = {"few.tif": ("bands B02, B03, B04, B05; wanted: .*missing B06", []), "coarse.tif": ("20 m.*10 m", [])}
    cases["scene"] = ("digital numbers.*reflectance", ["--digital-numbers"])
    for name, (message, more) in cases.items():
        scene = world / "scene.tif" if name == "scene" else tmp_path / name
        scale = [] if more else ["--scale", 10000]
        result = citygrain("map", scene, *scale, "--model", model, "--out", tmp_path / "b", *more)
        assert result.returncode == 2 and re.search(message, result.stderr), result.stderr
        assert result.stderr.count("citygrain: ") == 1
    assert citygrain("map", world / "scene.tif", "--model", tmp_path, "--out", tmp_path / "b").returncode == 2


@pytest.mark.slow
def test_matlab_export(citygrain: Command, world: Path, tmp_path: Path) -> None:
    text = run_toml(model="cnn")
    (world / "cnn.toml").write_text(text, encoding="utf-8")
    result = citygrain("sample", world / "cnn.toml", "--out", tmp_path / "samples.mat")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "samples.mat").stat().st_size > 100_000


def test_help_shows_an_example_of_every_command(citygrain: Command) -> None:
    listed = citygrain("--help").stdout
    for name in (
        "look",
        "features",
        "segment",
        "sample",
        "train",
        "map",
        "assess",
        "report",
        "run",
        "demo",
        "figures",
        "compare",
    ):
        assert name in listed
        assert "Example: citygrain " + name in citygrain(name, "--help").stdout


@pytest.mark.slow
def test_piped_output_is_quiet(citygrain: Command, world: Path, done: tuple[Path, Said]) -> None:
    folder, result = done
    assert result.returncode == 0 and result.stderr == "" and "\x1b" not in result.stdout and "\r" not in result.stdout
    assert "unseen blocks" in result.stdout and "optimistic" in result.stdout
    assert "reused: segments" in citygrain("run", world / "run.toml", "--out", folder).stdout


def test_the_module_is_the_command_line() -> None:
    command = [sys.executable, "-m", "citygrain", "legends", "nowhere"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith("citygrain: ") and "nowhere" in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
