"""A finished run read back: what the run said of itself, and one line where it cannot be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.finished_run import check_inputs, read_manifest, read_run


@pytest.mark.slow
def test_it_agrees_with_its_own_assessment(finished_runs: Path) -> None:
    run = read_run(finished_runs / "a")
    held_out = run.assessment["superpixel"]
    rows = run.tested & (run.table["y"] > 0)
    assert rows.sum() == held_out["count"]
    right = run.of_units(run.city.codes.values)[rows] == run.table["y"][rows]
    assert right.mean() == pytest.approx(held_out["overall_accuracy"])
    assert run.noun == "superpixel"
    check_inputs(run)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "cell"), [("cells", 40), ("pixels", 100)])
def test_cells_and_pixels_agree_with_their_assessment(
    finished_runs: Path, tmp_path: Path, kind: str, cell: int
) -> None:
    config = read_manifest(finished_runs / "a")[0]
    units = config.units.model_copy(update={"kind": kind, "cell": cell})
    samples = config.samples.model_copy(update={"window": 4})
    run_city_map(config.model_copy(update={"units": units, "samples": samples}), tmp_path, until="assess")
    run = read_run(tmp_path)
    rows = run.tested & (run.table["y"] > 0)
    right = run.of_units(run.city.codes.values)[rows] == run.table["y"][rows]
    assert rows.sum() == run.assessment[run.noun]["count"]
    assert right.mean() == pytest.approx(run.assessment[run.noun]["overall_accuracy"])


@pytest.mark.slow
def test_values_go_to_the_map_and_back(finished_runs: Path) -> None:
    run = read_run(finished_runs / "a")
    values = np.arange(1, len(run.table["role"]) + 1)
    assert np.array_equal(run.of_units(run.on_map(values)), values)
    assert ((run.on_map(values) == 0) == (run.units < 0)).all()


@pytest.mark.slow
def test_what_is_no_finished_run(finished_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run; wanted: a folder written by `citygrain run`"):
        read_manifest(tmp_path)
    copy = shutil.copytree(finished_runs / "a", tmp_path / "copy")
    (copy / "samples.h5").write_bytes(b"no samples")
    with pytest.raises(InputError, match="cannot be read"):
        read_run(copy)
    shutil.copy(finished_runs / "c/samples.h5", copy / "samples.h5")
    with pytest.raises(InputError, match="do not fit each other"):
        read_run(copy)
    (copy / "map.tif").unlink()
    with pytest.raises(InputError, match=r"lacks map\.tif; wanted: a finished run"):
        read_run(copy)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[]", "{}", '{"superpixel": 3}', "{"])
def test_an_assessment_that_is_none(finished_runs: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(finished_runs / "a", tmp_path / "a")
    (tmp_path / "a/assessment.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"holds no assessment|cannot be read"):
        read_run(tmp_path / "a")


@pytest.mark.slow
def test_a_changed_input_is_named(finished_runs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished_runs / "a", tmp_path / "copy")
    record = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    record["inputs"] = dict.fromkeys(record["inputs"], "another hash")
    (copy / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=r"scene\.tif has changed since the run"):
        check_inputs(read_run(copy))
