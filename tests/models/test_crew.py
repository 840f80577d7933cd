"""Two processes train what one trains: the same steps, the same scores, one writer, and no process left behind."""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citygrain.errors import CitygrainError, InputError
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.devices import ONE, Devices, available_devices
from citygrain.models.hooks import Hooks
from citygrain.models.neural import NeuralClassifier
from citygrain.samples.open import open_samples
from citygrain.samples.samples import Samples
from helpers.patch_worlds import write_patches
from helpers.so2sat_files import write_so2sat
from helpers.worlds import Lazy, toy_patches, toy_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(available_devices()[0] < 2, reason="one processor core"),
]
TWO = Devices(2)


class KilledError(Exception):
    pass


@contextlib.contextmanager
def helpers_loaded() -> Iterator[None]:
    """Begin helpers as copies of a process that has Lightning loaded, which each new one takes seconds for."""
    multiprocessing.set_forkserver_preload(["citygrain.models.fitting"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("citygrain.models.crew._START", "forkserver")
        yield


@pytest.fixture
def loaded() -> Iterator[None]:
    with helpers_loaded():
        yield


def _model(name: str, recipe: str, devices: Devices, hooks: Hooks | None = None, epochs: int = 3) -> NeuralClassifier:
    model: Any = make_model(
        name,  # type: ignore[arg-type]
        recipe=recipe, epochs=epochs, seed=3, threads=1, devices=devices, hooks=hooks,
    )  # fmt: skip
    model.recipe = replace(model.recipe, least_rows=180)
    assert isinstance(model, NeuralClassifier)
    return model


def test_the_course_network_takes_the_same_steps_on_two_devices() -> None:
    train, valid = toy_patches(180), toy_patches(61, seed=5)  # odd numbers: a batch and its last part are unequal
    one, two = (_model("cnn", "course", devices).fit(train, valid) for devices in (ONE, TWO))
    for first, second in zip(one.history_, two.history_, strict=True):
        assert first.keys() == second.keys()
        np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=2e-2, atol=1e-3)
    np.testing.assert_allclose(one.predict_proba(valid.x), two.predict_proba(valid.x), atol=1e-2)
    assert not multiprocessing.active_children()


@pytest.fixture(scope="module")
def whole() -> NeuralClassifier:
    """A training on two devices, uninterrupted."""
    with helpers_loaded():
        return _model("mlp", "default", TWO, epochs=4).fit(toy_rows(180), toy_rows(60, seed=5))


@pytest.mark.usefixtures("loaded")
def test_draws_of_each_process_end_at_the_same_score_and_in_the_same_bits_again(whole: NeuralClassifier) -> None:
    train, valid = toy_rows(180), toy_rows(60, seed=5)
    one, again = (_model("mlp", "default", devices, epochs=4).fit(train, valid) for devices in (ONE, TWO))
    assert abs(one.history_[-1]["valid_accuracy"] - whole.history_[-1]["valid_accuracy"]) <= 0.05
    assert whole.history_ == again.history_
    np.testing.assert_array_equal(whole.predict_proba(valid.x), again.predict_proba(valid.x))


@pytest.mark.usefixtures("loaded")
def test_batch_statistics_of_two_halves_are_those_of_two_processes() -> None:
    train, valid = toy_patches(180, size=9), toy_patches(60, size=9, seed=5)
    models = []
    for devices in (ONE, TWO):
        model = _model("patchnet", "default", devices, epochs=1)
        model.recipe = replace(model.recipe, augment=False, shift=0.0)
        models.append(model.fit(train, valid))
    one, two = (model.module_.state_dict() for model in models)
    means = [name for name in one if name.endswith("running_mean")]
    first = means[0]  # of the first layer, before anything was learned or dropped
    np.testing.assert_allclose(one[first], two[first], atol=0.02)
    assert all(bool((two[name] != 0).any()) for name in means)


@pytest.mark.usefixtures("loaded")
def test_a_training_goes_on_on_two_devices_and_ends_in_the_same_bytes(whole: NeuralClassifier, tmp_path: Path) -> None:
    train, valid = toy_rows(180), toy_rows(60, seed=5)

    def killed(done: int, _: int) -> None:
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        _model("mlp", "default", TWO, Hooks(killed, tmp_path), epochs=4).fit(train, valid)
    assert not multiprocessing.active_children()
    seen: list[int] = []
    hooks = Hooks(lambda done, _: seen.append(done), tmp_path)
    resumed = _model("mlp", "default", TWO, hooks, epochs=4).fit(train, valid)
    assert seen == [3, 4]
    assert resumed.history_ == whole.history_
    np.testing.assert_array_equal(resumed.predict_proba(valid.x), whole.predict_proba(valid.x))


@pytest.mark.usefixtures("loaded")
def test_rows_left_on_disk_are_read_by_each_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 68)
    samples: Samples = open_samples(tmp_path / "a.h5", sensors=("s1", "s2")).select(("B08", "VV_DB", "B04"))
    assert not isinstance(samples.x, np.ndarray)
    monkeypatch.setattr("citygrain.models.feed._IN_MEMORY", 0)
    model = _model("mlp", "course", TWO, epochs=1).fit(samples, samples)
    assert np.isfinite(list(model.history_[0].values())).all()


def test_what_cannot_be_sent_or_shared_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    train = toy_patches(60)
    model = _model("cnn", "course", TWO)
    model.recipe = replace(model.recipe, batch=1)
    with pytest.raises(InputError, match="a row for each"):
        model.fit(train)
    monkeypatch.setattr("citygrain.models.feed._IN_MEMORY", 0)
    lazy = Lazy(train.x)
    lazy.here = lambda: None  # type: ignore[attr-defined]  # as an open file would
    with pytest.raises(InputError, match="cannot be sent to another process"):
        _model("cnn", "course", TWO).fit(replace(train, x=lazy))


def test_a_lost_helper_is_one_line() -> None:
    def lose(done: int, _: int) -> None:
        for helper in multiprocessing.active_children():
            helper.kill()

    with pytest.raises(CitygrainError, match="ended with code -9"):
        _model("mlp", "default", TWO, Hooks(lose)).fit(toy_rows(180))
    assert not multiprocessing.active_children()


def test_two_machines_train_one_model_and_the_first_writes(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [
        sys.executable, "-c", "from citygrain.cli import main; main()", "train", str(tmp_path / "a.h5"),
        "--model", "mlp", "--epochs", "2", "--nodes", "2", "--out", str(tmp_path / "m"),
    ]  # fmt: skip
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = [
        subprocess.Popen(command, env=os.environ | place | {"NODE_RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in (1, 0)
    ]
    said = [node.communicate(timeout=300)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert load_model(tmp_path / "m").card.epochs == 2
    assert not (tmp_path / "m" / ".checkpoint").exists()
