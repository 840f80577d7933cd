import os
import resource
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat

from citygrain.errors import InputError, OutputError
from citygrain.legend import URBAN
from citygrain.samples.matlab import read_matlab, write_matlab
from citygrain.samples.samples import Samples
from citygrain.samples.store import read_samples, read_table, write_samples


def patches(n: int = 12) -> Samples:
    rng = np.random.default_rng(0)
    known = {"extent": rng.random((n, 4)), "group": rng.integers(0, 9, n), "purity": rng.random(n, np.float32)}
    x = rng.random((n, 3, 4, 5), np.float32)
    x[0, 0, 0, 0] = np.nan
    return Samples.of(x, rng.integers(0, 5, n), features=("B04", "B08", "NDVI"), legend=URBAN, **known)


def assert_same(one: Samples, other: Samples) -> None:
    assert np.array_equal(one.x, other.x, equal_nan=True)
    for name in ("y", "group", "unit", "extent", "purity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.features, one.legend) == (other.features, other.legend)


def test_written_samples_are_read_samples(tmp_path: Path) -> None:
    samples, role = patches(), np.arange(12) % 4
    write_samples(tmp_path / "a.h5", samples, table={"role": role})
    assert_same(read_samples(tmp_path / "a.h5"), samples)
    assert np.array_equal(read_table(tmp_path / "a.h5")["role"], role)


def test_rows_of_statistics_too(tmp_path: Path) -> None:
    rows = Samples.of(np.ones((3, 2), np.float32), [1, 2, 0], features=("a", "b"), legend=URBAN)
    write_samples(tmp_path / "a.h5", rows)
    assert_same(read_samples(tmp_path / "a.h5"), rows)
    assert read_table(tmp_path / "a.h5") == {}


def test_a_reader_of_so2sat_reads_it(tmp_path: Path) -> None:
    samples = patches()
    write_samples(tmp_path / "a.h5", samples)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["sen2"].shape == (12, 4, 5, 3)
        assert np.array_equal(file["label"][:].argmax(1)[samples.y > 0] + 1, samples.y[samples.y > 0])


def test_the_same_samples_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_samples(tmp_path / name, patches())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_broken_and_foreign_files_are_refused(tmp_path: Path) -> None:
    write_samples(tmp_path / "a.h5", patches())
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:3000])
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    for name in ("cut.h5", "text.h5", "foreign.h5"):
        with pytest.raises(InputError, match="not a samples file"):
            read_samples(tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        read_samples(tmp_path / "none.h5")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if not child:  # the limit of a file's size stands for a full disk, in a process of its own
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            write_samples(tmp_path / "a.h5", patches(200))
        except OutputError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []


def test_matlab_round_trip(tmp_path: Path) -> None:
    samples = patches()
    write_matlab(tmp_path / "a.mat", samples)
    content = loadmat(tmp_path / "a.mat")
    assert content["images"].shape == (12, 4, 5, 3) and content["labels"].shape == (1, 12)
    back = read_matlab(tmp_path / "a.mat", features=samples.features, legend=URBAN)
    assert np.array_equal(back.x, samples.x, equal_nan=True) and np.array_equal(back.y, samples.y)


def test_matlab_mistakes(tmp_path: Path) -> None:
    (tmp_path / "text.mat").write_text("no MATLAB file, but long enough for a header" * 9)
    for name in ("text.mat", "none.mat"):
        with pytest.raises(InputError):
            read_matlab(tmp_path / name, features=("a",), legend=URBAN)
    with pytest.raises(InputError, match="patches"):
        write_matlab(tmp_path / "b.mat", Samples.of(np.ones((1, 1)), [1], features=("a",), legend=URBAN))
    huge = Samples.of(np.broadcast_to(np.float32(0), (2**20, 1, 32, 32)), np.ones(2**20), features=("a",), legend=URBAN)
    with pytest.raises(InputError, match=r"use \.h5"):
        write_matlab(tmp_path / "b.mat", huge)


def test_patches_that_stay_in_the_file_are_the_same_whatever_they_hold(tmp_path: Path) -> None:
    samples = patches()
    samples.x[1], samples.x[2, 0, 0, 0] = np.nan, -np.inf  # a logarithm of nothing
    write_samples(tmp_path / "s.h5", samples)
    some = read_samples(tmp_path / "s.h5", on_disk=True)[np.array([2, 1, 5])]
    assert not isinstance(some.x, np.ndarray)
    assert_same(read_samples(tmp_path / "s.h5")[np.array([2, 1, 5])], replace(some, x=some.x[:]))
