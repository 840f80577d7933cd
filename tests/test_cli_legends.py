"""The command that lists legends and map products, and prints their merge tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from citygrain.imagery.merge_tables import read_merge_table
from citygrain.imagery.references import map_products
from citygrain.legend import WORLDCOVER, ready_legends
from citygrain.scene.write import write_cog
from helpers.commands import Command

GRID = GeoBox.from_bbox((384_000, 5_818_000, 384_200, 5_818_100), "EPSG:32633", resolution=10)


def test_all_are_listed_with_licence_and_accuracy(citygrain: Command) -> None:
    said = citygrain("legends")
    assert said.returncode == 0
    for name in (*map_products(), *ready_legends()):
        assert f"{name}: " in said.stdout
    assert "ESA WorldCover 2021, itself about 77 % right" in said.stdout
    assert "CC BY 4.0" in said.stdout


@pytest.mark.parametrize("name", [*map_products(), *ready_legends()])
def test_each_is_shown_with_its_classes(citygrain: Command, name: str) -> None:
    said = citygrain("legends", name)
    told = json.loads(citygrain("legends", name, "--json").stdout)
    assert said.returncode == 0
    assert all(row["name"] in said.stdout for row in told["classes"])


def test_the_printed_table_is_read_again(citygrain: Command, tmp_path: Path) -> None:
    table = tmp_path / "my.csv"
    table.write_text(citygrain("legends", "worldcover", "--merge-table").stdout, encoding="utf-8")
    assert list(read_merge_table(table, WORLDCOVER)) == ["Urban", "Crop", "Vegetation", "Water"]
    table.write_text(citygrain("legends", "worldcover", "--merge-table", "--merge", "finer").stdout, encoding="utf-8")
    assert "Trees" in read_merge_table(table, WORLDCOVER)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nope"], "legend or product 'nope'; wanted: one of worldcover"),
        (["--merge-table"], "--merge-table without a product"),
        (["urban", "--merge-table"], "urban is no map product"),
        (["worldcover", "--merge-table", "--merge", "mine"], "--merge mine; wanted: one of urban, finer, none"),
    ],
)
def test_mistakes_are_one_line(citygrain: Command, arguments: list[str], told: str) -> None:
    said = citygrain("legends", *arguments)
    assert (said.returncode, said.stdout) == (2, "")
    assert told in said.stderr


def test_a_map_is_assessed_against_a_product(citygrain: Command, tmp_path: Path) -> None:
    cover = np.random.default_rng(0).choice([10, 50, 80], tuple(GRID.shape)).astype(np.uint8)
    write_cog(tmp_path / "cover.tif", cover, GRID, tags={"title": "ESA WorldCover product at 10m"})
    codes = np.select([cover == 50, cover == 10], [1, 3], 4).astype(np.uint8)
    names = {1: "Urban", 2: "Crop", 3: "Vegetation", 4: "Water"}
    write_cog(tmp_path / "map.tif", codes, GRID, names=names, nodata=0)
    given = ("assess", tmp_path / "map.tif", "--reference", tmp_path / "cover.tif")
    said = citygrain(*given, "--product", "worldcover")
    assert "overall accuracy 1.000" in said.stdout
    assert "agreement with ESA WorldCover 2021, itself about 77 % right" in said.stdout
    told = json.loads(citygrain(*given, "--product", "worldcover", "--json").stdout)
    assert told["reference_product"]["licence"] == "CC BY 4.0"
    assert "overall accuracy 1.000" in citygrain(*given, "--legend", "worldcover", "--merge", "urban").stdout
    refused = citygrain(*given, "--product", "from-glc10")
    assert (refused.returncode, "is worldcover by its tag title" in refused.stderr) == (2, True)
    assert citygrain(*given, "--merge", "urban").returncode == 2
    assert citygrain(*given, "--product", "worldcover", "--legend", "worldcover").returncode == 2
