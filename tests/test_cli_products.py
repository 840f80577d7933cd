"""Products on the command line: one file of them, and every command on the product itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from citygrain.models.card import read_card
from citygrain.scene.read import read_scene
from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog
from helpers.city_runs import run_toml
from helpers.commands import Command
from helpers.safe_products import Safe, ground_of, write_safe, zip_safe


@pytest.fixture(scope="module")
def safe(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Safe:
    """The synthetic city as an L2A product."""
    return write_safe(tmp_path_factory.mktemp("city"), ground=ground_of(city.scene))


def test_scene_makes_one_file_and_says_what_it_did(tmp_path: Path, safe: Safe, citygrain: Command) -> None:
    said = citygrain("scene", safe.path, "--out", tmp_path / "scene.tif")
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert lines[0] == "Sentinel-2 L2A, baseline 05.09, 2021-05-27T10:15:59Z, tile 33UUU"
    assert lines[1] == "252 x 252 pixels of 10, EPSG:32633"
    assert lines[2] == "bands B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12"
    assert lines[3] == "resampled: B05, B06, B07, B8A, B11, B12 from 20 by nearest neighbour"
    assert lines[4] == "reflectance = (number - 1000) / 10000, by metadata and data"
    assert lines[5] == "  metadata -1000: BOA_ADD_OFFSET in MTD_MSIL2A.xml"
    assert lines[6].startswith("  numbers -1000: ")
    assert lines[-1] == str(tmp_path / "scene.tif")


def test_scene_as_json_with_bands_resolution_and_rectangle(tmp_path: Path, safe: Safe, citygrain: Command) -> None:
    said = citygrain(
        "scene", safe.path, "--bands", "red,nir", "--resolution", 20, "--bbox", "12.01,53.19,12.02,53.205", "--json",
        "--out", tmp_path / "part.tif",
    )  # fmt: skip
    told = json.loads(said.stdout)
    assert (told["bands"], told["pixel"], told["level"]) == (["B04", "B08"], 20, "L2A")
    scene = read_scene(tmp_path / "part.tif")
    assert scene.shape[1:] == (told["height"], told["width"])
    assert scene.shape[1] < 126


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bbox", "1,2,3"), "citygrain: --bbox '1,2,3'; wanted: west,south,east,north in degrees"),
        (("--bbox", "2,48,3,49"), "lies beside the scene"),
        (("--bands", "B99"), "citygrain: band B99 is not in S2A_"),
        (("--sensor", "landsat-8"), 'set sensor = "sentinel-2"'),
        (("--resolution", "7"), "resolution 7 for"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, safe: Safe, citygrain: Command, options: tuple[str, ...], message: str
) -> None:
    said = citygrain("scene", safe.path, *options, "--out", tmp_path / "scene.tif")
    assert said.returncode == 2
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "scene.tif").exists()


@pytest.mark.slow
def test_look_works_on_the_product_and_on_its_file(tmp_path: Path, safe: Safe, citygrain: Command) -> None:
    citygrain("scene", safe.path, "--out", tmp_path / "scene.tif")
    medians = []
    for path in (safe.path, tmp_path / "scene.tif"):
        said = citygrain("look", path, "--json", "--out", tmp_path / "look.png")
        assert said.returncode == 0, said.stderr
        medians.append([row["median"] for row in json.loads(said.stdout)["bands"]])
    np.testing.assert_allclose(medians[0], medians[1], atol=1e-4)


@pytest.mark.slow
def test_a_run_on_the_product_keeps_its_level_and_refuses_another(
    tmp_path: Path, city: SyntheticCity, safe: Safe, citygrain: Command
) -> None:
    grid = read_scene(safe.path, bands=["B02"]).odc.geobox
    write_cog(tmp_path / "reference.tif", city.reference.values[:252, :252], grid, nodata=0)
    text = run_toml(per_class=60).replace('"scene.tif"', f'"{safe.path}"').replace("scale = 10000\n", "")
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    said = citygrain("run", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert said.returncode == 0, said.stderr
    card = read_card(tmp_path / "run/model")
    assert card.level == "L2A"
    # The same ground at the top of the atmosphere, as a zip.
    other = zip_safe(write_safe(tmp_path, level="L1C", ground=ground_of(city.scene)))
    said = citygrain("map", other.path, "--model", tmp_path / "run/model", "--out", tmp_path / "map")
    assert said.returncode == 2
    assert (
        "a scene of L1C, reflectance at the top of the atmosphere; wanted: L2A, reflectance at the surface"
        in said.stderr
    )
    assert not (tmp_path / "map/map.tif").exists()
    said = citygrain("map", safe.path, "--model", tmp_path / "run/model", "--out", tmp_path / "map")
    assert said.returncode == 0, said.stderr
