"""What a run finds out about its map: a temperature that changes no class, sets that hold, ground that is known."""

import dataclasses
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from citygrain.accuracy.conformal import LEVELS
from citygrain.errors import ConfigError, InputError
from citygrain.maps.predict import predict_units, predict_windows
from citygrain.models.card import CARD, read_card
from citygrain.models.catalogue import load_model
from citygrain.models.trust import read_applicability, write_trust
from citygrain.samples.store import read_table
from citygrain.scene.codes import read_codes
from citygrain.scene.read import read_scene
from citygrain.scene.synthetic import synthetic_city
from citygrain.scene.write import write_cog
from citygrain.tempering import temper
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.confidence import trust_caveats, trust_figures
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config_file import parse_config, read_config
from citygrain.workflows.mapping.apply import map_scene
from citygrain.workflows.trust import TestLog, known_ground, look_at_ground, set_rule, set_rules
from helpers.city_runs import run_toml, write_city
from helpers.commands import Command

TOML = f"""
seed = 1
{run_toml(per_class=150, n_segments=4500, window=5, block=300, valid_share=0.4)}
[map]
sets = true
level = 0.95
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with enough validation blocks, all but its report."""
    folder = tmp_path_factory.mktemp("trust")
    city = synthetic_city((300, 300), seed=5)
    write_city(folder, city)
    (folder / "run.toml").write_text(TOML, encoding="utf-8")
    run_city_map(read_config(folder / "run.toml", {}), folder / "out", until="assess")
    return folder


@pytest.fixture(scope="module")
def figures(done: Path) -> dict:
    return json.loads((done / "out/assessment.json").read_text(encoding="utf-8"))


def test_confidence_is_judged_on_test_ground(done: Path, figures: dict) -> None:
    found, table = figures["confidence"], read_table(done / "out/samples.h5")
    assert found["units"] == ((table["role"] == 3) & (table["y"] > 0)).sum()
    assert found["temperature"]["blocks"] >= 9
    assert set(found["before"]["interval_95"]) == {"expected_calibration_error", "brier_score", "log_loss"}
    assert sum(c["units"] for c in found["per_class"].values()) == found["units"]


def test_a_tempered_model_is_judged_before_and_after(done: Path) -> None:
    """A model that is made too sure by hand: what is taken back is what it said at first."""
    card, config = read_card(done / "out/model"), read_config(done / "run.toml", {})
    table, judged = read_table(done / "out/samples.h5"), read_table(done / "out/judged.h5")
    plain = trust_figures(table, judged, card, np.zeros(len(table["y"]), np.uint8), config)["confidence"]
    temperature = {"value": 0.5, "rows": 500, "blocks": 12, "reason": ""}
    sharp = judged | {"probabilities": temper(judged["probabilities"], 0.5)}
    tempered = dataclasses.replace(card, trust={"temperature": temperature})
    found = trust_figures(table, sharp, tempered, np.zeros(len(table["y"]), np.uint8), config)
    assert found["confidence"]["before"]["log_loss"] == pytest.approx(plain["before"]["log_loss"], rel=1e-4)
    assert found["confidence"]["after"]["log_loss"] != pytest.approx(plain["before"]["log_loss"], rel=1e-2)
    assert "calibrated by one number, a temperature of 0.50" in trust_caveats(found)[0]


def test_the_map_is_that_of_the_model_as_it_was(done: Path, tmp_path: Path) -> None:
    """Accuracy cannot have changed: every unit has the class that it had without a temperature."""
    trust = dict(read_card(done / "out/model").trust)
    scene = read_scene(done / "scene.tif", scale=10_000)
    for name, kept in (("plain", {}), ("tempered", trust | {"temperature": {"value": 2.3, "reason": ""}})):
        shutil.copytree(done / "out/model", tmp_path / name)
        write_trust(tmp_path / name, kept, read_applicability(tmp_path / name))
        map_scene(scene, tmp_path / name, tmp_path / name / "map", segments=done / "out/segments.tif")
    plain, tempered = (read_codes(tmp_path / name / "map/map.tif").values for name in ("plain", "tempered"))
    assert np.array_equal(plain, tempered)
    sure = [read_codes(tmp_path / name / "map/confidence.tif").values for name in ("plain", "tempered")]
    assert not np.array_equal(*sure)
    assert not (tmp_path / "plain/map/set_size.tif").exists() and (tmp_path / "tempered/map/set_size.tif").exists()


def test_sets_hold_the_mapped_class_and_no_data_alone_has_none(done: Path) -> None:
    card = read_card(done / "out/model")
    codes, sizes, sets = (read_codes(done / f"out/{name}.tif").values for name in ("map", "set_size", "sets"))
    assert np.array_equal(np.bitwise_count(sets), sizes)
    assert np.array_equal(sizes == 0, codes == 0)
    there = codes > 0
    assert ((sets[there] >> card.legend.columns(codes[there]).astype(np.uint32)) & 1).all()


def test_what_was_promised_is_reached_within_its_interval(figures: dict) -> None:
    found = figures["sets"]
    assert found["level"] == 0.95 and [rule["level"] for rule in found["levels"]] == list(LEVELS)
    for rule in found["levels"]:
        assert rule["level"] <= rule["on_test"]["interval_95"]["coverage"][1]
    sizes = [rule["on_test"]["mean_size"] for rule in found["levels"]]
    assert sizes == sorted(sizes)


def test_the_share_outside_is_that_of_all_units(done: Path, figures: dict) -> None:
    config = read_config(done / "run.toml", {})
    data = RunData(config, done / "out", lambda _: nullcontext())
    model, known = load_model(done / "out/model"), known_ground(done / "out/model")
    index = known.dissimilarity(model.embed(data.units.rows(data.chosen)[np.arange(len(data.units))]))
    outside = data.units.scatter((index > known.threshold).astype(np.uint8)).values.mean()
    assert figures["applicability"]["share_outside"] == pytest.approx(outside, abs=0.04)
    again = look_at_ground(data.chosen, data.units, model, known, seed=config.seed)
    assert np.allclose(again["dissimilarity"], index[again["ground_unit"]])
    assert again["ground_places"].sum() == pytest.approx(1000, abs=5)
    shares = predict_units(data.chosen, data.units, model)
    whole = np.zeros(data.units.geobox.shape, np.uint32)
    for window in predict_windows(data.chosen, data.units, model, marker=set_rule(model.card).masks, block=64):
        whole[window.tile.slices] = window.marks
    assert np.array_equal(whole, data.units.scatter(set_rule(model.card).masks(shares)).values)


def test_a_new_scene_is_warned_of_and_its_applicability_written(
    done: Path, tmp_path: Path, citygrain: Command, caplog: pytest.LogCaptureFixture
) -> None:
    scene = read_scene(done / "scene.tif", scale=10_000)
    strange = np.rint(np.clip(scene.values[:, ::-1] * 0.4 + 0.45, 0, 1) * 10_000).astype(np.uint16)
    write_cog(tmp_path / "strange.tif", strange, scene.odc.geobox, band_names=[str(b) for b in scene.band.values])
    options = ["--model", done / "out/model", "--scale", 10_000]
    said = citygrain("map", tmp_path / "strange.tif", *options, "--out", tmp_path / "b", "--applicability", "--json")
    assert said.returncode == 0, said.stderr
    assert "100 % of the map is outside the model's area of applicability" in caplog.text
    assert json.loads(said.stdout)["share_outside"] > 0.5
    mask = read_codes(tmp_path / "b/applicable.tif").values
    assert (mask == 2).mean() == pytest.approx(json.loads(said.stdout)["share_outside"], abs=0.05)
    assert (tmp_path / "b/dissimilarity.tif").exists() and not (tmp_path / "b/sets.tif").exists()
    own = citygrain("map", done / "scene.tif", *options, "--out", tmp_path / "own", "--sets")
    assert own.returncode == 0 and (tmp_path / "own/sets.tif").exists()
    assert json.loads((tmp_path / "own/applicability.json").read_text(encoding="utf-8"))["share_outside"] < 0.2


def test_a_model_that_kept_nothing_says_so_in_one_line(done: Path, tmp_path: Path, citygrain: Command) -> None:
    shutil.copytree(done / "out/model", tmp_path / "model")
    write_trust(tmp_path / "model", {"sets": {"reason": "40 validation rows in 2 blocks are too few"}})
    for option in ("--sets", "--applicability"):
        said = citygrain(
            "map", done / "scene.tif", "--model", tmp_path / "model", "--scale", 10_000, "--out", tmp_path / "o", option
        )
        assert said.returncode == 2 and f"{option[2:]} of a model that kept nothing" in said.stderr


def test_a_card_with_a_broken_rule_is_refused(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "out/model", tmp_path / "model")
    content = json.loads((tmp_path / "model" / CARD).read_text(encoding="utf-8"))
    for broken in ({"score": "pickle"}, {"threshold": "x"}, {"more": 1}):
        changed = json.loads(json.dumps(content))
        changed["trust"]["sets"]["rules"][0] |= broken
        (tmp_path / "model" / CARD).write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(InputError, match="broken rule"):
            set_rules(read_card(tmp_path / "model"))


def test_a_log_keeps_what_it_was_asked_for() -> None:
    log = TestLog.of(np.array([2, 5, 9]), 2)
    log(np.array([5, 4, 2]), np.array([[0.1, 0.9], [0.5, 0.5], [0.7, 0.3]], np.float32))
    assert np.allclose(log.probabilities[:2], [[0.7, 0.3], [0.1, 0.9]]) and np.isnan(log.probabilities[2]).all()
    nothing = TestLog.of(np.empty(0, np.int64), 2)
    nothing(np.array([1]), np.ones((1, 2), np.float32))


def test_a_level_that_is_none() -> None:
    content = {"scene": {"path": "a"}, "reference": {"path": "b", "legend": "lcz"}, "map": {"level": 0.8}}
    with pytest.raises(ConfigError, match=r"0\.9, 0\.95, 0\.99"):
        parse_config(content)
