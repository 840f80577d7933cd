"""The page of hyper-parameters: its columns are the same for every run, and test scores come later, once."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG, parse_experiment_plugin_data

from citygrain.models.board_events import EventLog, clear_events
from citygrain.models.board_settings import TEST_SCORES, add_test_scores, settings_page

FIGURES = {"overall_accuracy": 0.75, "kappa": None, "macro_f1": 0.5, "count": 9}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a finished training."""
    log = EventLog(tmp_path)
    log.scalars({"loss/train": 0.4}, step=7)
    log.summaries(settings_page({"network": "mlp", "batch": 64}, ["final/epoch", "final/valid accuracy"]))
    log.scalars({"final/valid accuracy": 0.7}, step=0)
    log.close()
    return tmp_path


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), {"scalars": 0}).Reload()


def test_the_columns_are_settings_then_scores_of_validation_then_of_test(log: Path) -> None:
    page = parse_experiment_plugin_data(read(log).PluginTagToContent("hparams")[EXPERIMENT_TAG])
    assert [(column.name, column.differs) for column in page.hparam_infos] == [("network", True), ("batch", False)]
    tags = [column.name.tag for column in page.metric_infos]
    assert tags == ["final/valid accuracy", *TEST_SCORES.values(), "final/epoch"]


def test_test_scores_are_added_and_replaced_and_take_nothing_back(log: Path) -> None:
    for accuracy in (0.1, 0.75):
        add_test_scores(log, FIGURES | {"overall_accuracy": accuracy})
    run = read(log)
    assert [(entry.step, entry.value) for entry in run.Scalars("test/overall accuracy")] == [(0, 0.75)]
    assert "test/kappa" not in run.Tags()["scalars"]  # undefined
    assert run.Scalars("loss/train")[0].step == 7 and len(run.Scalars("final/valid accuracy")) == 1


def test_another_training_clears_the_scores_of_the_one_before(log: Path) -> None:
    add_test_scores(log, FIGURES)
    clear_events(log)
    assert list(log.iterdir()) == []
