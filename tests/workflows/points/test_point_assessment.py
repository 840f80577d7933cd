"""Labelled points judge a map: the truth lies in the intervals; points without a design prove nothing of the map."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.workflows.points.map_classes import map_classes
from citygrain.workflows.points.point_assessment import NO_DESIGN, assess_points, judged_map
from citygrain.workflows.points.sample_design import SampleWish, design_sample
from helpers.validation import label_by_truth, patchy_world, write_map_file

MAPPED, TRUTH = patchy_world()
THERE = MAPPED > 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    write_map_file(folder / "map.tif", MAPPED)
    for design in ("stratified", "random", "systematic", "cluster"):
        wish = SampleWish(design=design, total=700, block=200)  # type: ignore[arg-type]
        design_sample(map_classes(folder / "map.tif"), wish, folder / f"{design}.gpkg")
        label_by_truth(folder / f"{design}.gpkg", folder / f"{design}-labelled.gpkg", TRUTH)
    return folder


def judged(folder: Path, name: str, **options: Any) -> dict[str, Any]:
    return assess_points(map_classes(folder / "map.tif"), folder / name, **options)


@pytest.mark.parametrize("design", ["stratified", "random", "systematic", "cluster"])
def test_the_truth_lies_near_the_estimates(folder: Path, design: str) -> None:
    result = judged(folder, f"{design}-labelled.gpkg")
    assert result["probability_sample"] and result["design"]["same_map"] and result["points"]["unlabelled"] == 0
    adjusted = result["area_adjusted"]
    assert (adjusted["design"], adjusted["total_hectares"]) == (design, pytest.approx(THERE.sum() / 100))
    right = float((MAPPED == TRUTH)[THERE].mean())
    assert abs(adjusted["overall_accuracy"]["value"] - right) < 2 * adjusted["overall_accuracy"]["half_width_95"]
    total = 0.0
    for c in URBAN:
        area = adjusted["per_class"][c.name]["area_hectares"]
        assert abs(area["value"] - (TRUTH[THERE] == c.code).sum() / 100) < 2 * area["half_width_95"]
        assert area["interval_95"][0] <= area["value"] <= area["interval_95"][1]
        assert result["mapped"][c.name]["hectares"] == pytest.approx(np.count_nonzero(c.code == MAPPED) / 100)
        total += area["value"]
    assert total == pytest.approx(THERE.sum() / 100)
    assert any("safe side" in note for note in result["notes"]) == (design == "systematic")


def test_the_estimates_are_olofssons(folder: Path) -> None:
    from citygrain.accuracy.area import estimate_areas

    result = judged(folder, "stratified-labelled.gpkg")
    pixels = np.bincount(MAPPED.ravel(), minlength=5)[1:]
    expected = estimate_areas(result["counts"]["confusion"]["matrix"], pixels / 100, URBAN).to_dict()
    for name, figures in expected["per_class"].items():
        for key, value in figures.items():
            for part in ("value", "standard_error"):
                assert result["area_adjusted"]["per_class"][name][key][part] == pytest.approx(value[part])


def test_unlabelled_deleted_added_and_moved_points_are_named(folder: Path, tmp_path: Path) -> None:
    label_by_truth(folder / "stratified.gpkg", tmp_path / "some.gpkg", TRUTH, names=False, leave=4)
    frame = gpd.read_file(tmp_path / "some.gpkg").drop(index=[9])
    frame.loc[20, "geometry"] = gpd.points_from_xy([501_000], [5_801_000])[0]
    frame.loc[len(frame) + 1] = {**frame.loc[30].to_dict(), "id": 9999}
    frame.to_file(tmp_path / "some.gpkg", driver="GPKG")
    result = judged(folder, str(tmp_path / "some.gpkg"), design=folder / "stratified.design.json")
    points = result["points"]
    assert points["unlabelled_ids"] == [1, 2, 3, 4, 10] and points["unlabelled"] == 5
    assert (points["added"], points["moved"], points["labelled"]) == (1, 1, points["drawn"] - 5)
    assert sum(points["unlabelled_by_stratum"].values()) == 5
    assert sum("points" in note for note in result["notes"]) >= 3
    alone = judged(folder, str(tmp_path / "some.gpkg"))
    assert not alone["probability_sample"]  # the design file does not lie beside them


def test_points_without_a_design_are_only_counted(folder: Path, tmp_path: Path) -> None:
    frame = gpd.read_file(folder / "random-labelled.gpkg")[["reference", "geometry"]]
    frame.to_file(tmp_path / "anybody.geojson", driver="GeoJSON")
    result = judged(folder, str(tmp_path / "anybody.geojson"))
    assert not result["probability_sample"] and result["notes"] == [NO_DESIGN] and "area_adjusted" not in result
    assert result["counts"] == judged(folder, "random-labelled.gpkg")["counts"]


def test_another_map_is_judged_with_the_strata_of_the_first(folder: Path, tmp_path: Path) -> None:
    other = np.where(np.random.default_rng(1).random(TRUTH.shape) < 0.1, 2, TRUTH).astype(np.uint8)
    other[:20, :30] = 0
    write_map_file(tmp_path / "new.tif", other)
    source = map_classes(tmp_path / "new.tif")
    result = assess_points(source, folder / "stratified-labelled.gpkg")
    assert not result["design"]["same_map"] and any("Stehman 2014" in note for note in result["notes"])
    figure = result["area_adjusted"]["overall_accuracy"]
    assert abs(figure["value"] - (other == TRUTH)[THERE].mean()) < 2 * figure["half_width_95"]
    bare = write_map_file(tmp_path / "bare.tif", other, names=False)
    points = folder / "stratified-labelled.gpkg"
    known = judged_map(bare, points, design=folder / "stratified.design.json")
    assert assess_points(known, points)["area_adjusted"] == result["area_adjusted"]


def test_a_flawless_class_is_not_taken_for_certain(tmp_path: Path) -> None:
    write_map_file(tmp_path / "map.tif", TRUTH)
    design_sample(map_classes(tmp_path / "map.tif"), SampleWish(total=240), tmp_path / "points.gpkg")
    label_by_truth(tmp_path / "points.gpkg", tmp_path / "points-done.gpkg", TRUTH)
    result = assess_points(map_classes(tmp_path / "map.tif"), tmp_path / "points-done.gpkg")
    assert result["area_adjusted"]["overall_accuracy"]["half_width_95"] == 0
    assert "Water (50 points: below 6%)" in result["notes"][0]


def test_google_earth_says_a_class_by_renaming(folder: Path, tmp_path: Path) -> None:
    text = (folder / "random.kml").read_text(encoding="utf-8")
    for number, name in ((1, "Urban"), (2, "crop"), (3, "water")):
        text = text.replace(f"<name>{number}</name>", f"<name>{name}</name>")
    (tmp_path / "random.kml").write_text(text, encoding="utf-8")
    result = judged(folder, str(tmp_path / "random.kml"), design=folder / "random.design.json")
    assert result["points"]["labelled"] == 3
    assert np.array(result["counts"]["confusion"]["matrix"]).sum(0).tolist() == [1, 1, 0, 1]


def test_what_cannot_be_judged_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no point of random\.gpkg is labelled"):
        judged(folder, "random.gpkg")
    frame = gpd.read_file(folder / "random-labelled.gpkg")
    for change, word in (
        ({"reference": "Sea"}, "holds Sea, which no class has"),
        ({"id": 5}, "holds id 5 twice"),
        ({"id": "x"}, "no whole number"),
    ):
        frame.assign(**change).to_file(tmp_path / "bad.gpkg", driver="GPKG")
        with pytest.raises(InputError, match=word):
            judged(folder, str(tmp_path / "bad.gpkg"), design=folder / "random.design.json")
    label_by_truth(folder / "stratified.gpkg", tmp_path / "few.gpkg", TRUTH)
    few = gpd.read_file(tmp_path / "few.gpkg")
    few[few["stratum"] != 4].to_file(tmp_path / "few.gpkg", driver="GPKG")
    with pytest.raises(InputError, match=r"too few labelled points in Water \(0\)"):
        judged(folder, str(tmp_path / "few.gpkg"), design=folder / "stratified.design.json")
    for content in ("{", "[]", json.dumps({"kind": "other"})):
        (tmp_path / "a.design.json").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="cannot be read as a design"):
            judged(folder, "random-labelled.gpkg", design=tmp_path / "a.design.json")
