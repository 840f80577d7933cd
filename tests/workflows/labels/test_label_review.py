"""Review of a run's labels: flipped ones are found, and what is written can be opened where it is to be reviewed."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from citygrain.errors import CitygrainError
from citygrain.samples.kml import read_kml
from citygrain.scene.codes import read_codes
from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog
from citygrain.workflows.city.finished_run import read_manifest
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import parse_config
from citygrain.workflows.labels.label_review import Review, review_labels, review_lines, write_review
from citygrain.workflows.labels.unit_rows import units_of_config, units_of_run

WRONG = (100, 160)
"""Rows and columns of a square that the reference calls Water."""


@pytest.fixture(scope="module")
def config(finished_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """The run's configuration, with a reference that is wrong in one square."""
    folder = tmp_path_factory.mktemp("wrong")
    codes = read_codes(finished_runs / "reference.tif")
    codes.values[slice(*WRONG), slice(*WRONG)] = 4
    write_cog(folder / "wrong.tif", codes.values, codes.odc.geobox, nodata=0)
    known, _ = read_manifest(finished_runs / "a")
    reference = known.reference.model_copy(update={"path": str(folder / "wrong.tif")})
    return known.model_copy(update={"reference": reference})


@pytest.fixture(scope="module")
def review(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Review:
    return review_labels(units_of_config(config, tmp_path_factory.mktemp("units")))


@pytest.mark.slow
def test_wrong_labels_are_found_and_right_ones_left_alone(review: Review, city: SyntheticCity) -> None:
    """Judged by the truth: the toy city's own reference is wrong, too, in 8 % of its superpixels."""
    labels, centres, y = review.units.labels.values.ravel(), review.units.table.centres, review.units.samples.y
    counts = np.zeros((len(y), 5), np.int64)
    np.add.at(counts, (labels[labels > 0] - 1, city.truth.values.ravel()[labels > 0]), 1)
    wrong = counts.argmax(1) != y
    inside = ((centres > WRONG[0] + 4) & (centres < WRONG[1] - 4)).all(1)
    doubted = review.quality.suspect
    assert (wrong & inside).sum() == 45 and 0.06 < wrong[~inside].mean() < 0.1
    assert doubted[wrong & inside].mean() > 0.8 and doubted[wrong & ~inside].mean() > 0.55  # 0.89 to 0.96, 0.62 to 0.63
    assert doubted[~wrong].mean() < 0.12 and wrong[doubted].mean() > 0.45  # 0.08 to 0.09, 0.54 to 0.57
    assert wrong[review.quality.ranking[:40]].mean() > 0.85  # 0.95 to 1
    assert not doubted[~wrong & inside].any()  # it was Water before the square was called so
    assert "but a model of other blocks says" in review.table[0]["reason"]


@pytest.mark.slow
def test_what_is_written_can_be_reviewed(review: Review, tmp_path: Path) -> None:
    names = {path.name for path in write_review(review, tmp_path)}
    assert names == {"review.json", "review.gpkg", "review.kml", "suspects.png", "suspect_map.png"}
    assert names == {path.name for path in tmp_path.iterdir()}
    frame, marks = gpd.read_file(tmp_path / "review.gpkg"), read_kml(tmp_path / "review.kml")
    told = json.loads((tmp_path / "review.json").read_text(encoding="utf-8"))
    assert len(frame) == len(marks) == told["suspects"] == len(told["suspicious"])
    assert {"rank", "label", "suggested", "score", "reason"} <= set(frame.columns)
    pixels = np.bincount(review.units.labels.values.ravel())[frame["number"]]
    assert frame.area.to_numpy() == pytest.approx(100 * pixels)
    assert marks[0].name.startswith("1 Water → ") and "cross-validated over whole blocks" in told["split"]
    assert len(review_lines(review, 3)) == 4


@pytest.mark.slow
def test_a_run_is_reviewed_as_its_configuration_is(finished_runs: Path, tmp_path: Path) -> None:
    known, _ = read_manifest(finished_runs / "a")
    first, second = review_labels(units_of_run(finished_runs / "a")), review_labels(units_of_config(known, tmp_path))
    assert first.table == second.table


@pytest.mark.slow
@pytest.mark.parametrize(("true", "said"), [("Crop", "Water"), ("Urban", "Water")])
def test_polygons_are_judged_as_wholes(finished_runs: Path, tmp_path: Path, true: str, said: str) -> None:
    """Of classes with a dozen polygons; the two of Water here are too few to tell when one of them is wrong."""
    from shapely.geometry import box

    known, _ = read_manifest(finished_runs / "a")
    units = units_of_run(finished_runs / "a")
    pure = np.flatnonzero((units.samples.purity > 0.95) & (units.samples.y > 0))[::6]
    names = [units.legend.name_of(int(code)) for code in units.samples.y[pure]]
    wrong = names.index(true)
    names[wrong] = said
    shapes = [box(x - 35, y - 35, x + 35, y + 35) for x, y in units.centres[pure]]
    gpd.GeoDataFrame({"kind": names}, geometry=shapes, crs=32633).to_file(tmp_path / "drawn.gpkg")
    content = {"path": str(tmp_path / "drawn.gpkg"), "field": "kind", "classes": {n: n for n in units.legend.names}}
    config = parse_config(known.model_dump(exclude={"reference"}, exclude_none=True) | {"reference": content})
    found = review_labels(units_of_config(config, tmp_path / "units"))
    assert found.by == "polygon" and found.to_dict()["split"].startswith("cross-validated over whole polygons")
    place = [row["number"] for row in found.table].index(wrong + 1)
    assert place < 3 and found.table[place]["suggested"] == true  # of 76
    write_review(found, tmp_path / "out")
    frame = gpd.read_file(tmp_path / "out/review.gpkg")
    assert frame.geometry.iloc[place].intersection(shapes[wrong]).area > 0.8 * shapes[wrong].area


@pytest.mark.slow
def test_what_cannot_be_reviewed(finished_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CitygrainError, match="holds no run"):
        units_of_run(tmp_path)
    known, _ = read_manifest(finished_runs / "a")
    pixels = known.model_copy(update={"units": known.units.model_copy(update={"kind": "pixels"})})
    with pytest.raises(CitygrainError, match="superpixels or cells"):
        units_of_config(pixels, tmp_path / "units")
