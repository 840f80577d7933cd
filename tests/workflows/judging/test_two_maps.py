"""Two maps compared: numbers that can be counted by hand, files that agree, and refusals of one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog
from citygrain.workflows.judging.two_maps import compare_files, compare_runs, comparison_lines

GRID = GeoBox.from_bbox((0, 0, 400, 300), "EPSG:32633", resolution=10)
CLASSES = {"1": "Land", "2": "Water"}


def write(path: Path, codes: np.ndarray, grid: GeoBox = GRID) -> Path:
    write_cog(path, codes.astype(np.uint8), grid, nodata=0)
    return path


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two maps that differ in three rows of forty pixels, and a reference that agrees with the second."""
    first = np.ones((30, 40), np.uint8)
    second = first.copy()
    second[:3] = 2
    second[29, 39] = 0
    paths = [write(tmp_path / name / "map.tif", codes) for name, codes in (("one", first), ("two", second))]
    return paths[0], paths[1], write(tmp_path / "reference.tif", np.where(second, second, 1))


def test_the_change_is_counted(maps: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = compare_files(*maps[:2], tmp_path / "out", classes=CLASSES)
    change = found["change"]
    assert (change["pixels"], change["only_first"], change["only_second"]) == (1199, 1, 0)
    assert change["share"] == pytest.approx(120 / 1199)
    (row,) = change["changes"]
    assert (row["from"], row["to"], row["pixels"], row["hectares"]) == ("Land", "Water", 120, pytest.approx(1.2))
    assert change["matrix_ha"]["matrix"] == [[pytest.approx(10.79), pytest.approx(1.2)], [0, 0]]
    assert (found["first"]["name"], found["second"]["name"]) == ("one/map", "two/map")
    assert found["units"] == [] and "Without a reference" in found["conclusions"][0]
    assert "Without a reference" in (tmp_path / "out/comparison.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8")) == found


@pytest.mark.usefixtures("undrawn")
def test_a_reference_tells_which_is_right(maps: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = compare_files(*maps[:2], tmp_path, reference=maps[2], classes=CLASSES, block=100)
    part = found["pixel"]
    assert part["overall_accuracy"]["second"] == 1.0
    assert part["overall_accuracy"]["blocks"] == 12
    assert part["overall_accuracy"]["difference"] == pytest.approx(120 / 1199)
    assert (part["mcnemar"]["first_only"], part["mcnemar"]["second_only"]) == (0, 120)
    assert "two/map is better" in found["conclusions"][0]
    (row,) = found["change"]["changes"]
    assert (row["judged"]["reference_count"], row["judged"]["second_right"], row["judged"]["neither"]) == (120, 1, 0)
    assert found["change"]["judged_unit"] == "pixel" and "no interval" in found["change"]["meaning"]
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "split unknown" in page and "The hectares are counted, not sampled" in page
    assert any("Nothing is known of how these maps were made" in note for note in found["notes"])
    assert any("Land -> Water: 1.2 ha" in line for line in comparison_lines(found))


def test_values_are_those_that_the_user_names(tmp_path: Path) -> None:
    """Value 0 is a class where it is named, and two values may be one class."""
    first = write(tmp_path / "a.tif", np.zeros((30, 40)))
    second = write(tmp_path / "b.tif", np.arange(1200).reshape(30, 40) % 3)
    found = compare_files(first, second, tmp_path / "out", classes={"0": "Water", "1": "Land", "2": "Land"})
    assert [(c["from"], c["to"], c["pixels"]) for c in found["change"]["changes"]] == [("Water", "Land", 800)]


def test_a_map_and_itself_are_the_same(maps: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = compare_files(maps[0], maps[0], tmp_path, reference=maps[2], classes=CLASSES)
    assert found["change"]["share"] == 0 and found["change"]["changes"] == []
    assert found["pixel"]["overall_accuracy"]["difference"] == 0
    assert found["first"]["name"] != found["second"]["name"]


def test_what_cannot_be_compared(maps: tuple[Path, Path, Path], tmp_path: Path) -> None:
    coarse = GeoBox.from_bbox((0, 0, 400, 300), "EPSG:32633", resolution=20)
    other = write(tmp_path / "coarse.tif", np.ones((15, 20)), coarse)
    with pytest.raises(InputError, match=r"40 x 30 pixels of 10 .* coarse has 20 x 15 pixels of 20 .*wanted: the same"):
        compare_files(maps[0], other, tmp_path / "out", classes=CLASSES)
    with pytest.raises(InputError, match=r"map\.tif holds 2 \(120 pixels\), which no class has"):
        compare_files(*maps[:2], tmp_path / "out", classes={"1": "Land"})
    empty = write(tmp_path / "empty.tif", np.zeros((30, 40)))
    with pytest.raises(InputError, match="no pixel has a class in both maps"):
        compare_files(maps[0], empty, tmp_path / "out", classes=CLASSES)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_hostile_names_stay_text(maps: tuple[Path, Path, Path], tmp_path: Path) -> None:
    hostile = "</style><script>alert(1)</script>{{ 7 * 7 }}"
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    first = write(folder / "a.tif", read_codes(maps[0]).values)
    second = write(folder / "b&.tif", read_codes(maps[1]).values)
    names = {"1": hostile, "2": '"><b>'}
    compare_files(first, second, tmp_path / "out", reference=maps[2], classes=names, kind="svg")
    page = (tmp_path / "out/comparison.html").read_text(encoding="utf-8")
    assert (
        "<script" not in page and "<img src=x" not in page and "49" not in re.sub(r"base64,[^\"]*|[\d.]{6,}", "", page)
    )
    assert "&lt;/style&gt;&lt;script&gt;" in page
    assert "://" not in re.sub(r"base64,[^\"]*", "", page)
    svg = (tmp_path / "out/changes.svg").read_text(encoding="utf-8")
    assert "<script" not in svg and "&lt;script&gt;" in svg


@pytest.mark.slow
def test_two_runs(finished_runs: Path, tmp_path: Path) -> None:
    found = compare_runs(finished_runs / "a", finished_runs / "b", tmp_path, kind="png")
    own = json.loads((finished_runs / "a/assessment.json").read_text(encoding="utf-8"))
    for unit in ("superpixel", "pixel"):
        assert found[unit]["first"]["confusion"] == own[unit]["confusion"]
        test, accuracy = found[unit]["mcnemar"], found[unit]["overall_accuracy"]
        gained = (test["second_only"] - test["first_only"]) / found[unit]["first"]["count"]
        assert accuracy["difference"] == pytest.approx(gained)
    assert {(row["from"], row["to"]) for row in found["change"]["changes"]} == {("Crop", "Vegetation")}
    assert found["settings"] == [{"setting": "model.epochs", "first": 10, "second": 11}]
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "model.epochs" in page and "Both runs have the same superpixels" in page
    assert {"changes.png", "maps.png", "right_where.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_bytes(finished_runs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        compare_runs(finished_runs / "a", finished_runs / "c", tmp_path / name, kind="svg")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
