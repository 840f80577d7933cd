"""`citygrain assess` as a user meets it: five jobs, and options that belong to one of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from citygrain.scene.write import write_cog
from helpers.commands import Command

GRID = GeoBox.from_bbox((0, 0, 4000, 4000), "EPSG:32633", resolution=100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    codes = np.random.default_rng(0).integers(1, 3, GRID.shape).astype(np.uint8)
    write_cog(tmp_path / "map.tif", codes, GRID)
    write_cog(tmp_path / "truth.tif", np.where(np.arange(40) < 8, 3 - codes, codes).astype(np.uint8), GRID)
    return tmp_path


def test_every_figure_of_a_map_has_an_interval(citygrain: Command, folder: Path) -> None:
    job = ("assess", folder / "map.tif", "--reference", folder / "truth.tif", "--classes", "1=Land,2=Water")
    said = citygrain(*job, "--block", 1000, "--out", folder / "judged")
    assert said.returncode == 0, said.stderr
    assert "overall accuracy 0.800 [" in said.stdout and "Land: user's accuracy 0.7" in said.stdout
    assert "[95 % interval], drawn from 16 blocks of 1,000 m" in said.stdout
    assert "labels the whole map" in said.stdout and "would flatter it" in said.stdout
    assert "`" not in said.stdout
    figures = json.loads(citygrain(*job, "--block", 1000, "--json").stdout)
    assert set(figures["interval_95"]) == {"overall_accuracy", "kappa", "macro_f1", "weighted_f1"}
    assert figures == json.loads((folder / "judged/assessment.json").read_text(encoding="utf-8"))
    assert (folder / "judged/confusion.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gap", "run", "--field", "kind"), "--field with --gap RUN; wanted: of --model, --folds"),
        (("MAP", "--reference", "r.tif", "--folds", "3"), "--folds with MAP --reference FILE"),
        (("MAP", "--reference", "r.tif", "--by-group", "--split", "test"), "--split, --by-group with MAP --reference"),
        (("MAP", "--points", "p.gpkg", "--block", "30"), "--block with MAP --points FILE"),
        (("--points-table", "t.csv", "--design", "d.json"), "--design with --points-table FILE"),
        (("--model", "m", "--samples", "s.h5", "--legend", "lcz"), "--legend with --model MODEL --samples FILE"),
        (("MAP", "--reference", "r.tif", "--points", "p.gpkg"), "what to assess is not clear"),
        (("--gap", "run", "--points-table", "t.csv"), "what to assess is not clear"),
        (("MAP", "--model", "m"), "what to assess is not clear"),
        ((), "what to assess is not clear"),
        (("--gap", "run", "--model", "cnn"), "--gap with another model"),
        (("MAP", "--reference", "r.tif", "--block", "0"), "--block 0; wanted: metres"),
    ],
)
def test_options_of_another_job_are_refused(
    citygrain: Command, folder: Path, options: tuple[str, ...], message: str
) -> None:
    said = citygrain("assess", *(folder / "map.tif" if word == "MAP" else word for word in options))
    assert said.returncode == 2 and message in said.stderr and said.stderr.count("\n") == 1, said.stderr


def test_the_help_lists_options_by_job(citygrain: Command) -> None:
    said = citygrain("assess", "--help").stdout
    heads = [line for line in said.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert len(heads) == 8 and heads[1] == "A map and a reference (MAP --reference FILE):"
    assert said.index("(--gap RUN)") < said.index("--folds") < said.index("Of several jobs:") < said.index("--block")
