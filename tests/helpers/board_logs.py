"""Read a log of TensorBoard back, with TensorBoard's own reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

__all__ = ["Log", "read_log"]


@dataclass
class Log:
    """A training's log: the run of its epochs, and the one of its steps."""

    run: Any
    stepwise: Any

    def tags(self, kind: str) -> list[str]:
        """Tags of ``scalars``, ``images``, ``histograms`` or ``tensors``."""
        return list(self.run.Tags()[kind])

    def epochs(self, tag: str) -> dict[int, float]:
        """Values of a tag by epoch; no epoch may be there twice."""
        return _once(self.run.Scalars(tag))

    def steps(self, tag: str) -> dict[int, float]:
        """Values of a tag by step; no step may be there twice."""
        return _once(self.stepwise.Scalars(tag))


def read_log(folder: Path) -> Log:
    everything = dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)
    runs = [EventAccumulator(str(place), everything).Reload() for place in (folder, folder / "steps")]
    return Log(*runs)


def _once(entries: list[Any]) -> dict[int, float]:
    values = {entry.step: entry.value for entry in entries}
    assert len(values) == len(entries)
    return values
