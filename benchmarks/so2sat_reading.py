"""An epoch of So2Sat LCZ42: shuffled, as float32 and channels first, beside a plain h5py read; and its peak memory.

    python -m benchmarks.so2sat_reading [--quick]

Throughput: a generated file of 24,188 patches as in ``testing.h5`` (3.6 GB, float64, both sensors), read in blocks that
a thread reads ahead, and by h5py from beginning to end, neither turned nor shuffled; each way in turn. Once with the
file dropped from the system's cache before each pass, so that the disk counts, and once with the file in it.
Memory: a file of the shape of ``training.h5`` (352,366 patches, 52 GB), which takes no disk because nothing has been
written to it; a process of its own goes through one epoch. Wanted: 2 GB at most.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from benchmarks.frame import CACHE, ROOT, Row, beside, command_line, seconds, turns, watched, within
from citygrain.samples.so2sat import open_so2sat
from citygrain.samples.stored import read_ahead, shuffled_blocks

TESTED, TRAINED = 24_188, 352_366
BLOCK, MIX, PAIRS = 128, 16, 5
SHAPES = {"sen1": (32, 32, 8), "sen2": (32, 32, 10)}
GB = 2.0


def main(*, quick: bool = False) -> list[Row]:
    """Return a row for each state of the file and each kind of features, and one of the memory."""
    tested, trained, pairs = (256, 2_048, 1) if quick else (TESTED, TRAINED, PAIRS)
    rows = []
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as folder:  # the system's folder for such files may be memory
        path = Path(folder) / "testing.h5"
        write_patches(path, tested, filled=True)
        for state, before in (("from disk", forget), ("cached", lambda _: None)):
            for radar in ("raw", "features"):
                ours, theirs = (after(before, path, work) for work in (lambda p, r=radar: epoch(p, r), plain))  # type: ignore[misc]
                found = turns(ours, theirs, pairs=pairs)
                rows.append(
                    beside(f"an epoch of So2Sat, {state}, radar {radar}", "a plain h5py read", found, wanted=None)
                )
        path.unlink()
        sparse = Path(folder) / "training.h5"
        write_patches(sparse, trained, filled=False)
        run = watched(["-m", "benchmarks.so2sat_reading", sparse], cwd=ROOT)
    return [*rows, within(f"an epoch of {trained:,} patches: memory", run.peak_gb, GB, "GB", seconds=run.seconds)]


def after(before: Callable[[Path], None], path: Path, work: Callable[[Path], int]) -> Callable[[], float]:
    """Return a function that prepares the file, uncounted, and returns the seconds of `work`."""

    def run() -> float:
        before(path)
        return seconds(lambda: work(path))()

    return run


def write_patches(path: Path, n: int, *, filled: bool) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, shape in SHAPES.items():
            stored = file.create_dataset(name, (n, *shape), np.float64)
            some = rng.random((1024, *shape))
            for start in range(0, n if filled else 0, 1024):
                stored[start : start + 1024] = some[: n - start]
        file["label"] = np.eye(17)[np.arange(n) % 17]


def forget(path: Path) -> None:
    """Drop the file from the system's cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def plain(path: Path) -> int:
    with h5py.File(path) as file:
        return sum(
            len(file[name][start : start + 1024]) for name in SHAPES for start in range(0, len(file[name]), 1024)
        )


def epoch(path: Path, radar: str = "raw") -> int:
    samples = open_so2sat(path, sensors=("s1", "s2"), radar=radar)
    turns_of_blocks = shuffled_blocks(len(samples), block=BLOCK, mix=MIX, rng=np.random.default_rng(1))
    return sum(len(values) for _, values in read_ahead(samples.x, turns_of_blocks))


if __name__ == "__main__":
    if sys.argv[1:] and Path(sys.argv[1]).exists():
        epoch(Path(sys.argv[1]))
    else:
        command_line(main, __doc__)
