"""A forest's file holds trees and no code, and neither writing nor reading it needs PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.models.forest import ForestClassifier
from citygrain.samples.samples import Samples


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
    replace_trees(folder, skops.io.dumps({"trees": Stranger()}))
    with pytest.raises(InputError, match=r"forest\.skops holds .*Stranger; wanted: trees only"):
        ForestClassifier.load(folder)


def test_another_estimator_is_no_forest(folder: Path) -> None:
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
