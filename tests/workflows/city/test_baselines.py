"""What a run's score stands beside, and the size of its blocks, on runs of a small city."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citygrain.errors import ConfigError, InputError
from citygrain.samples.split import ROLES
from citygrain.samples.store import read_table
from citygrain.workflows.city.baselines import baseline_lines
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.finished_run import read_run
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import parse_config, read_config

CLASSES = {"1": "Urban", "2": "Crop", "3": "Vegetation", "4": "Water"}


def figures_of(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    return figures


def altered(runs: Path, **sections: dict[str, Any]) -> RunConfig:
    config = read_config(runs / "a.toml", {}).model_dump()
    for name, values in sections.items():
        config[name] = {**config[name], **values}
    return parse_config(config, folder=runs)


def test_every_run_stands_beside_its_baselines(finished_runs: Path) -> None:
    figures, run = figures_of(finished_runs / "a"), read_run(finished_runs / "a")
    found, table = figures["baselines"], run.table
    test = (table["role"] == ROLES.index("test")) & (table["y"] > 0)
    assert found["units"] == test.sum() == figures["superpixel"]["count"]
    assert found["on"] == "held-out test blocks"
    common = np.bincount(table["y"][table["role"] == 1]).argmax()
    share = (table["y"][test] == common).mean()
    assert found["majority"]["other"]["overall_accuracy"] == pytest.approx(share)
    forest = found["mean_spectra"]
    assert forest["map"]["overall_accuracy"] == pytest.approx(figures["superpixel"]["overall_accuracy"])
    assert forest["map"]["macro_f1"] == pytest.approx(figures["superpixel"]["macro_f1"])
    assert share < forest["other"]["overall_accuracy"] <= 1
    assert set(forest["difference"]["interval_95"]) == {"overall_accuracy", "kappa", "macro_f1"}
    lines = baseline_lines(figures)
    assert len(lines) == 2 and "forest on mean spectra" in lines[1]


def test_the_report_says_the_split_of_each_figure(finished_runs: Path) -> None:
    page = (finished_runs / "a/report.html").read_text(encoding="utf-8")
    assert page.count("held-out test blocks") >= 3  # the tiles
    for section in ('id="baselines"', "How far places are alike", "Superpixels of the held-out test blocks."):
        assert section in page


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_product_and_a_second_reference_stand_beside(finished_runs: Path, tmp_path: Path) -> None:
    given = {"path": str(finished_runs / "reference.tif"), "classes": CLASSES}
    few = {
        "path": str(finished_runs / "reference.tif"),
        "classes": {k: v for k, v in CLASSES.items() if k != "2"},
        "ignore": [2],
    }
    config = altered(finished_runs, assess={"product": given, "second_reference": few}, samples={"block": "auto"})
    run_city_map(config, tmp_path)
    figures, table = figures_of(tmp_path), read_table(tmp_path / "samples.h5")
    product, top = figures["baselines"]["product"], figures["ceiling"]
    assert product["other"]["overall_accuracy"] == 1  # it is the reference
    assert product["difference"]["overall_accuracy"] <= 0
    assert 0.5 < top["references"]["overall_accuracy"] < 1  # mixed superpixels have another majority without Crop
    assert top["units"] <= figures["baselines"]["units"]
    assert top["name"] == "reference.tif" and "reference.tif" in (tmp_path / "report.html").read_text(encoding="utf-8")
    block = json.loads((tmp_path / "variogram.json").read_text(encoding="utf-8"))["block"]
    assert block["from"] == "variogram" and figures["split_detail"]["block_m"] == block["size"]
    assert len(np.unique(table["block"][table["role"] == ROLES.index("test")])) >= 12
    assert any("references agree" in line for line in baseline_lines(figures))


@pytest.mark.slow
def test_a_product_with_other_classes_is_refused_with_the_way_out(finished_runs: Path, tmp_path: Path) -> None:
    strange = {"path": str(finished_runs / "reference.tif"), "classes": CLASSES | {"4": "Sea"}}
    config = altered(finished_runs, assess={"product": strange})
    with pytest.raises(InputError, match=r"holds Sea, no class of this run; .* \[assess.product\] merge"):
        run_city_map(config, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_pixels_of_a_superpixel_stay_together(finished_runs: Path, tmp_path: Path) -> None:
    config = altered(
        finished_runs, units={"kind": "pixels"}, samples={"split": "superpixels"}, segments={"n_segments": 300}
    )
    run_city_map(config, tmp_path)
    table, figures = read_table(tmp_path / "samples.h5"), figures_of(tmp_path)
    for role in (1, 2):
        assert not np.intersect1d(table["block"][table["role"] == role], table["block"][table["role"] == 3]).size
    assert figures["split_detail"]["by"] == "superpixels" and figures["baselines"]["units"] <= 30_000
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "held-out test superpixels" in page


def test_a_split_by_superpixels_is_for_pixels(finished_runs: Path) -> None:
    with pytest.raises(ConfigError, match="split = 'superpixels' with \\[units\\] kind = 'superpixels'"):
        altered(finished_runs, samples={"split": "superpixels"})
