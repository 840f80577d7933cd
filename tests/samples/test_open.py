import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.open import open_samples, sample_splits
from citygrain.samples.samples import Samples
from citygrain.samples.store import write_samples
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL2
from helpers.so2sat_files import write_so2sat


def ours() -> Samples:
    x = np.random.default_rng(0).random((8, 2, 4, 4)).astype(np.float32)
    return Samples.of(x, [1, 2, 3, 4] * 2, features=("B04", "B08"), legend=URBAN)


def test_each_kind_is_told_by_its_content(tmp_path: Path) -> None:
    write_samples(tmp_path / "a.dat", ours())
    assert np.array_equal(open_samples(tmp_path / "a.dat").x[:], ours().x) and sample_splits(tmp_path / "a.dat") == {}
    write_so2sat(tmp_path / "parts/training.h5", 20)
    path = tmp_path / "parts/training.h5"
    assert open_samples(path).features == SO2SAT_SENTINEL2 and sample_splits(path) == {}
    assert open_samples(tmp_path / "parts", part="train", sensors=("s1",)).features == SAR_FEATURES
    np.save(tmp_path / "patch.npy", np.ones((4, 4, 2)))
    with zipfile.ZipFile(tmp_path / "set", "w") as archive:
        for place in ("Forest/a.npy", "Town/b.npy"):
            archive.write(tmp_path / "patch.npy", place)
        archive.writestr("train.csv", "Filename\nTown/b.npy\n")
    assert open_samples(tmp_path / "set", bands=("x", "y"), scale=2).x[:].max() == 0.5
    assert open_samples(tmp_path / "set", part="train").y.tolist() == [2]
    assert sample_splits(tmp_path / "set")["train"].tolist() == [1]


def test_samples_of_a_run_bring_their_roles(tmp_path: Path) -> None:
    write_samples(tmp_path / "a.h5", ours(), table={"role": np.array([0, 1, 1, 2, 3, 3, 3, 1], np.uint8)})
    splits = {name: rows.tolist() for name, rows in sample_splits(tmp_path / "a.h5").items()}
    assert splits == {"train": [1, 2, 7], "validation": [3], "test": [4, 5, 6]}
    assert open_samples(tmp_path / "a.h5", part="test").y.tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="one of train, validation, test"):
        open_samples(tmp_path / "a.h5", part="training")


def test_everything_else_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "empty").mkdir()
    for name, told in (
        ("text.h5", "as HDF5 or zip"),
        ("foreign.h5", "holds x"),
        ("empty", "has no patches"),
        ("no", "not exist"),
    ):
        with pytest.raises(InputError, match=told) as refused:
            open_samples(tmp_path / name)
        assert "\n" not in str(refused.value)
    write_samples(tmp_path / "a.h5", ours())
    for wrong in ({"sensors": ("s1",)}, {"radar": "raw"}, {"bands": ("a", "b")}, {"scale": 255.0}):
        with pytest.raises(InputError, match="leave"):
            open_samples(tmp_path / "a.h5", **wrong)
