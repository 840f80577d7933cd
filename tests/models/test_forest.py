"""A forest's file holds trees and no code, and neither writing nor reading it needs PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.models.forest import ForestClassifier
from citygrain.models.statistics import own_means
from citygrain.samples.samples import Samples
from helpers.worlds import BANDS, toy_patches


class Stranger:
    """A type that no forest holds."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.random((60, 3)).astype(np.float32)
    y, unit = np.repeat([1, 2, 3], 20).astype(np.uint8), np.arange(1, 61)
    extent, purity = np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (60, 1)), np.ones(60, np.float32)
    samples = Samples(x, y, ("B02", "B03", "B04"), URBAN, unit, unit, extent, purity)
    ForestClassifier(trees=12).fit(samples).save(tmp_path / "forest")
    return tmp_path / "forest"


def replace_trees(folder: Path, data: bytes) -> None:
    """Put other bytes in the place of the trees, as somebody who means harm would: with the right checksum."""
    from hashlib import sha256

    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    old = sha256((folder / "forest.skops").read_bytes()).hexdigest()
    (folder / "forest.skops").write_bytes(data)
    text = json.dumps(card).replace(old, sha256(data).hexdigest())
    (folder / "card.json").write_text(text, encoding="utf-8")


def test_a_file_that_holds_something_else_is_refused_by_name(folder: Path) -> None:
    import skops.io

    replace_trees(folder, skops.io.dumps({"trees": Stranger()}))
    with pytest.raises(InputError, match=r"forest\.skops holds .*Stranger; wanted: trees only"):
        ForestClassifier.load(folder)


@pytest.mark.parametrize("recipe", ["course", "default"])
@pytest.mark.parametrize("rows", [1, 40, 20_000])
def test_it_judges_as_scikit_learn_does_to_the_last_bit(recipe: str, rows: int) -> None:
    rng = np.random.default_rng(0)
    x, known = rng.random((rows, 3)).astype(np.float32), rng.random((300, 3)).astype(np.float32)
    train = Samples.of(known, np.arange(300) % 3 + 1, features=("B02", "B03", "B04"), legend=URBAN)
    model = ForestClassifier(recipe=recipe, trees=20).fit(train)
    theirs = model._forest.predict_proba(model.embed(x))
    np.testing.assert_array_equal(model.predict_proba(x)[:, :3], theirs.astype(np.float32))


def test_another_estimator_is_no_forest(folder: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    replace_trees(folder, skops.io.dumps(LogisticRegression()))
    with pytest.raises(InputError, match="holds a LogisticRegression; wanted: trees only"):
        ForestClassifier.load(folder)


@pytest.mark.slow
def test_a_forest_needs_no_pytorch(folder: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from citygrain.models.catalogue import load_model

model = load_model(Path({str(folder)!r}))
model.predict(np.zeros((1, 3), np.float32))
model.save(Path({str(folder)!r}))
print("torch" in sys.modules)
import torch
print(torch.ones(1).item())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "1.0"]


PLAIN = {"sees": "means", "trees": 12}


@pytest.mark.parametrize("outline", [True, False])
def test_what_sees_means_is_the_forest_of_these_means(outline: bool, tmp_path: Path) -> None:
    train, test = toy_patches(outline=outline), toy_patches(41, seed=9, outline=outline)
    train.x[::7, 0, 9] = np.nan  # a line is missing in some
    means = [own_means(part.x, part.features) for part in (train, test)]
    rows = Samples.of(means[0], train.y, features=BANDS, legend=train.legend)
    plain = ForestClassifier(**PLAIN).fit(train)  # type: ignore[arg-type]
    alone = ForestClassifier(trees=12).fit(rows)
    np.testing.assert_array_equal(plain.predict_proba(test.x), alone.predict_proba(means[1]))
    np.testing.assert_array_equal(plain.embed(test.x), alone.embed(means[1]))
    plain.save(tmp_path)
    again = ForestClassifier.load(tmp_path)
    assert again.sees == "means" and again.card.features == train.features
    np.testing.assert_array_equal(again.predict_proba(test.x), plain.predict_proba(test.x))


def test_own_means_are_those_of_the_unit_and_of_what_is_there() -> None:
    image = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    inside = np.array([[[[0, 0, 0], [1, 1, 1], [0, 0, 0]]]], np.float32)
    hole = np.where(image == 3, np.nan, image).astype(np.float32)
    for values, mask, wanted in ((image, inside, 4.0), (hole, inside, 4.5), (image, 0 * inside, 4.0)):
        seen = own_means(np.concatenate([values, mask], 1).astype(np.float32), ("B02", "SEGMENT"))
        assert seen.tolist() == [[wanted]]
    assert np.isnan(own_means(np.full((1, 1, 3, 3), np.nan, np.float32), ("B02",))).all()
    wide = np.zeros((1, 1, 9, 9), np.float32)
    wide[0, 0, 3:6, 3:6] = 1.0
    assert own_means(wide, ("B02",), centre=3) == 1.0 > own_means(wide, ("B02",), centre=5)


def test_of_cells_the_means_are_those_of_the_cell() -> None:
    train = toy_patches(outline=False)
    how = {"tessellation": "cells", "cell_m": 30.0, "pixel_m2": 100.0}
    cells = ForestClassifier(**PLAIN, preparation=how).fit(train)  # type: ignore[arg-type]
    middle = Samples.of(train.x[:, :, 8:11, 8:11].mean((2, 3)), train.y, features=BANDS, legend=train.legend)
    alone = ForestClassifier(trees=12).fit(middle)
    np.testing.assert_allclose(cells.embed(train.x), alone.embed(middle.x), atol=1e-5)


def test_a_forest_that_cannot_see_so_is_refused() -> None:
    for settings in ({"sees": "much"}, {"sees": "means", "recipe": "course"}):
        with pytest.raises(InputError, match=r"forest of recipe .* that sees"):
            ForestClassifier(**settings)  # type: ignore[arg-type]
    for broken in ({"cell_m": "wide", "pixel_m2": 100.0}, {"cell_m": 100.0}, {"cell_m": 100.0, "pixel_m2": 0.0}):
        with pytest.raises(InputError, match="broken preparation"):
            ForestClassifier(**PLAIN, preparation=broken).fit(toy_patches())  # type: ignore[arg-type]
