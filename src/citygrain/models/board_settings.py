"""TensorBoard's page of hyper-parameters (HParams): the settings of a training beside the scores that it led to.

TensorBoard takes the columns from one run and shows them for all, so each run names the same ones: the scores on test
rows, too, which are known only later, if at all. They are added by `add_test_scores` in an event file of their own.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from citygrain.models.board_events import EventLog, clear_events

__all__ = ["TEST_SCORES", "add_test_scores", "settings_page"]

TEST_SCORES = {
    "overall_accuracy": "test/overall accuracy",
    "kappa": "test/kappa",
    "macro_f1": "test/macro F1",
}
"""Tag of each score on test rows, by its name in ``assessment.json``."""

_FIRST = {"network", "epochs", "learning rate", "rows", "seed"}
"""Settings that the page shows unasked; it takes five, and those said to differ before all others."""
_FIRST_SCORES = ("final/valid accuracy", "final/macro F1 of validation")
_SUFFIX = ".test"


def settings_page(settings: Mapping[str, float | str], scores: Sequence[str]) -> list[Any]:
    """Return the summaries that tell TensorBoard of a training's settings, and where its scores are.

    Parameters
    ----------
    settings : mapping of str to float or str
        Hyper-parameters by name.
    scores : sequence of str
        Tags of the scores known so far; those on test rows are named in any case.

    Examples
    --------
    >>> [summary.value[0].tag for summary in settings_page({"epochs": 3}, ["final/valid accuracy"])]
    ['_hparams_/experiment', '_hparams_/session_start_info', '_hparams_/session_end_info']
    """
    first = [tag for tag in scores if tag in _FIRST_SCORES]  # the page shows five scores unasked, too
    tags = [*first, *TEST_SCORES.values(), *(tag for tag in scores if tag not in first)]
    experiment = api_pb2.Experiment(
        hparam_infos=[
            api_pb2.HParamInfo(name=name, type=_type(value), differs=name in _FIRST) for name, value in settings.items()
        ],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
    )
    begun, ended = plugin_data_pb2.SessionStartInfo(), plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS)
    for name, value in settings.items():
        if isinstance(value, str):
            begun.hparams[name].string_value = value
        else:
            begun.hparams[name].number_value = value
    return [
        _summary(metadata.EXPERIMENT_TAG, experiment=experiment),
        _summary(metadata.SESSION_START_INFO_TAG, session_start_info=begun),
        _summary(metadata.SESSION_END_INFO_TAG, session_end_info=ended),
    ]


def add_test_scores(folder: Path, figures: Mapping[str, Any]) -> None:
    """Add to the log of a finished training how its model does on test rows; what was added earlier goes.

    Parameters
    ----------
    folder : Path
        The log.
    figures : mapping
        As `citygrain.accuracy.assess.Assessment.to_dict` gives them; an undefined score is None, and left out.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    clear_events(folder, suffix=_SUFFIX)
    values = {tag: figures[name] for name, tag in TEST_SCORES.items() if figures.get(name) is not None}
    log = EventLog(folder, suffix=_SUFFIX)
    log.scalars({tag: value for tag, value in values.items() if math.isfinite(value)}, step=0)
    log.close()


def _type(value: float | str) -> Any:
    return api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64


def _summary(tag: str, **content: Any) -> Any:
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
    told = summary_pb2.SummaryMetadata(plugin_data=plugin)
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, metadata=told)])
