"""A sample's points: what is drawn is what was planned, from the seed alone, however the map is read."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.kml import read_kml
from citygrain.workflows.points import map_classes as reading
from citygrain.workflows.points.map_classes import MapClasses, map_classes
from citygrain.workflows.points.point_draws import draw_clusters, draw_lattice, draw_random, draw_strata
from citygrain.workflows.points.sample_design import SampleWish, design_sample, design_text
from helpers.validation import GRID, patchy_world, write_map_file


@pytest.fixture(scope="module")
def mapped() -> np.ndarray:
    return patchy_world()[0]


@pytest.fixture(scope="module")
def source(mapped: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> MapClasses:
    return map_classes(write_map_file(tmp_path_factory.mktemp("map") / "map.tif", mapped))


def test_a_map_is_its_classes(source: MapClasses, mapped: np.ndarray) -> None:
    assert source.legend == URBAN
    assert source.pixels.tolist() == np.bincount(mapped.ravel(), minlength=5)[1:].tolist()
    assert source.pixel_hectares == pytest.approx(0.01)
    np.testing.assert_array_equal(np.concatenate([codes for _, codes in source.windows()]), mapped)
    assert source.at(np.array([0, 159, 160, -1]), np.array([0, 239, 0, 5])).tolist() == [0, mapped[159, 239], 0, 0]


@pytest.mark.parametrize("kind", ["strata", "random", "lattice", "clusters"])
def test_what_is_drawn_does_not_hang_on_how_the_map_is_read(
    kind: str, source: MapClasses, mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw() -> np.ndarray:
        rng = np.random.default_rng(5)
        drawn = {
            "strata": lambda: draw_strata(source, np.array([30, 20, 10, 7]), rng=rng),
            "random": lambda: draw_random(source, 150, rng=rng),
            "lattice": lambda: draw_lattice(source, 150, rng=rng),
            "clusters": lambda: draw_clusters(source, 12, side=20, per_cluster=6, rng=rng),
        }[kind]()
        np.testing.assert_array_equal(mapped[drawn.rows, drawn.columns], drawn.codes)
        assert (drawn.codes > 0).all()
        if kind == "strata":
            assert np.bincount(drawn.codes, minlength=5)[1:].tolist() == [30, 20, 10, 7]
        if kind == "clusters":
            blocks = np.stack([drawn.rows // 20, drawn.columns // 20])
            assert len(np.unique(blocks, axis=1).T) == 12 == len(drawn.cluster_pixels)
            assert np.bincount(drawn.cluster).tolist() == np.minimum(6, drawn.cluster_pixels).tolist()
        places = np.stack([drawn.rows, drawn.columns])
        assert len(np.unique(places, axis=1).T) == len(drawn)
        return places[:, np.lexsort(places)]

    whole = draw()
    monkeypatch.setattr(reading, "_STRIP", 5000)
    monkeypatch.setattr(reading, "_PIECE", 700)
    monkeypatch.setitem(source.raster.encoding, "preferred_chunks", {"y": 7, "x": 240})
    assert len(source.strips) > 5
    np.testing.assert_array_equal(draw(), whole)


def test_every_mapped_pixel_has_the_same_chance(tmp_path: Path) -> None:
    codes = np.zeros((160, 240), np.uint8)
    codes[40:46, 100:107] = 1
    codes[100:104, 3:9] = 3
    source = map_classes(write_map_file(tmp_path / "map.tif", codes))
    for kind, chance in (("strata", 1 / 6), ("random", 10 / 66), ("lattice", 10 / 66)):
        met = np.zeros(codes.shape, int)
        for seed in range(80):
            rng = np.random.default_rng(seed)
            drawn = (
                draw_strata(source, np.array([7, 0, 4, 0]), rng=rng)
                if kind == "strata"
                else (draw_random if kind == "random" else draw_lattice)(source, 10, rng=rng)
            )
            met[drawn.rows, drawn.columns] += 1
        assert met[codes == 0].sum() == 0
        spread = (met[codes > 0] / 80 - chance) / (chance * (1 - chance) / 80) ** 0.5
        assert np.abs(spread).max() < 4.2, kind


def test_a_stratified_design_is_written_to_be_labelled(source: MapClasses, tmp_path: Path) -> None:
    wish = SampleWish(half_width=0.05, expected={"water": 0.95}, seed=3)
    record = design_sample(source, wish, tmp_path / "points.gpkg")
    frame = gpd.read_file(tmp_path / "points.gpkg")
    assert frame.crs == GRID.crs and frame["reference"].isna().all() and (frame["design"] == "points.design.json").all()
    assert set(frame.columns) == {"id", "stratum", "reference", "design", "geometry"}
    plan = json.loads((tmp_path / "points.design.json").read_text(encoding="utf-8"))
    counts = plan["plan"]["allocations"]["recommended"]["points"]
    assert {p["name"]: p["points"] for p in plan["strata"]} == counts and sum(counts.values()) == len(frame)
    assert plan["plan"]["allocations"]["recommended"]["half_width_95_overall"] <= 0.05
    assert (plan["seed"], plan["map"]["name"], len(plan["map"]["sha256"])) == (3, "map.tif", 64)
    assert plan["strata"][0]["hectares"] == pytest.approx(plan["strata"][0]["pixels"] / 100)
    assert not frame["stratum"].is_monotonic_increasing  # in no order that tells the class
    marks = read_kml(tmp_path / "points.kml")
    assert [mark.name for mark in marks] == [str(i) for i in frame["id"]]
    assert {key for mark in marks for key in mark.fields} == {"id", "reference", "design"}
    places = frame.geometry.to_crs(4326)
    np.testing.assert_allclose([m.geometry.x for m in marks], places.x, atol=1e-7)
    text = design_text(record)
    assert len({len(line) for line in text[:-1]}) == 1 and "0.8 for Urban, Crop, Vegetation" in text[-1]
    again = design_sample(source, wish, tmp_path / "again.gpkg")
    assert again["drawn"] == record["drawn"]
    one, other = (json.loads((tmp_path / f"{n}.design.json").read_text(encoding="utf-8")) for n in ("points", "again"))
    assert one["points"] == other["points"]


@pytest.mark.parametrize("design", ["random", "systematic", "cluster"])
def test_other_designs(design: str, source: MapClasses, tmp_path: Path) -> None:
    wish = SampleWish(design=design, half_width=0.08, block=200)  # type: ignore[arg-type]
    record = design_sample(source, wish, tmp_path / "points.gpkg")
    expected = {"random": 97, "systematic": 97, "cluster": 135}[design]  # .8 * .2 * (1.96 / .08)^2, times 1.4
    assert record["plan"]["total"] == expected
    assert abs(record["drawn"] - expected) < 25
    assert len(design_text(record)) == 1 and ("clusters" in record) == (design == "cluster")
    assert record["pixels"] == source.pixels.sum()


def test_what_cannot_be_designed_is_refused(source: MapClasses, tmp_path: Path, mapped: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"ends in \.gpkg"):
        design_sample(source, SampleWish(total=50), tmp_path / "points.shp")
    with pytest.raises(InputError, match="class 'sea' is not in legend"):
        design_sample(source, SampleWish(total=50, expected={"sea": 0.9}), None)
    with pytest.raises(InputError, match="wanted: two or more"):
        design_sample(source, SampleWish("cluster", total=50, block=1e6), tmp_path / "points.gpkg")
    assert not list(tmp_path.iterdir())
    bare = write_map_file(tmp_path / "bare.tif", mapped, names=False)
    with pytest.raises(InputError, match="does not say what its values mean"):
        map_classes(bare)
    assert map_classes(bare, classes={"1": "A", "2": "B", "3": "A", "4": "C"}).pixels.tolist() == [
        source.pixels[[0, 2]].sum(),
        *source.pixels[[1, 3]],
    ]
