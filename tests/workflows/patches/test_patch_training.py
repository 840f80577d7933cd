"""Training on patches and judging by patches: what is read, what is refused, what is held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError, ModelMismatchError
from citygrain.models import forest
from citygrain.models.card import read_card
from citygrain.models.catalogue import load_model, make_model
from citygrain.samples.store import write_samples
from citygrain.sensors import SAR_FEATURES
from citygrain.workflows.board import BoardChoice
from citygrain.workflows.patches.patch_source import PatchSource
from citygrain.workflows.patches.patch_training import assess_patches, held_out, source_of, train_patches
from helpers.patch_worlds import BANDS, make_patches, write_patches
from helpers.so2sat_files import write_so2sat


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "_TREES", {"course": 5, "default": 8})


def test_a_model_of_both_sensors_is_assessed_on_patches_read_alike(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 68)
    write_so2sat(tmp_path / "b.h5", 34, seed=1)
    card = train_patches(PatchSource(tmp_path / "a.h5", sensors=("s1", "s2")), tmp_path / "m", model="forest")
    assert card.units == "radar features and reflectance" and card.features[:7] == SAR_FEATURES
    model = load_model(tmp_path / "m")
    figures = assess_patches(model, source_of(model.card, tmp_path / "b.h5"))
    assert figures["overall_accuracy"] > 0.5  # brightness tells the class
    assert figures["count"] == 34 and figures["lcz"]["OAbu"] >= figures["overall_accuracy"]


def test_a_model_takes_its_own_channels_and_refuses_others(tmp_path: Path) -> None:
    samples = write_patches(tmp_path / "a.h5")
    source = PatchSource(tmp_path / "a.h5", bands=("B08", "B04"))
    train_patches(source, tmp_path / "m", model="forest")
    model = load_model(tmp_path / "m")
    whole = assess_patches(model, PatchSource(tmp_path / "a.h5"))  # all four bands: two are taken by name
    assert whole == assess_patches(model, source_of(model.card, tmp_path / "a.h5"))
    write_samples(tmp_path / "b.h5", samples.select(("B04", "B02")))
    with pytest.raises(ModelMismatchError, match="missing B08"):
        assess_patches(model, PatchSource(tmp_path / "b.h5"))
    write_samples(tmp_path / "c.h5", replace(samples, x=samples.x[:, :, :4, :4]))
    with pytest.raises(ModelMismatchError, match="2 x 4 x 4"):
        assess_patches(model, PatchSource(tmp_path / "c.h5"))
    card = replace(model.card, units="digital numbers")
    model._card = card  # type: ignore[attr-defined]  # as if trained on images that were not scaled
    with pytest.raises(ModelMismatchError, match="units 'reflectance'"):
        assess_patches(model, PatchSource(tmp_path / "a.h5"))


def test_the_roles_of_a_run_are_kept(tmp_path: Path) -> None:
    samples = make_patches(80)
    role = np.repeat([1, 2, 3], [50, 10, 20]).astype(np.uint8)
    write_samples(tmp_path / "a.h5", samples, table={"role": role})
    card = train_patches(PatchSource(tmp_path / "a.h5"), tmp_path / "m", model="forest")
    assert sum(card.counts.values()) == 50
    alone = make_model("forest", preparation=card.preparation).fit(samples[:50])
    assert np.array_equal(load_model(tmp_path / "m").predict_proba(samples.x), alone.predict_proba(samples.x))


def test_whole_groups_are_held_out_where_that_costs_no_class() -> None:
    samples = make_patches(800, groups=20)
    train, valid = held_out(samples, seed=0)
    assert valid is not None and 50 <= len(valid) <= 160
    assert not np.isin(valid.group, train.group).any()
    only = replace(samples, group=samples.y.astype(np.int64))  # one group for each class
    train, valid = held_out(only, seed=0)
    assert valid is not None and set(train.y) == set(samples.y) and not np.isin(valid.unit, train.unit).any()
    few, none = held_out(samples[:100], seed=0)
    assert len(few) == 100 and none is None


def test_validation_patches_of_another_kind_are_refused(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    write_samples(tmp_path / "b.h5", make_patches(20).select(BANDS[:2]))
    source = PatchSource(tmp_path / "a.h5")
    with pytest.raises(ModelMismatchError, match="validation"):
        train_patches(source, tmp_path / "m", valid=source.beside(tmp_path / "b.h5"), model="forest")
    assert not (tmp_path / "m/card.json").exists()


@pytest.mark.slow
def test_a_network_trains_from_the_file_and_validates_on_another(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 102)
    write_so2sat(tmp_path / "b.h5", 34, seed=1)
    source = PatchSource(tmp_path / "a.h5")
    ticks: list[tuple[int, int]] = []
    card = train_patches(
        source,
        tmp_path / "m",
        valid=source.beside(tmp_path / "b.h5"),
        model="sen2lcz",
        epochs=1,
        progress=lambda done, total: ticks.append((done, total)),
    )
    assert card.preparation["tessellation"] == "grid" and card.preparation["pixel_m2"] == 100
    assert "valid_accuracy" in read_card(tmp_path / "m").history[0] and ticks[-1] == (1, 1)
    assert not (tmp_path / "m/.checkpoint").exists()
    assert list((tmp_path / "m/tensorboard").glob("events*"))
    assert "features of the trained network" in (tmp_path / "m/tensorboard/projector_config.pbtxt").read_text()
    bands = BoardChoice(bands=("B04", "B03", "B99"))
    with pytest.raises(InputError, match="bands B04, B03, B99 for the projector; wanted: three of"):
        train_patches(source, tmp_path / "n", model="sen2lcz", epochs=1, board=bands)
