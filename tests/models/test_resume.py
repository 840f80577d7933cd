"""A training killed at any epoch goes on from there and ends in the same bytes."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.models.catalogue import make_model
from citygrain.models.hooks import Hooks
from citygrain.models.neural import NeuralClassifier
from citygrain.samples.samples import Samples
from helpers.worlds import toy_patches, toy_rows

pytestmark = pytest.mark.slow


class KilledError(Exception):
    pass


def _kill_after(epoch: int):  # type: ignore[no-untyped-def]
    def progress(done: int, total: int) -> None:
        if done == epoch:
            raise KilledError

    return progress


def _model(name: str, recipe: str, hooks: Hooks, *, epochs: int = 4) -> NeuralClassifier:
    model = make_model(name, recipe=recipe, epochs=epochs, seed=3, hooks=hooks)  # type: ignore[arg-type]
    assert isinstance(model, NeuralClassifier)
    if recipe == "default":
        model.recipe = replace(model.recipe, least_rows=200)
    return model


def _saved(model: NeuralClassifier, folder: Path) -> dict[str, bytes]:
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "recipe"), [("cnn", "default"), ("cnn", "course"), ("mlp", "default"), ("patchnet", "default")]
)
def test_resumed_training_ends_in_the_same_bytes(
    name: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citygrain.models.networks.patchnet._NARROW_FROM", 0)
    size = 9 if name == "patchnet" else 19  # it is the slowest
    train, valid = toy_patches(60, size=size), toy_patches(30, size=size, seed=5)
    whole = _saved(_model(name, recipe, Hooks()).fit(train, valid), tmp_path / "whole")
    state = tmp_path / "state"
    with pytest.raises(KilledError):
        _model(name, recipe, Hooks(_kill_after(2), state)).fit(train, valid)
    seen: list[int] = []
    resumed = _model(name, recipe, Hooks(lambda done, _: seen.append(done), state)).fit(train, valid)
    assert seen == [3, 4]
    assert _saved(resumed, tmp_path / "resumed") == whole


def test_finished_training_is_taken_up_without_training(tmp_path: Path) -> None:
    train = toy_rows(60)
    first = _model("mlp", "default", Hooks(None, tmp_path / "state")).fit(train)
    again = _model("mlp", "default", Hooks(_kill_after(1), tmp_path / "state")).fit(train)
    assert _saved(first, tmp_path / "a") == _saved(again, tmp_path / "b")


@pytest.mark.parametrize("change", ["rows", "seed", "damage"])
def test_state_of_another_training_is_not_taken_up(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from citygrain.models.training import STATE

    train: Samples = toy_rows(60)
    _model("mlp", "default", Hooks(None, tmp_path), epochs=2).fit(train)
    other = _model("mlp", "default", Hooks(None, tmp_path), epochs=2)
    if change == "rows":
        train = toy_rows(60, seed=8)
    elif change == "seed":
        other.seed = 4
    else:
        (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:500])
    with caplog.at_level(logging.WARNING):
        other.fit(train)
    assert "another training or damaged" in caplog.text
    alone = _model("mlp", "default", Hooks(), epochs=2)
    alone.seed = other.seed
    np.testing.assert_array_equal(other.predict_proba(train.x), alone.fit(train).predict_proba(train.x))


def test_bits_do_not_depend_on_threads_and_settings_are_put_back(tmp_path: Path) -> None:
    train = toy_patches(60)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state()
    models = []
    for threads in (1, 2):
        model = _model("cnn", "default", Hooks(), epochs=1)
        model.threads = threads
        models.append(_saved(model.fit(train), tmp_path / str(threads)))
    assert models[0] == models[1]
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_training_is_quiet_and_leaves_nothing_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _model("mlp", "default", Hooks(), epochs=1).fit(toy_rows(), toy_rows(30))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_loggers_and_callbacks_are_handed_to_lightning() -> None:
    from lightning.pytorch import Callback
    from lightning.pytorch.loggers.logger import DummyLogger

    class Curves(DummyLogger):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[dict[str, float]] = []

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            self.seen.append(metrics)

    class Count(Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
            self.epochs += 1

    logger, count = Curves(), Count()
    model = _model("mlp", "default", Hooks(loggers=[logger], callbacks=[count]), epochs=3)
    model.fit(toy_rows(), toy_rows(30, seed=5))
    assert count.epochs == 3
    losses = [metrics["valid_loss"] for metrics in logger.seen if "valid_loss" in metrics]
    np.testing.assert_allclose(losses, [epoch["valid_loss"] for epoch in model.history_], rtol=1e-6)


def test_weights_of_a_good_epoch_are_kept_and_a_spoilt_training_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    from citygrain.models.training import as_good_as_best

    train, valid = toy_rows(60), toy_rows(30, seed=5)
    model = _model("mlp", "default", Hooks(), epochs=9).fit(train, valid)
    found = (model.predict(valid.x) == valid.y).mean()
    accuracies = [epoch["valid_accuracy"] for epoch in model.history_]
    assert min(abs(found - accuracy) for accuracy in accuracies) < 1e-9
    assert as_good_as_best([*accuracies, found], rows=30)
    calls: list[int] = []

    def only_the_second(accuracies: list[float], *, rows: int) -> bool:
        calls.append(rows)
        return len(accuracies) <= 2

    monkeypatch.setattr("citygrain.models.training.as_good_as_best", only_the_second)
    stopped = _model("mlp", "default", Hooks(), epochs=9).fit(train, valid)
    assert len(stopped.history_) == 2 + stopped.recipe.patience
    assert set(calls) == {30}
    assert not np.array_equal(stopped.predict_proba(valid.x), model.predict_proba(valid.x))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(1, 10_000))
def test_the_best_epoch_is_always_good_enough(accuracies: list[float], rows: int) -> None:
    from citygrain.models.training import as_good_as_best

    assert as_good_as_best([*accuracies, max(accuracies)], rows=rows)
    worse = max(accuracies) - (max(accuracies) * (1 - max(accuracies)) / rows) ** 0.5 - 1e-6
    assert not as_good_as_best([*accuracies, worse], rows=rows)


def test_cnn_refuses_rows_and_small_patches() -> None:
    with pytest.raises(InputError, match="square patches"):
        _model("cnn", "default", Hooks()).fit(toy_rows())
    with pytest.raises(InputError, match="at least 19"):
        _model("cnn", "course", Hooks()).fit(toy_patches(size=15))
