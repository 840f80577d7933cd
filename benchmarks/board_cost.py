"""What a log for TensorBoard adds to a training: paired runs with it and without, everything on at default intervals.

    python -m benchmarks.board_cost [--quick]

The rows are as many as the course's job has: 6,000 patches of 25 x 25 pixels of a synthetic city, so that what a log
costs once (a picture of the network, its library) stands beside a training as users wait for. Pairs differ in nothing
but the log. Two trainings on a busy machine differ by more than a log costs, so the time inside the log's own hooks is
also counted, as a share of the training that they belong to: nothing else of it goes on meanwhile. Loading
TensorBoard's library (once in a process) is measured apart. Wanted: 5 % at most on top.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks.frame import Row, beside, command_line, seconds, turns, within
from benchmarks.patches import city_patches
from citygrain.models.catalogue import ModelName
from citygrain.models.tensorboard import Board
from citygrain.samples.store import write_samples
from citygrain.workflows.board import BoardChoice
from citygrain.workflows.patches.patch_source import PatchSource
from citygrain.workflows.patches.patch_training import train_patches

ADDED = 0.05
HOOKS = tuple(
    f"on_{when}"
    for when in ("train_start", "train_batch_start", "train_batch_end", "validation_batch_end", "train_epoch_end")
)
LOADING = (
    "import time, torch; t = time.perf_counter(); import citygrain.models.tensorboard; print(time.perf_counter() - t)"
)


def main(*, quick: bool = False, model: ModelName = "cnn") -> list[Row]:
    """Return the row."""
    epochs, pairs = (1, 1) if quick else (None, 3)
    with TemporaryDirectory() as name:
        folder, number = Path(name), count()
        write_samples(folder / "samples.h5", city_patches(*((40, 128) if quick else (1_500, 2_048))))
        source = PatchSource(folder / "samples.h5")

        def train(log: bool) -> None:
            train_patches(source, folder / f"{next(number)}", model=model, epochs=epochs, board=BoardChoice(log))

        shares = [own_share(lambda: train(True)) for _ in range(pairs)]
        found = turns(seconds(lambda: train(True)), seconds(lambda: train(False)), pairs=pairs)
    detail = {"added": 1 / found.ratio - 1, "loading_seconds": loading()}
    return [
        beside(f"training of {model} with a log", "the same without", found, wanted=1 / (1 + ADDED), **detail),
        within("share of the log's hooks in it", 100 * median(shares), 100 * ADDED / (1 + ADDED), "%", shares=shares),
    ]


def own_share(train: Callable[[], None]) -> float:
    """Return the share, 0 to 1, of a training's time that went into the log's hooks."""
    spent = [0.0]
    with _counted(spent):
        begun = time.perf_counter()
        train()
        return spent[0] / (time.perf_counter() - begun)


@contextmanager
def _counted(spent: list[float]) -> Iterator[None]:
    """Add the seconds of the board's hooks, those of `finish` included, to `spent`."""

    def timed(hook: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(hook)
        def run(*given: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return hook(*given, **named)
            finally:
                spent[0] += time.perf_counter() - begun

        return run

    with ExitStack() as stack:
        for name in (*HOOKS, "finish"):
            stack.enter_context(patch.object(Board, name, timed(getattr(Board, name))))
        yield


def loading() -> float:
    """Return the seconds to load what writes the log, beyond PyTorch."""
    done = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    command_line(main, __doc__)
