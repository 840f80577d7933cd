"""What every classifier must do, whatever is inside it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError, ModelMismatchError, OutputError
from citygrain.models.card import CARD
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.classifier import Classifier
from citygrain.models.forest import ForestClassifier
from citygrain.samples.samples import Samples
from helpers.worlds import LEGEND, Lazy, toy_patches, toy_rows

KINDS = {
    "forest-rows": ("forest", toy_rows),
    "forest-patches": ("forest", toy_patches),
    "mlp-rows": ("mlp", toy_rows),
    "mlp-patches": ("mlp", toy_patches),
    "cnn-patches": ("cnn", toy_patches),
    "patchnet-patches": ("patchnet", partial(toy_patches, size=9)),  # it is the slowest
}
QUICK = (("forest-rows", "default"), ("forest-patches", "course"), ("cnn-patches", "default"))
CASES = [
    pytest.param((kind, recipe), id=f"{kind}-{recipe}", marks=() if (kind, recipe) in QUICK else pytest.mark.slow)
    for kind in KINDS
    for recipe in ("default", "course")
]


def made(kind: str, recipe: str, *, seed: int = 0) -> Classifier:
    model = make_model(KINDS[kind][0], recipe=recipe, epochs=2, seed=seed, threads=1)  # type: ignore[arg-type]
    if isinstance(model, ForestClassifier):
        model.trees = 12  # enough for the contract
    elif recipe == "default":
        rows = 600 if kind.startswith("patchnet") else 300  # batch statistics want more steps
        model.recipe = replace(model.recipe, least_rows=rows)  # type: ignore[attr-defined]
    return model


def fitted(kind: str, recipe: str, *, seed: int = 0) -> Classifier:
    make = KINDS[kind][1]
    return made(kind, recipe, seed=seed).fit(make(), make(30, seed=5))


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """The patch network has as few channels as for large patches: the contract is the same, the work a quarter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("citygrain.models.networks.patchnet._NARROW_FROM", 0)
        yield


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[str, str, Classifier, Samples]:
    kind, recipe = request.param
    return kind, recipe, fitted(kind, recipe), KINDS[kind][1](41, seed=9)


Case = tuple[str, str, Classifier, Samples]


def test_probabilities_are_in_legend_order_and_sum_to_one(case: Case) -> None:
    _, _, model, test = case
    proba = model.predict_proba(test.x)
    assert proba.shape == (41, 4)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert (proba[:, LEGEND.names.index("Crop")] == 0).all()  # absent from training
    assert (proba[:, [0, 2, 3]] > 0).any(0).all()
    np.testing.assert_array_equal(model.predict(test.x), LEGEND.codes(proba.argmax(1)))
    assert model.predict(test.x).dtype == np.uint8


def test_default_recipe_learns_what_is_easy(case: Case) -> None:
    kind, recipe, model, test = case
    if recipe == "course" and kind != "forest-rows":
        pytest.skip("two epochs of the course recipe, or flattened patches, are not enough to learn")
    assert (model.predict(test.x) == test.y).mean() > 0.85


def test_saved_model_predicts_the_same_bits(case: Case, tmp_path: Path) -> None:
    _, _, model, test = case
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(test.x), model.predict_proba(test.x))
    assert (again.legend_, again.features_, again.history_) == (model.legend_, model.features_, model.history_)
    again.save(tmp_path / "again")
    assert _bytes(tmp_path / "again") == _bytes(tmp_path / "model")
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]


def test_same_seed_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    kind, recipe, model, _ = case
    model.save(tmp_path / "a")
    fitted(kind, recipe).save(tmp_path / "b")
    fitted(kind, recipe, seed=1).save(tmp_path / "c")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert _bytes(tmp_path / "a") != _bytes(tmp_path / "c")


def test_card_tells_what_was_trained(case: Case) -> None:
    kind, recipe, model, test = case
    card = model.card
    assert card.kind == kind.split("-")[0]
    assert card.recipe["name"] in (recipe, "patches" if recipe == "default" else recipe)
    assert card.features == test.features
    assert card.input_shape == test.x.shape[1:]
    assert card.counts == {"Forest": 30, "Crop": 0, "Urban": 30, "Water": 30}
    assert card.parameters > 0
    assert card.epochs == len(model.history_) == (0 if card.kind == "forest" else 2)


def test_other_features_units_or_shape_are_refused_with_both_sides_named(case: Case) -> None:
    _, _, model, test = case
    shape = test.x.shape[1:]
    model.card.check(test.features, "reflectance", shape)
    with pytest.raises(ModelMismatchError, match=r"B8A.*B02.*missing B04; too many B8A"):
        model.card.check(tuple("B8A" if name == "B04" else name for name in test.features), "reflectance", shape)
    with pytest.raises(ModelMismatchError, match="order"):
        model.card.check(test.features[::-1], "reflectance", shape)
    with pytest.raises(ModelMismatchError, match=r"'dn'.*'reflectance'"):
        model.card.check(test.features, "dn", shape)
    with pytest.raises(ModelMismatchError, match=r"rows of shape 7.*wanted: \d"):
        model.predict_proba(np.zeros((2, 7, *shape[1:]), np.float32))


def test_validation_rows_with_other_features_are_refused(case: Case) -> None:
    kind, recipe, _, test = case
    other = replace(test, features=("X", *test.features[1:]))
    model = made(kind, recipe)
    with pytest.raises(ModelMismatchError, match=r"X, B03.*B02, B03"):
        model.fit(test, other)


def test_one_class_or_none_is_refused(case: Case) -> None:
    kind, recipe, _, test = case
    model = made(kind, recipe)
    with pytest.raises(InputError, match="only class 'Urban'"):
        model.fit(test[test.y == 7])
    with pytest.raises(InputError, match="no labelled row"):
        model.fit(replace(test, y=np.zeros(len(test), np.uint8)))


def test_unlabelled_rows_teach_nothing(case: Case) -> None:
    kind, recipe, model, test = case
    make = KINDS[kind][1]
    train = make()
    rows = np.concatenate([np.arange(len(train)), np.arange(5)])
    padded = train[rows]
    padded = replace(padded, y=np.where(np.arange(len(rows)) < len(train), padded.y, 0).astype(np.uint8))
    again = made(kind, recipe).fit(padded, make(30, seed=5))
    np.testing.assert_array_equal(again.predict_proba(test.x), model.predict_proba(test.x))


def test_missing_values_give_an_answer(case: Case) -> None:
    _, _, model, test = case
    x = test.x.copy()
    x[::2, 0] = np.nan
    x[0] = np.nan
    x[1, 1] = np.inf
    proba = model.predict_proba(x)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)


def test_training_survives_missing_values(case: Case) -> None:
    kind, recipe, _, test = case
    x = test.x.copy()
    x[::3, 1] = np.nan
    model = made(kind, recipe).fit(replace(test, x=x))
    assert np.isfinite(model.predict_proba(test.x)).all()


def test_no_rows_give_no_rows(case: Case) -> None:
    _, _, model, test = case
    assert model.predict_proba(test.x[:0]).shape == (0, 4)
    assert model.predict(test.x[:0]).shape == (0,)


def test_rows_are_read_in_slices_and_any_slicing_gives_the_same(case: Case) -> None:
    kind, _, model, test = case
    x = np.concatenate([test.x] * (40 if kind.startswith("forest") else 10))  # more than a slice
    lazy = Lazy(x)
    whole = model.predict_proba(lazy)
    assert lazy.longest < len(x)
    np.testing.assert_array_equal(whole, model.predict_proba(x))
    small = np.concatenate([model.predict_proba(x[i : i + 7]) for i in range(0, 210, 7)])
    np.testing.assert_allclose(small, whole[: len(small)], atol=1e-3)
    sure = np.sort(whole[: len(small)], 1)[:, -1] - np.sort(whole[: len(small)], 1)[:, -2] > 1e-3
    np.testing.assert_array_equal(small.argmax(1)[sure], whole[: len(small)].argmax(1)[sure])


def test_damage_is_answered_by_one_line(case: Case, tmp_path: Path) -> None:
    _, _, model, _ = case
    model.save(tmp_path)
    weights = next(path for path in tmp_path.iterdir() if path.name != CARD)
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        weights.write_bytes(damaged)
        with pytest.raises(InputError, match="not the file") as caught:
            load_model(tmp_path)
        assert "\n" not in str(caught.value)
    weights.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        load_model(tmp_path)
    (tmp_path / CARD).unlink()
    with pytest.raises(InputError, match="holds no model"):
        load_model(tmp_path)


def test_unwritable_folder_is_answered_by_one_line(case: Case, tmp_path: Path) -> None:
    _, _, model, _ = case
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        model.save(tmp_path / "file" / "model")


def test_an_untrained_model_says_so(case: Case) -> None:
    kind, recipe, _, test = case
    with pytest.raises(InputError, match="not trained"):
        made(kind, recipe).predict_proba(test.x)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
