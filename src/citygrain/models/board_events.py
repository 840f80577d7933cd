"""Event files of TensorBoard: numbers, distributions, pictures, curves, text and graphs, each at a step.

A training that goes on after a kill writes on in a file of its own, which begins with the step from which older entries
no longer count; TensorBoard then shows one line. Files are flushed after each epoch, so what was killed can be read.
"""

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch import Tensor
from torch.utils.tensorboard import summary as untyped

from citygrain.errors import OutputError

__all__ = ["EVENTS", "EventLog", "clear_events", "tag_of"]

EVENTS = "events.out.tfevents.*"
"""Pattern of the names of event files."""

summary: Any = untyped
_BINS = 48
_FLUSH_SECONDS = 20
_QUEUE = 1000  # entries that wait for the writing thread before the training does
_THRESHOLDS = 101


class EventLog:
    """One run of TensorBoard: a folder with event files.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    goes_on_from : int or None
        Entries of earlier files from this step on no longer count.
    suffix : str
        How the file's name ends.

    Raises
    ------
    OutputError
        If the folder cannot be written.

    Examples
    --------
    >>> log = EventLog(getfixture("tmp_path"))
    >>> log.scalars({"loss/train": 0.5}, step=1)
    >>> log.close()
    """

    def __init__(self, folder: Path, *, goes_on_from: int | None = None, suffix: str = "") -> None:
        self.folder = folder
        if goes_on_from is not None:
            _wait_for_a_later_name(folder)
        try:
            self._file = EventFileWriter(str(folder), _QUEUE, _FLUSH_SECONDS, filename_suffix=suffix)
        except OSError as error:
            came = f"folder {folder} cannot be written: {error.strerror or error}"
            raise OutputError(came, wanted="a writable folder", mend="or train without TensorBoard") from error
        if goes_on_from is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._add(event_pb2.Event(session_log=start), goes_on_from)

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Write numbers by tag; those that are not finite are left out."""
        told = [
            summary_pb2.Summary.Value(tag=tag, simple_value=value)
            for tag, value in values.items()
            if math.isfinite(value)
        ]
        if told:
            self._add(event_pb2.Event(summary=summary_pb2.Summary(value=told)), step)

    def histograms(self, tensors: Mapping[str, Tensor], *, step: int) -> None:
        """Write the distribution of each tensor in 48 bins; those with values that are not finite are left out."""
        told = [
            summary_pb2.Summary.Value(tag=tag, histo=histogram)
            for tag, tensor in tensors.items()
            if (histogram := _histogram(tensor)) is not None
        ]
        if told:
            self._add(event_pb2.Event(summary=summary_pb2.Summary(value=told)), step)

    def picture(self, tag: str, png: bytes, *, step: int) -> None:
        """Write a picture, a PNG file's bytes."""
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        image = summary_pb2.Summary.Image(encoded_image_string=png, width=width, height=height, colorspace=3)
        self._add(
            event_pb2.Event(summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, image=image)])), step
        )

    def precision_recall(
        self, tag: str, is_class: npt.NDArray[np.bool_], probability: npt.NDArray[np.float32], *, step: int
    ) -> None:
        """Write the precision-recall curve of a class, from each row's truth and probability."""
        self._summary(summary.pr_curve(tag, is_class, np.clip(probability, 0, 1), _THRESHOLDS), step)

    def text(self, tag: str, content: str, *, step: int = 0) -> None:
        """Write text as it stands: nothing in it is markdown or HTML."""
        quoted = "\n".join(f"    {line}" for line in content.splitlines())  # markdown shows indented lines as they are
        self._summary(summary.text(tag, quoted), step)

    def layout(self, charts: Mapping[str, Mapping[str, list[str]]]) -> None:
        """Say which tags stand together in one chart: ``{group: {chart: [tags]}}``."""
        lines = {group: {chart: ["Multiline", tags] for chart, tags in part.items()} for group, part in charts.items()}
        self._summary(summary.custom_scalars(lines), 0)

    def summaries(self, content: Iterable[Any], *, step: int = 0) -> None:
        """Write summaries as they are, such as those of `citygrain.models.board_settings.settings_page`."""
        for part in content:
            self._summary(part, step)

    def graph(self, graph: Any) -> None:
        """Write a graph (``GraphDef``), as `citygrain.models.board_graph.graph_of` makes it."""
        self._add(event_pb2.Event(graph_def=graph.SerializeToString()), 0)

    def flush(self) -> None:
        """Bring to disk what was written."""
        self._file.flush()

    def close(self) -> None:
        """Bring to disk what was written, and end."""
        self._file.close()

    def _summary(self, content: Any, step: int) -> None:
        self._add(event_pb2.Event(summary=content), step)

    def _add(self, event: Any, step: int) -> None:
        event.step, event.wall_time = step, time.time()
        self._file.add_event(event)


def tag_of(group: str, name: str) -> str:
    """Return a tag; a slash in a name would open a group of its own.

    Examples
    --------
    >>> tag_of("F1 of validation", "Bare rock / paved")
    'F1 of validation/Bare rock - paved'
    """
    return f"{group}/{' '.join(name.replace('/', '-').split())}"


def clear_events(folder: Path, *, suffix: str = "") -> None:
    """Remove event files (those of an earlier training) from a folder: all, or those whose names end in `suffix`."""
    for path in folder.glob(f"{EVENTS}{suffix}"):
        path.unlink(missing_ok=True)


def _histogram(tensor: Tensor) -> Any:
    """Return counts in bins of equal width, or None for what cannot be counted."""
    values = tensor.detach().float().flatten()
    if not values.numel():
        return None
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    reach = max(high - low, 1e-6 * max(1.0, abs(low)))
    edges = np.linspace(low, low + reach, _BINS + 1)
    counts = torch.histc(values, _BINS, low, low + reach)
    return summary_pb2.HistogramProto(
        min=low,
        max=high,
        num=values.numel(),
        sum=float(values.sum(dtype=torch.float64)),
        sum_squares=float(values.square().sum(dtype=torch.float64)),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )


def _wait_for_a_later_name(folder: Path) -> None:
    """Wait until a new event file sorts behind those that are there: names begin with the second they are made in."""
    made = [path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*")]
    last = max((int(second) for second in made if second.isdecimal()), default=0)
    now = time.time()
    while int(now) <= last <= now + 2:  # a clock that was set back is not waited for
        time.sleep(0.05)
        now = time.time()
