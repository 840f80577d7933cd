"""The commands about validation samples: design, assess --points, assess --points-table."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config_file import read_config
from helpers.commands import Command
from helpers.validation import label_by_truth, patchy_world, write_map_file

MAPPED, TRUTH = patchy_world()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_map_file(tmp_path / "map.tif", MAPPED)
    return tmp_path


def test_a_sample_is_designed_labelled_and_judged(citygrain: Command, folder: Path) -> None:
    said = citygrain("design", folder / "map.tif", "--half-width", "0.05", "--out", folder / "points.gpkg")
    assert said.returncode == 0 and "user's accuracy: 0.8 for Urban" in said.stdout and "hide it" in said.stdout
    assert "recommended" in said.stdout.splitlines()[0]
    label_by_truth(folder / "points.gpkg", folder / "labelled.gpkg", TRUTH, leave=1)
    said = citygrain("assess", folder / "map.tif", "--points", folder / "labelled.gpkg", "--out", folder / "judged")
    assert said.returncode == 0 and "not labelled: 1\n" in said.stdout, said.stderr
    assert "area-adjusted; stratified sample of map.tif" in said.stdout
    assert {path.name for path in (folder / "judged").iterdir()} == {"assessment.json", "confusion.csv", "areas.png"}
    said = citygrain("assess", folder / "map.tif", "--points", folder / "labelled.gpkg", "--json")
    result = json.loads(said.stdout)
    assert {"map": "map.tif", **result} == json.loads((folder / "judged/assessment.json").read_text(encoding="utf-8"))
    (folder / "points.design.json").unlink()
    said = citygrain("assess", folder / "map.tif", "--points", folder / "labelled.gpkg")
    assert said.returncode == 0 and "no probability sample" in said.stdout and "area, ha" not in said.stdout


def test_plans_alone_and_as_json(citygrain: Command, folder: Path) -> None:
    plan = json.loads(citygrain("design", folder / "map.tif", "--total", 200, "--json").stdout)
    assert plan["plan"]["total"] == 200 and "files" not in plan
    for kind in ("random", "systematic", "cluster"):
        said = citygrain("design", folder / "map.tif", "--design", kind, "--half-width", "0.05")
        assert said.returncode == 0 and said.stdout.startswith("About ")
    for wrong, word in (
        (("--expected", "Urban"), "shares by class|pairs"),
        (("--expected", "Urban=high"), "shares by class"),
        (("--half-width", "0"), "between 0 and 1"),
        (("--total", "3"), "two for each class"),
    ):
        said = citygrain("design", folder / "map.tif", *wrong)
        assert said.returncode == 2 and any(part in said.stderr for part in word.split("|")), said.stderr
        assert said.stderr.count("\n") == 1


def table(path: Path, rows: int = 600) -> Path:
    rng = np.random.default_rng(0)
    with gzip.open(path, "wt", newline="") as file:
        out = csv.writer(file)
        out.writerow(["x", "y", "town", "really", "answer"])
        for block in range(rows // 20):
            right, town = rng.random() < 0.7, ["a", "b"][block % 2]
            for _ in range(20):
                x, y = rng.random(2) * 900 + 1000 * np.array([block, 0])
                out.writerow([x, y, town, 1 + block % 2, 1 + block % 2 if right else 2 - block % 2])
    return path


FIELDS = ("--map-field", "answer", "--reference-field", "really", "--classes", "1=Land,2=Water")


def test_a_table_town_by_town(citygrain: Command, tmp_path: Path) -> None:
    path = table(tmp_path / "points.csv.gz")
    said = citygrain("assess", "--points-table", path, *FIELDS, "--group-field", "town", "--block", 1000)
    assert said.returncode == 0 and said.stdout.splitlines()[-1].startswith("95 % intervals; blocks = blocks of 1000 m")
    result = json.loads(
        citygrain("assess", "--points-table", path, *FIELDS, "--group-field", "town", "--block", 1000, "--json").stdout
    )
    assert (result["blocks"], result["count"], set(result["by_group"])) == (30, 600, {"a", "b"})
    assert result["times_as_wide"]["overall_accuracy"] > 3.5  # the square root of 20
    alone = json.loads(citygrain("assess", "--points-table", path, *FIELDS, "--json", "--block", 1e6).stdout)
    assert (alone["blocks"], alone["interval_95"], alone["times_as_wide"]) == (1, {}, {})  # one block tells no spread


def test_tables_that_cannot_be_read_are_refused(citygrain: Command, tmp_path: Path) -> None:
    path = table(tmp_path / "points.csv.gz", 40)
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "holes.csv").write_text("answer,really\n1,\n", encoding="utf-8")
    for arguments, word in (
        ((path, "--map-field", "x1", "--classes", "1=A"), "has no column 'x1'; wanted: one of x, y, town"),
        ((path, *FIELDS[:4], "--classes", "1=Land"), "holds 2 (20 points), which no class has"),
        ((tmp_path / "broken.csv.gz", *FIELDS), "cannot be read as a table"),
        ((tmp_path / "holes.csv", *FIELDS), "has no really in row 2"),
        ((path, *FIELDS, "--block", "-5"), "metres, more than 0"),
        ((path, *FIELDS, "--points", path), "not clear"),
    ):
        said = citygrain("assess", "--points-table", *arguments)
        assert said.returncode == 2 and word in said.stderr and said.stderr.count("\n") == 1, said.stderr


@pytest.mark.slow
def test_the_published_predictions(citygrain: Command, data: Path) -> None:
    said = citygrain(
        *("assess", "--points-table", data / "so2sat/published/testing_points.csv.gz", "--legend", "lcz", "--json"),
        *("--map-field", "pred_sen2lcz_qiu", "--reference-field", "lcz", "--group-field", "city"),
    )
    result = json.loads(said.stdout)
    assert (result["count"], f"{result['overall_accuracy']:.4f}") == (24_188, "0.6937")
    assert {name: f"{value:.4f}" for name, value in result["lcz"].items()} == {
        "OAu": "0.6468",
        "OAbu": "0.9672",
        "OAw": "0.9337",
    }
    assert len(result["by_group"]) == 10 and f"{result['by_group']['nairobi']['overall_accuracy']:.3f}" == "0.355"
    for part in (result, *result["by_group"].values()):
        assert all(
            np.isfinite(part["interval_95"][name]).all() for name in ("overall_accuracy", "kappa", "OAu", "OAbu", "OAw")
        )
        assert part["times_as_wide"]["overall_accuracy"] > 2
    wide, narrow = (np.ptp(result[key]["overall_accuracy"]) for key in ("interval_95_groups", "interval_95"))
    assert wide > 2 * narrow


@pytest.mark.slow
def test_a_run_takes_labelled_points_in(finished_runs: Path, tmp_path: Path, city: object) -> None:
    import shutil

    import geopandas as gpd

    from citygrain.workflows.points.map_classes import map_classes
    from citygrain.workflows.points.sample_design import SampleWish, design_sample

    for name in ("scene.tif", "reference.tif", "a.toml"):
        shutil.copy(finished_runs / name, tmp_path / name)
    shutil.copytree(finished_runs / "a", tmp_path / "a")
    design_sample(map_classes(tmp_path / "a/map.tif"), SampleWish(total=200), tmp_path / "points.gpkg")
    frame = gpd.read_file(tmp_path / "points.gpkg")
    truth = city.truth  # type: ignore[attr-defined]
    places = truth.sel(x=frame.geometry.x.to_xarray(), y=frame.geometry.y.to_xarray(), method="nearest")
    frame.assign(reference=[str(code) for code in places.values]).to_file(tmp_path / "labelled.gpkg", driver="GPKG")
    text = (tmp_path / "a.toml").read_text(encoding="utf-8")
    (tmp_path / "a.toml").write_text(f'{text}[assess]\npoints = "labelled.gpkg"\n', encoding="utf-8")
    steps = run_city_map(read_config(tmp_path / "a.toml", {}), tmp_path / "a").listed()
    assert {step["name"]: step["reused"] for step in steps}["train"]
    figures = json.loads((tmp_path / "a/assessment.json").read_text(encoding="utf-8"))
    assert not figures["probability_sample"] and "no probability sample" in figures["sampling"]
    sample = figures["validation_sample"]
    assert sample["probability_sample"] and sample["points"]["labelled"] == 200 and sample["design"]["same_map"]
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    assert "Accuracy of the whole map, from a probability sample" in page and "use these" in page
    again = run_city_map(read_config(tmp_path / "a.toml", {}), tmp_path / "a").listed()
    assert all(step["reused"] for step in again)
