"""The ground of a comparison: held out in both runs, or said to be unknown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import URBAN, Legend
from citygrain.workflows.city.finished_run import FinishedRun, read_run
from citygrain.workflows.judging.common_ground import common_legend, ground_of_files, ground_of_runs, square_blocks

NAMES = ("a", "b")


def runs(folder: Path, *names: str) -> tuple[FinishedRun, FinishedRun]:
    first, second = (read_run(folder / name) for name in names)
    return first, second


@pytest.mark.slow
def test_the_same_units_are_judged_as_each_run_judged_them(finished_runs: Path) -> None:
    a, b = runs(finished_runs, "a", "b")
    ground = ground_of_runs(a, b, a.city.legend, NAMES)
    assert [part.unit for part in ground.judged] == ["superpixel", "pixel"]
    for part in ground.judged:
        weights = np.ones(len(part.reference)) if part.weights is None else part.weights
        own = a.assessment[part.unit]
        assert weights.sum() == own["count"]
        right = np.average(part.labels[0] == part.reference, weights=weights)
        assert right == pytest.approx(own["overall_accuracy"])
    assert "same superpixels" in ground.notes[0]


@pytest.mark.slow
def test_other_units_are_judged_by_pixels_that_neither_trained_on(finished_runs: Path) -> None:
    a, c = runs(finished_runs, "a", "c")
    ground = ground_of_runs(a, c, a.city.legend, NAMES)
    (part,) = ground.judged
    where = ground.reference > 0
    assert part.unit == "pixel" and len(part.reference) == where.sum() > 1000
    for run in (a, c):
        assert set(np.unique(run.on_map(run.table["role"])[where])) == {3}
    assert "different units" in ground.notes[0]


@pytest.mark.slow
def test_another_reference_is_judged_on_held_out_pixels(finished_runs: Path) -> None:
    a, b = runs(finished_runs, "a", "b")
    ground = ground_of_runs(a, b, a.city.legend, NAMES, reference=finished_runs / "reference.tif")
    assert [part.unit for part in ground.judged] == ["pixel"]
    assert (a.on_map(a.table["role"])[ground.reference > 0] == 3).all()


@pytest.mark.slow
def test_ground_that_one_trained_on_is_left_out_and_said(finished_runs: Path) -> None:
    a, b = runs(finished_runs, "a", "b")
    role, block = b.table["role"].copy(), b.table["block"]
    tested = np.unique(block[role == 3])
    role[np.isin(block, tested[: len(tested) // 2])] = 1
    half = replace(b, table=b.table | {"role": role})
    ground = ground_of_runs(a, half, a.city.legend, NAMES)
    assert 0 < len(ground.judged[0].reference) < a.tested.sum()
    assert any("test ground of a" in note for note in ground.notes)
    none = replace(b, table=b.table | {"role": np.where(role == 3, 1, 3).astype(np.uint8) * (a.table["role"] != 3)})
    with pytest.raises(InputError, match="no ground is held out in both a and b; wanted: runs with the same seed"):
        ground_of_runs(a, none, a.city.legend, NAMES)


@pytest.mark.slow
def test_other_references_are_refused(finished_runs: Path) -> None:
    a, c = runs(finished_runs, "a", "c")
    merged = c.config.reference.model_copy(update={"ignore": [4]})
    names = {"classes": {"1": "Urban", "2": "Crop", "3": "Vegetation"}, "ignore": [4]}
    other = replace(c, config=c.config.model_copy(update={"reference": merged.model_copy(update=names)}))
    with pytest.raises(InputError, match="different references"):
        ground_of_runs(a, other, a.city.legend, NAMES)


def test_legends_are_joined_where_they_agree() -> None:
    part = Legend.from_names({1: "Urban", 9: "Rock"}, scheme="mine")
    assert common_legend(URBAN, part, NAMES).names == (*URBAN.names, "Rock")
    assert common_legend(URBAN, URBAN, NAMES) == URBAN
    with pytest.raises(InputError, match="1 is 'Urban' in a and 'Water' in b"):
        common_legend(URBAN, Legend.from_names({1: "Water"}), NAMES)
    with pytest.raises(InputError, match="'Water' is 4 in a and 7 in b"):
        common_legend(URBAN, Legend.from_names({7: "Water"}), NAMES)


def test_files_are_judged_where_all_have_a_class() -> None:
    grid = GeoBox.from_bbox((0, 0, 60, 40), "EPSG:32633", resolution=10)
    first, second, reference = (np.ones((4, 6), np.uint8) for _ in range(3))
    first[0], second[:, 0], reference[3] = 0, 0, 0
    ground = ground_of_files((first, second), reference, grid, (10.0, 10.0), block=20)
    assert (ground.reference > 0).sum() == len(ground.judged[0].reference) == 2 * 5
    assert any("Nothing is known" in note for note in ground.notes)
    with pytest.raises(InputError, match="no pixel"):
        ground_of_files((first, second), reference * 0, grid, (10.0, 10.0), block=20)


def test_blocks_are_squares_of_ground() -> None:
    blocks = square_blocks((30, 50), (20.0, 10.0), 100)
    assert len(np.unique(blocks)) == 6 * 5
    assert (blocks[:5, :10] == blocks[0, 0]).all() and blocks[5, 0] != blocks[0, 0] != blocks[0, 10]
