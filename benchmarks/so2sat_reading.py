"""An epoch of So2Sat LCZ42: shuffled, as float32 and channels first, beside a plain h5py read; and its peak memory.

    python -m benchmarks.so2sat_reading

Throughput: a generated file of 24,188 patches as in ``testing.h5`` (3.6 GB, float64, both sensors), read in blocks that
a thread reads ahead, and by h5py from beginning to end, neither turned nor shuffled; each way in turn. Once with the
file dropped from the system's cache before each pass, so that the disk counts, and once with the file in it.
Memory: a file of the shape of ``training.h5`` (352,366 patches, 52 GB), which takes no disk because nothing has been
written to it; a process of its own goes through one epoch.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from citygrain.samples.so2sat import open_so2sat
from citygrain.samples.stored import read_ahead, shuffled_blocks

TESTED, TRAINED = 24_188, 352_366
BLOCK, MIX, REPEATS = 128, 16, 5
STATES = ("disk", "cached")
SHAPES = {"sen1": (32, 32, 8), "sen2": (32, 32, 10)}


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
    turns = shuffled_blocks(len(samples), block=BLOCK, mix=MIX, rng=np.random.default_rng(1))
    return sum(len(values) for _, values in read_ahead(samples.x, turns))


def peak_of_an_epoch(path: Path) -> tuple[float, float]:
    """Return peak memory (GB) and seconds of one epoch in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.so2sat_reading", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told) / 1024**2, time.perf_counter() - start


def main() -> dict[str, float]:
    ways = {"plain": plain, "epoch": epoch, "features": lambda path: epoch(path, "features")}
    seconds: dict[tuple[str, str], list[float]] = {(state, name): [] for state in STATES for name in ways}
    with TemporaryDirectory(dir=".") as folder:  # the system's folder for such files may be memory
        path = Path(folder) / "testing.h5"
        write_patches(path, TESTED, filled=True)
        gigabytes = path.stat().st_size / 1e9
        for state, repeat in product(STATES, range(REPEATS)):
            for name in list(ways)[:: 1 if repeat % 2 else -1]:
                if state == "disk":
                    forget(path)
                start = time.perf_counter()
                ways[name](path)
                seconds[state, name].append(time.perf_counter() - start)
        path.unlink()
        sparse = Path(folder) / "training.h5"
        write_patches(sparse, TRAINED, filled=False)
        peak, whole = peak_of_an_epoch(sparse)
    told = {"peak_gb": peak}
    for (state, name), values in seconds.items():
        median = statistics.median(values)
        share = statistics.median(seconds[state, "plain"]) / median
        told |= {f"{state}_{name}_seconds": median, f"{state}_{name}_share": share}
        print(f"{state:>7} {name:>9} {median:6.2f} s {gigabytes / median:6.2f} GB/s {share:5.2f} of the plain read")
    print(f"one epoch of {TRAINED:,} patches (52 GB): {peak:.2f} GB at most (wanted: 2 GB), {whole:.0f} s")
    return told


if __name__ == "__main__":
    if len(sys.argv) > 1:
        epoch(Path(sys.argv[1]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    else:
        main()
