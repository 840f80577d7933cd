"""The automatic choice: the best on validation rows, or the mean of all, and files that belong together."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.choice import FORESTS, PLAIN, AutoClassifier, candidates
from citygrain.models.classifier import Classifier
from citygrain.models.trust import write_trust
from citygrain.samples.samples import Samples
from citygrain.tempering import temper
from helpers.worlds import toy_patches, toy_rows


def small(name: str) -> Classifier:
    """A member that trains in a moment."""
    forest = name in FORESTS
    options = FORESTS[name] | {"trees": 12} if forest else None
    model = make_model("forest" if forest else name, options=options, epochs=2, threads=1)  # type: ignore[arg-type]
    if forest:
        return model
    model.recipe = replace(model.recipe, least_rows=300)  # type: ignore[attr-defined]
    return model


def grouped(samples: Samples) -> Samples:
    """The rows in groups of ten."""
    return replace(samples, group=np.arange(len(samples)) // 10)


def test_without_validation_rows_and_groups_a_forest_that_sees_all_is_trained_alone() -> None:
    for train in (toy_rows(), toy_patches()):
        model = AutoClassifier(small).fit(train)
        assert model.chosen == ("forest",) == tuple(model.members)
        why = model.card.recipe["why"]
        assert "no validation rows" in why and "90 of 90 labelled samples have no group" in why


def test_without_validation_rows_groups_of_training_rows_choose() -> None:
    train = grouped(toy_patches(120))
    model = AutoClassifier(small).fit(train)
    assert model.chosen == (PLAIN,) == tuple(model.members)  # colour is all there is to tell: the others are no better
    assert "120 training rows held out in turn in 12 groups" in model.card.recipe["why"]
    assert set(model.card.recipe["accuracy_of_validation"]) == set(FORESTS)


def test_what_is_asked_for_is_trained_alone() -> None:
    for valid in (None, grouped(toy_patches(60, seed=5))):
        model = AutoClassifier(small, wanted=("forest", PLAIN)).fit(grouped(toy_patches()), valid)
        assert model.chosen == ("forest", PLAIN) == tuple(model.members)


def test_rows_of_their_own_values_alone_have_no_plainer_forest() -> None:
    assert candidates(toy_rows()) == ("forest", "wide_forest", "mlp")
    beside = replace(toy_rows(), features=("B02", "B02 mean", "B02 std"))
    assert candidates(beside) == (PLAIN, "forest", "wide_forest", "mlp")


@pytest.mark.slow
def test_the_plain_forest_is_taken_where_colour_is_all_there_is_to_tell(tmp_path: Path) -> None:
    train, valid, test = grouped(toy_patches(240)), grouped(toy_patches(240, seed=5)), toy_patches(41, seed=9)
    model = AutoClassifier(small).fit(train, valid)
    assert model.chosen == (PLAIN,) and set(model.members) == {*FORESTS, "cnn"}
    alone = small(PLAIN).fit(train)
    np.testing.assert_array_equal(model.predict_proba(test.x), alone.predict_proba(test.x))
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(test.x), model.predict_proba(test.x))
    assert loaded.card.features == train.features and loaded.card.network == "extra-trees"
    assert model.embed(test.x).shape == (41, 3) == (41, len(model.importance_))  # a mean of each band


def test_the_mean_of_several_leaves_the_plain_one_out() -> None:
    model = AutoClassifier(small, wanted=(PLAIN, "forest", "wide_forest")).fit(toy_patches())
    assert model._together == ("forest", "wide_forest")


@pytest.mark.slow
def test_the_mean_of_all_is_the_mean_of_all(tmp_path: Path) -> None:
    model = AutoClassifier(small).fit(toy_rows(), toy_rows(30, seed=5))
    assert set(model.members) == {"forest", "wide_forest", "mlp"}
    assert set(model.card.recipe["accuracy_of_validation"]) == {"forest", "wide_forest", "mlp", "all"}
    model.chosen = tuple(model.members)
    test = toy_rows(41, seed=9)
    parts = [member.predict_proba(test.x) for member in model.members.values()]
    np.testing.assert_allclose(model.predict_proba(test.x), np.mean(parts, 0), atol=1e-6)
    model.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict_proba(test.x), model.predict_proba(test.x))


@pytest.mark.slow
def test_patches_go_to_a_forest_and_a_network_of_patches(tmp_path: Path) -> None:
    train = toy_patches()
    assert candidates(train) == (PLAIN, "forest", "wide_forest", "cnn")
    model = AutoClassifier(small).fit(train, toy_patches(30, seed=5))
    assert set(model.members) == {PLAIN, "forest", "wide_forest", "cnn"}
    model.save(tmp_path)
    test = toy_patches(41, seed=9)
    np.testing.assert_array_equal(load_model(tmp_path).predict_proba(test.x), model.predict_proba(test.x))


def test_a_folder_whose_members_do_not_belong_to_it_is_refused(tmp_path: Path) -> None:
    AutoClassifier(small).fit(toy_rows()).save(tmp_path / "a")
    AutoClassifier(small).fit(toy_rows(seed=3)).save(tmp_path / "b")
    shutil.copytree(tmp_path / "b/forest", tmp_path / "a/forest", dirs_exist_ok=True)
    for folder in ("a", "b"):
        if folder == "b":
            shutil.rmtree(tmp_path / "b/forest")
        with pytest.raises(InputError, match=r"'forest' in .* is missing or another one"):
            load_model(tmp_path / folder)


def test_members_of_an_earlier_training_are_taken_away(tmp_path: Path) -> None:
    model = AutoClassifier(small).fit(toy_rows(), toy_rows(30, seed=5))
    model.chosen = ("forest", "wide_forest", "mlp")
    model.save(tmp_path)
    (tmp_path / "wide_forest/notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "other").mkdir()
    for chosen in (("forest",), ("mlp", "forest")):
        model.chosen = chosen
        model.save(tmp_path)
        there = {path.name for path in tmp_path.iterdir() if (path / "card.json").exists()}
        assert there == set(chosen) == set(load_model(tmp_path).members)  # type: ignore[attr-defined]
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("wide_forest/*"))
    assert left == ["wide_forest/notes.txt"] and (tmp_path / "other").is_dir()  # what is not ours stays
    (tmp_path / "members.json").write_text('{"../other": "", "forest": ""}', encoding="utf-8")
    model.save(tmp_path)
    assert (tmp_path / "other").is_dir() and set(load_model(tmp_path).members) == {"mlp", "forest"}  # type: ignore[attr-defined]


def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    AutoClassifier(small).fit(toy_rows()).save(tmp_path)
    index = tmp_path / "members.json"
    index.write_text(json.dumps({"../forest": ""}))
    card = tmp_path / "card.json"
    values = json.loads(card.read_text()) | {"checksum": hashlib.sha256(index.read_bytes()).hexdigest()}
    card.write_text(json.dumps(values))
    with pytest.raises(InputError, match="names no members"):
        load_model(tmp_path)


def test_a_recipe_other_than_the_default_wants_a_model_by_name() -> None:
    with pytest.raises(InputError, match="by name"):
        make_model("auto", recipe="course")


def test_temperature_and_what_it_decides_on(tmp_path: Path) -> None:
    model = AutoClassifier(small).fit(toy_rows())
    model.save(tmp_path)
    write_trust(tmp_path, {"temperature": {"value": 2.0}})
    test = toy_rows(41, seed=9).x
    warm = load_model(tmp_path).predict_proba(test)
    np.testing.assert_allclose(warm, temper(model.predict_proba(test), 2.0), atol=1e-6)
    assert model.embed(test).shape == (41, len(model.importance_))


def test_a_forest_takes_its_own_settings_alone() -> None:
    assert make_model("forest", options={"share": "0.5", "trees": 7}).share == 0.5  # type: ignore[attr-defined]
    for options in ({"mixup": 0.2}, {"share": "wide"}, {"share": 2.0}, {"trees": -1}, {"sees": "much"}):
        with pytest.raises(InputError, match="forest"):
            make_model("forest", options=options)
