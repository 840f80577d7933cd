"""The whole job on a small city: resumed = uninterrupted, reused = done, every file as promised."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from citygrain.errors import CitygrainError
from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog
from citygrain.workflows.board import FOLDER
from citygrain.workflows.city.city_map import STEPS, run_city_map
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import read_config
from helpers.board_logs import read_log
from helpers.city_runs import run_toml, write_city

FILES = (
    "map.tif", "map.qml", "confidence.tif", "segments.tif", "samples.h5", "assessment.json", "confusion.csv",
    "report.html", "manifest.json", "model/card.json",
)  # fmt: skip
TIMED = {"report.html", "manifest.json"}  # these tell how long the steps took


@pytest.fixture(scope="module")
def world(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scene, reference and truth as files."""
    folder = tmp_path_factory.mktemp("world")
    write_city(folder, city)
    write_cog(folder / "truth.tif", city.truth.values, city.scene.odc.geobox, nodata=0)
    for name in ("forest", "cnn"):
        (folder / f"{name}.toml").write_text(
            f"seed = 4\n{run_toml(per_class=150, model=name)}epochs = 2\n", encoding="utf-8"
        )
    return folder


def config(world: Path, name: str = "forest") -> RunConfig:
    return read_config(world / f"{name}.toml", {})


@pytest.fixture(scope="module")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("done")
    run_city_map(config(world), folder, truth=world / "truth.tif")
    return folder


@pytest.fixture(scope="module")
def learned(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an uninterrupted run with a network, up to its assessment."""
    folder = tmp_path_factory.mktemp("learned")
    run_city_map(config(world, "cnn"), folder, until="assess")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name not in TIMED]
    return {
        str(path): (folder / path).read_bytes() for path in files if path.parts[0] != FOLDER
    }  # a log tells the time


@pytest.mark.slow
def test_every_promised_file_is_there_and_nothing_half_written(done: Path) -> None:
    assert all((done / name).is_file() for name in FILES)
    assert not [path for path in done.rglob("*") if ".part" in path.name]


@pytest.mark.slow
def test_the_assessment_has_its_promised_shape(done: Path) -> None:
    figures = json.loads((done / "assessment.json").read_text())
    assert figures["split"] == "spatial"
    for part in (figures, figures["resubstitution"], {"pixel": figures["truth"]["map"]}):
        for side in {"superpixel", "pixel"} & set(part):
            scores = part[side]
            assert {"overall_accuracy", "kappa", "macro_f1", "weighted_f1"} <= set(scores)
            assert (scores["confusion"]["rows"], scores["confusion"]["columns"]) == ("map", "reference")
            matrix = np.array(scores["confusion"]["matrix"])
            for i, name in enumerate(scores["confusion"]["classes"]):
                row = scores["per_class"][name]
                assert (row["map_count"], row["reference_count"]) == (matrix[i].sum(), matrix[:, i].sum())
    assert figures["resubstitution"]["optimistic"] is True
    units = figures["split_detail"]["units"]
    assert figures["superpixel"]["count"] == units["test"] > 50


def test_csv_html_and_json_agree(finished_runs: Path) -> None:
    done = finished_runs / "a"
    matrix = json.loads((done / "assessment.json").read_text())["superpixel"]["confusion"]["matrix"]
    rows = [line.split(",") for line in (done / "confusion.csv").read_text().splitlines()]
    assert [[int(cell) for cell in row[1:5]] for row in rows[1:5]] == matrix
    page = (done / "report.html").read_text(encoding="utf-8")
    accuracy = json.loads((done / "assessment.json").read_text())["superpixel"]["overall_accuracy"]
    assert f"{accuracy:.3f}" in page or f"{100 * accuracy:.1f}" in page


def test_the_map_holds_what_the_superpixels_say(finished_runs: Path) -> None:
    done = finished_runs / "a"
    with rasterio.open(done / "map.tif") as a, rasterio.open(done / "segments.tif") as b:
        codes, segments = a.read(1), b.read(1)
        assert a.transform == b.transform and a.crs == b.crs
    assert np.array_equal(codes == 0, segments == 0)
    for label in np.unique(segments)[:50]:
        assert np.unique(codes[segments == label]).size == 1


def test_training_and_test_patches_share_no_pixel(finished_runs: Path) -> None:
    done = finished_runs / "a"
    with h5py.File(done / "samples.h5") as file:
        role, unit, extent = file["units/role"][:], file["unit"][:], file["extent"][:]
        train = extent[role[unit] == 1]
    assert set(role[unit].tolist()) == {1, 2}  # test patches are not in the training file
    from citygrain.scene.codes import read_codes
    from citygrain.tessellation import SegmentStatistics

    test = SegmentStatistics(read_codes(done / "segments.tif"), 9).extents()[role == 3]
    apart_x = (train[:, None, 2] <= test[None, :, 0]) | (test[None, :, 2] <= train[:, None, 0])
    apart_y = (train[:, None, 3] <= test[None, :, 1]) | (test[None, :, 3] <= train[:, None, 1])
    assert (apart_x | apart_y).all()


@pytest.mark.slow
def test_running_again_reuses_and_fresh_does_not(world: Path, done: Path) -> None:
    before = contents(done)
    again = run_city_map(config(world), done, truth=world / "truth.tif")
    assert {step["name"] for step in again.listed() if step["reused"]} == set(STEPS)
    fresh = run_city_map(config(world), done, truth=world / "truth.tif", redo=STEPS)
    assert not any(step["reused"] for step in fresh.listed())
    assert contents(done) == before


@pytest.mark.slow
def test_a_changed_setting_redoes_what_depends_on_it(world: Path, done: Path, tmp_path: Path) -> None:
    text = (world / "forest.toml").read_text().replace("per_class = 150", "per_class = 90")
    (world / "other.toml").write_text(text, encoding="utf-8")
    other = read_config(world / "other.toml", {})
    run_city_map(config(world), tmp_path, until="train")
    again = {step["name"]: step["reused"] for step in run_city_map(other, tmp_path, until="train").listed()}
    assert again["segments"] and not again["samples"] and not again["train"]


@pytest.mark.slow
def test_a_damaged_file_is_made_again(world: Path, tmp_path: Path) -> None:
    run_city_map(config(world), tmp_path, until="samples")
    whole = (tmp_path / "segments.tif").read_bytes()
    (tmp_path / "segments.tif").write_bytes(whole[:1000])
    (tmp_path / "manifest.json").write_text((tmp_path / "manifest.json").read_text()[:-30])
    run_city_map(config(world), tmp_path, until="samples")
    assert (tmp_path / "segments.tif").read_bytes() == whole


KILL = """
import os, sys
from pathlib import Path
import skops.io, citygrain.models.forest, citygrain.report.html  # loaded once, not by each that dies
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config_file import read_config
world, folder, model, tick, *steps = sys.argv[1:]
def live(step):
    now = ""
    def observer(name, state):
        nonlocal now
        now = name
        if (name, state) == (step, "started") and tick == "0":
            os.kill(os.getpid(), 9)
    def progress(done, total):
        if now == step and done >= int(tick) > 0:
            os.kill(os.getpid(), 9)
    run_city_map(read_config(Path(world) / f"{model}.toml", {}), Path(folder), truth=Path(world) / "truth.tif",
                 observer=observer, progress=progress)
for step in steps:
    child = os.fork()
    if not child:
        live(step)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9, step
"""


def killed(world: Path, folder: Path, model: str, *steps: str, tick: int = 0) -> None:
    """Begin a run as often as there are steps, in a process each, which is killed as that step begins or ticks."""
    command = [sys.executable, "-c", KILL, world, folder, model, str(tick), *steps]
    subprocess.run(command, check=True)


@pytest.mark.slow
def test_a_run_killed_at_any_step_ends_in_the_same_files(world: Path, done: Path, tmp_path: Path) -> None:
    killed(world, tmp_path, "forest", *STEPS)
    run_city_map(config(world), tmp_path, truth=world / "truth.tif")
    assert contents(tmp_path) == contents(done)


@pytest.mark.slow
def test_a_training_killed_after_an_epoch_ends_in_the_same_files(world: Path, learned: Path, tmp_path: Path) -> None:
    killed(world, tmp_path, "cnn", "train", tick=1)
    run_city_map(config(world, "cnn"), tmp_path, until="assess")
    mine = {k: v for k, v in contents(learned).items() if not k.startswith(".")}
    assert mine == contents(tmp_path)
    whole, killed_ = (read_log(folder / FOLDER) for folder in (learned, tmp_path))
    assert whole.epochs("loss/train") == killed_.epochs("loss/train")  # the log went on, too
    assert whole.steps("step/loss").keys() == killed_.steps("step/loss").keys()
    assert "map" in whole.tags("images")
    judged = json.loads((learned / "assessment.json").read_text())["superpixel"]
    assert whole.run.Scalars("test/kappa")[0].value == pytest.approx(judged["kappa"])


@pytest.mark.slow
def test_no_log_is_written_where_none_is_wanted(world: Path, learned: Path, tmp_path: Path) -> None:
    quiet = config(world, "cnn").model_copy(update={"tensorboard": False})
    run_city_map(quiet, tmp_path, until="assess")
    assert not (tmp_path / FOLDER).exists() and (learned / FOLDER).exists()
    assert contents(tmp_path) == contents(learned)


def test_a_mistake_in_the_reference_loses_nothing(world: Path, tmp_path: Path) -> None:
    right = config(world)
    wrong = right.model_copy(update={"reference": right.reference.model_copy(update={"classes": {"1": "Urban"}})})
    with pytest.raises(CitygrainError, match="which no class has"):
        run_city_map(wrong, tmp_path)
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.slow
def test_the_same_seed_is_the_same_map_and_another_is_not(world: Path, done: Path, tmp_path: Path) -> None:
    other = config(world).model_copy(update={"seed": 5})
    run_city_map(other, tmp_path, until="map")
    assert (tmp_path / "segments.tif").read_bytes() == (done / "segments.tif").read_bytes()
    assert (tmp_path / "map.tif").read_bytes() != (done / "map.tif").read_bytes()
