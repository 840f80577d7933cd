"""What a log for TensorBoard adds to a training: paired runs with it and without, everything on at default intervals.

    python benchmarks/board_cost.py [model] [pairs]

The rows are those of the synthetic city of `citygrain demo` (patches of 25 x 25 pixels, 13 features and the outline),
so pairs differ in nothing but the log. Each pair is run in both orders in turn, since a machine grows warm. Loading
TensorBoard's library (once in a process) is measured apart. Wanted: 5 % at most.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from citygrain.models.catalogue import ModelName
from citygrain.workflows.board import BoardChoice
from citygrain.workflows.patch_source import PatchSource
from citygrain.workflows.patch_training import train_patches

WANTED = 0.05
LOADING = (
    "import time, torch; t = time.perf_counter(); import citygrain.models.tensorboard; print(time.perf_counter() - t)"
)


def seconds(samples: Path, folder: Path, model: ModelName, *, log: bool) -> float:
    start = time.perf_counter()
    train_patches(PatchSource(samples), folder, model=model, board=BoardChoice(log))
    return time.perf_counter() - start


def loading() -> float:
    """Seconds to load what writes the log, beyond PyTorch."""
    done = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(model: ModelName = "cnn", pairs: int = 4) -> dict[str, float]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        city = "from citygrain.cli import main; main()"
        subprocess.run([sys.executable, "-c", city, "demo", "--out", folder / "demo"], check=True, capture_output=True)
        samples = folder / "demo/samples.h5"
        train_patches(PatchSource(samples), folder / "warm", model=model, epochs=1)
        ratios, plain = [], []
        for pair in range(pairs):
            order = (True, False) if pair % 2 else (False, True)
            times = {log: seconds(samples, folder / f"{pair}{log}", model, log=log) for log in order}
            plain.append(times[False])
            ratios.append(times[True] / times[False] - 1)
            print(f"{model}: {times[False]:6.2f} s without, {times[True]:6.2f} s with a log: {100 * ratios[-1]:+.1f} %")
    added, load = statistics.median(ratios), loading()
    print(f"{model}: {100 * added:+.1f} % (median of {pairs} pairs; wanted: {100 * WANTED:.0f} % at most)")
    print(f"the library that writes the log loads in {load:.1f} s, once")
    return {"added": added, "seconds": statistics.median(plain), "loading": load}


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((str, int), sys.argv[1:], strict=False)))  # type: ignore[arg-type]
