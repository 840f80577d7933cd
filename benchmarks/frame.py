"""What all benchmarks share: pairs of runs that take turns, rows of one table, and commands watched from outside.

A figure is a `Row`. Its ratio says how many times as good ours is as what it stands beside, so more is always better:
for two times, theirs / ours; for a limit, limit / ours. A ratio of 1 is a draw.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil

__all__ = [
    "Row",
    "Run",
    "Turns",
    "beside",
    "citygrain",
    "command_line",
    "data",
    "seconds",
    "turns",
    "watched",
    "within",
    "yardstick",
]

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "runs/bench"
"""Scenes made once and kept."""
GB = 1024**3
_INTERVAL = 0.05  # seconds between two looks at a process tree


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    what : str
        What is measured; the key of the row.
    ours, theirs : float
        In `unit`: medians of the runs, or ours and a limit.
    unit : str
        ``s``, ``GB``, ``us/pixel``, or empty for a number without one.
    peer : str
        What ours stands beside.
    ratio : float
        How many times as good ours is: the median of the pairs' ratios. More is better.
    wanted : float or None
        Ratio to be reached; None = for information.
    compared : float or None
        What the alarm compares with the committed figure, where it is not the ratio: for a limit in seconds, the
        yardstick of the same run / ours, which another machine does not change.
    runs : sequence
        (ours, theirs) of each pair.
    detail : mapping
        Whatever else is worth keeping.
    """

    what: str
    ours: float
    theirs: float
    unit: str
    peer: str
    ratio: float
    wanted: float | None
    compared: float | None = None
    runs: Sequence[tuple[float, float]] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is what is wanted; None where nothing is."""
        return None if self.wanted is None else self.ratio >= self.wanted

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Turns:
    """Seconds of ours and theirs, pair by pair."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """How many times as long theirs took: the median over the pairs."""
        return statistics.median(t / o for o, t in zip(self.ours, self.theirs, strict=True))


Clocked = Callable[[], float]
"""Does something and returns the seconds that it took."""


def turns(ours: Clocked, theirs: Clocked, *, pairs: int, warm: bool = True) -> Turns:
    """Run both `pairs` times in turn, each first every second time; `warm` runs both once before that, uncounted."""
    if warm:
        ours(), theirs()  # compile, fill caches
    found = Turns([], [])
    for pair in range(pairs):
        first, second = ((ours, found.ours), (theirs, found.theirs))[:: -1 if pair % 2 else 1]
        for run, kept in (first, second):
            kept.append(run())
    return found


def seconds(work: Callable[[], Any]) -> Clocked:
    """Return a function that does `work` and returns the wall seconds."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return run


def beside(what: str, peer: str, found: Turns, *, wanted: float | None, **detail: Any) -> Row:
    """Return the row of ours beside a peer that took turns with it."""
    ours, theirs = statistics.median(found.ours), statistics.median(found.theirs)
    pairs = list(zip(found.ours, found.theirs, strict=True))
    return Row(what, ours, theirs, "s", peer, found.ratio, wanted, runs=pairs, detail=detail)


def within(what: str, ours: float, limit: float, unit: str, *, yardstick: float | None = None, **detail: Any) -> Row:
    """Return the row of a figure with a limit; give `yardstick` (`frame.yardstick`) where the unit is seconds."""
    compared = None if yardstick is None else yardstick / ours
    return Row(what, ours, limit, unit, "the limit", limit / ours, 1.0, compared, detail=detail)


@cache
def yardstick() -> float:
    """Return the median seconds of three runs of scikit-image's `slic` on 1 Mpixel of 8 bands, 10 iterations."""
    from skimage.segmentation import slic

    image = np.random.default_rng(0).random((1024, 1024, 8), np.float32)
    settings = {"n_segments": 10_000, "compactness": 0.1, "max_num_iter": 10, "channel_axis": -1, "convert2lab": False}
    return statistics.median(seconds(lambda: slic(image, **settings))() for _ in range(3))


@dataclass(frozen=True)
class Run:
    """What a command took: wall and processor seconds, the most memory of the process and all its children together."""

    seconds: float
    processor_seconds: float
    peak_gb: float


def citygrain(*words: object, cwd: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run a command of ours in a process of its own, and watch it."""
    return watched(["-c", "from citygrain.cli import main; main()", *words], cwd=cwd, env=env)


def watched(words: Sequence[object], *, cwd: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run this Python with `words` as its arguments, and watch the process and its children.

    Raises
    ------
    RuntimeError
        If it does not end with 0.
    """
    command, there = [sys.executable, *map(str, words)], {**os.environ, **_source(), **(env or {})}
    with subprocess.Popen(command, cwd=cwd, env=there, stdout=subprocess.DEVNULL) as process:
        start = time.perf_counter()
        watch = _Watch(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = watch.stop()  # the system's own ru_maxrss holds what we, the parent, had at the fork
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(wall, used.ru_utime + used.ru_stime, peak / GB)


def _source() -> dict[str, str]:
    """Let a child in another folder find the packages that this process finds."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)}


class _Watch:
    """Looks, twenty times a second, at what a process and its children hold; pages that they share count once.

    For each of them alone the system keeps the most that it has held, so nothing between two looks is missed.
    """

    def __init__(self, pid: int) -> None:
        self._process, self._most, self._over = psutil.Process(pid), 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(_INTERVAL):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                together = sum(_held(one) for one in family) if len(family) > 1 else 0
                self._most = max(self._most, together, *(_high_water(one) for one in family))
            except psutil.Error:
                continue  # one of them has just ended

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._most


def _held(process: psutil.Process) -> int:
    """Return the bytes that a process holds, its share of shared pages only, where the system tells."""
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.rss))


def _high_water(process: psutil.Process) -> int:
    """Return the most bytes that a process has held since it began as what it is now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return int(process.memory_info().rss)
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0  # one that has ended has none


@cache
def options_of(command: str) -> str:
    """Return the help of one of our commands, to see which options it has."""
    words = [sys.executable, "-c", "from citygrain.cli import main; main()", command, "--help"]
    env = {**os.environ, **_source(), "COLUMNS": "200"}
    return subprocess.run(words, check=True, capture_output=True, text=True, env=env).stdout


def data() -> Path:
    """Return the folder of the real scenes; it need not be there."""
    return Path(os.environ.get("CITYGRAIN_DATA", ROOT / "../shared/data")).resolve()


def command_line(main: Callable[..., list[Row]], description: str | None) -> None:
    """Run one benchmark from its own command line: ``--quick``, and ``--json`` for the rows as they are."""
    from benchmarks.table import show

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run? Its figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    chosen = parser.parse_args()
    rows = main(quick=chosen.quick)
    print(json.dumps([row.to_dict() for row in rows], indent=1) if chosen.json else show(rows))
