"""What a configuration says of a reference, and what a run says of the product that it was judged by."""

import json
import os
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox

from citygrain.errors import CitygrainError, InputError
from citygrain.imagery.merge_tables import merge_csv
from citygrain.imagery.references import map_product
from citygrain.imagery.sources import imagery_source, product_source, write_sources
from citygrain.legend import LCZ
from citygrain.maps.thematic_map import ThematicMap
from citygrain.samples.reference import read_reference
from citygrain.scene.cog_writer import CogWriter
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config import ReferenceConfig, RunConfig
from citygrain.workflows.config_file import parse_config, read_config
from citygrain.workflows.references import (
    config_product,
    product_caveat,
    product_lines,
    reference_options,
    run_sources,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
GRID = GeoBox.from_bbox((384_000, 5_818_000, 384_200, 5_818_100), "EPSG:32633", resolution=10)


def parsed(folder: Path = Path(), **reference: object) -> ReferenceConfig:
    content = {"scene": {"path": "s2.tif"}, "reference": {"path": "cover.tif", **reference}}
    return parse_config(content, folder=folder).reference


def test_a_product_brings_legend_and_merge() -> None:
    given = parsed(product="worldcover")
    options = reference_options(given)
    assert options["legend"].scheme == "worldcover"
    assert list(options["merge"]) == ["Urban", "Crop", "Vegetation", "Water"]
    assert set(options) == {"classes", "merge", "colors", "field", "layer", "ignore", "legend"}


def test_a_product_with_a_scheme_of_its_own_keeps_it() -> None:
    assert parsed(product="lcz-map").merge == {}
    assert reference_options(parsed(product="lcz-map"))["legend"] == LCZ
    assert parsed(product="lcz-map", merge="urban").merge == {
        "Urban": [c.name for c in LCZ][:10],
        "Vegetation": [c.name for c in LCZ][10:14],
        "Water": ["Water"],
    }


def test_merges_by_name_by_table_and_by_hand(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(merge_csv(map_product("corine"), "finer"))
    by_table = parsed(tmp_path, product="corine", merge="my.csv")
    assert by_table.merge == parsed(product="corine", merge="finer").merge
    assert parsed(tmp_path, legend="corine", merge="my.csv").merge == by_table.merge
    assert parsed(product="corine", merge="none").merge == {}
    mine = {"Sea": ["Sea and ocean"]}
    assert parsed(product="corine", merge=mine).merge == mine
    assert parsed(classes={"1": "a"}, merge={"b": ["a"]}).merge == {"b": ["a"]}


def test_a_resolved_configuration_is_one(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(merge_csv(map_product("worldcover")))
    content = {"scene": {"path": "s.tif"}, "reference": {"path": "c.tif", "product": "worldcover", "merge": "my.csv"}}
    config = parse_config(content, folder=tmp_path)
    assert RunConfig.model_validate(json.loads(json.dumps(config.model_dump()))) == config


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({}, "either classes = { code = name }, legend = a ready one, or product"),
        ({"product": "worldcover", "legend": "worldcover"}, "or product = a map product"),
        ({"product": "worldcove"}, r"product 'worldcove'; wanted: one of worldcover"),
        ({"product": "worldcover", "year": 1999}, "one of 2020, 2021"),
        ({"legend": "worldcover", "year": 2020}, "year with a product only"),
        ({"product": "worldcover", "merge": "urbann"}, "urban, finer, none, or a table"),
        ({"product": "worldcover", "merge": "nowhere.csv"}, "cannot be read"),
        ({"classes": {"1": "a"}, "merge": "urban"}, "a table merges a legend or a product"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(reference: dict[str, object], told: str) -> None:
    with pytest.raises(CitygrainError, match=told):
        parsed(**reference)


def test_urban_atlas_is_read_by_its_field_and_its_five_digits(tmp_path: Path) -> None:
    left, right = (
        shapely.box(384_000, 5_818_000, 384_100, 5_818_100),
        shapely.box(384_100, 5_818_000, 384_200, 5_818_100),
    )
    frame = gpd.GeoDataFrame({"code_2018": ["11210", "91000"]}, geometry=[left, right], crs="EPSG:32633")
    frame.to_file(tmp_path / "DE001L1_BERLIN_UA2018_v013.gpkg")
    given = parsed(tmp_path, path="DE001L1_BERLIN_UA2018_v013.gpkg", product="urban-atlas")
    options = reference_options(given)
    assert options["field"] == "code_2018"
    codes, legend = read_reference(Path(given.path), GRID, **options)
    assert legend.names[0] == "Urban"
    assert (codes.values[:, :10] == 1).all()
    assert (codes.values[:, 10:] == 0).all()  # no data of the product
    frame.rename(columns={"code_2018": "kind"}).to_file(tmp_path / "other.gpkg")
    with pytest.raises(InputError, match=r"other\.gpkg has no field code_2018 or .*, but kind"):
        reference_options(parsed(tmp_path, path="other.gpkg", product="urban-atlas"))


def test_the_record_beside_a_file_names_product_and_edition(tmp_path: Path) -> None:
    write_sources(tmp_path, {"cover.tif": product_source(map_product("worldcover", 2020))})
    older = config_product(parsed(tmp_path, product="worldcover"))
    assert older is not None
    assert older.year == 2020
    by_record = config_product(parsed(tmp_path, legend="worldcover"))
    assert by_record == older
    chosen = config_product(parsed(tmp_path, product="worldcover", year=2021))
    assert chosen is not None
    assert chosen.year == 2021
    assert config_product(parsed(tmp_path, path="mine.tif", classes={"1": "a"})) is None


def test_sources_are_listed_file_by_file(tmp_path: Path) -> None:
    write_sources(tmp_path, {"s2.tif": imagery_source("sentinel-2", [2025])})
    content = {
        "scene": {"path": "s2.tif"},
        "reference": {"path": "cover.tif", "product": "worldcover"},
        "assess": {"product": {"path": "glc.tif", "product": "from-glc10"}},
    }
    found = run_sources(parse_config(content, folder=tmp_path))
    assert [(one["role"], one["file"]) for one in found] == [
        ("scene", "s2.tif"),
        ("reference", "cover.tif"),
        ("product", "glc.tif"),
    ]
    assert "Contains modified Copernicus Sentinel data 2025" in found[0]["line"]
    assert found[1]["line"].startswith("ESA WorldCover 2021, CC BY 4.0")
    plain = {"scene": {"path": "a.tif"}, "reference": {"path": "b.tif", "classes": {"1": "a"}}}
    assert run_sources(parse_config(plain, folder=tmp_path)) == []


def test_words_on_a_product_stand_only_where_there_is_one() -> None:
    assert product_caveat({}) is None
    assert list(product_lines({"reference_product": None})) == []
    figures = {"reference_product": map_product("from-glc10").to_dict()}
    assert "about 73 % right (the whole world, its paper; Gong et al. 2019)" in str(product_caveat(figures))
    assert list(product_lines(figures)) == [f"these are agreement with {map_product('from-glc10').caution}"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_run_against_worldcover_says_what_it_was_judged_by(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("hong_kong_worldcover", None)
    from hong_kong_worldcover import lay_out

    config = read_config(lay_out(data, tmp_path), os.environ)
    run_city_map(config, tmp_path / "run")
    figures = json.loads((tmp_path / "run/assessment.json").read_text(encoding="utf-8"))
    assert 0.7 < figures["pixel"]["overall_accuracy"] < 1
    assert figures["reference_product"]["accuracy"][0]["overall"] == 0.767
    assert [one["role"] for one in figures["sources"]] == ["scene", "scene", "reference"]
    report = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert report.count("itself about 77 % right") >= 3  # in the lead, beside the accuracy, among the limits
    assert "Landsat 2013 courtesy of the U.S. Geological Survey" in report
    assert "ESA WorldCover 2021, CC BY 4.0" in report
    assert "the reference&#39;s own error is not known" not in report


@pytest.mark.slow
def test_a_fetched_scene_goes_with_training_areas(data: Path, tmp_path: Path) -> None:
    with rasterio.open(data / "scenes/berlin/s2_20241024.tif") as source:
        values, names, grid = source.read(), source.descriptions, GeoBox.from_rio(source)
    tags = {"level": "L2A"}
    with CogWriter(
        tmp_path / "s2.tif", grid, np.uint16, bands=10, nodata=0, band_names=names, scale=1e-4, tags=tags
    ) as target:
        target.write((slice(0, grid.shape.y), slice(0, grid.shape.x)), values)
    write_sources(tmp_path, {"s2.tif": imagery_source("sentinel-2", [2024])})
    areas = gpd.read_file(data / "scenes/berlin/lcz_polygons.gpkg").to_crs(4326)
    areas.to_file(tmp_path / "berlin.kml", driver="KML")
    content = {
        "scene": {"path": "s2.tif"},
        "reference": {"path": "berlin.kml", "legend": "lcz"},
        "units": {"kind": "cells", "cell": 100},
        "samples": {"window": 9, "split": "polygons"},
        "model": {"name": "forest", "options": {"trees": 40}},
    }
    run_city_map(parse_config(content, folder=tmp_path), tmp_path / "run", until="assess")
    figures = json.loads((tmp_path / "run/assessment.json").read_text(encoding="utf-8"))
    assert "reference_product" not in figures  # drawn by people, no product
    assert [one["file"] for one in figures["sources"]] == ["s2.tif"]
    assert set(np.unique(ThematicMap.read(tmp_path / "run/map.tif", LCZ).codes.values)) == {2, 5}
