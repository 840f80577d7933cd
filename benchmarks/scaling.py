"""The same job at 1, 4, 16 and 64 Mpixel: whether time is linear in pixels, and memory flat.

    python -m benchmarks.scaling [--quick]

The job is that of `benchmarks.tile`, from file to files. The floor of the time is what the command takes for a scene of
256 x 256 pixels: loading libraries and the model; it is taken off before dividing by the pixels. All sizes are run in
turn, several times, and the median of each counts: a machine that is slower for some minutes is slower for all of them.
The floor weighs as much as the pixels of a small scene, so up to 4 Mpixel each turn is three runs. The command may take
2 GB: the larger two scenes do not fit and are streamed. The floor of the memory is `FLOOR_GB`: what libraries, model
and one round of windows take, so that a scene smaller than that need not count. Wanted: the largest within 15 % of the
least. Figures for paper (`docs/scaling.md`) are kept beside them.
"""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from statistics import median

from benchmarks.big_scenes import forest, map_by_forest, scene
from benchmarks.frame import Row, Run, command_line

SIDES = (1_024, 2_048, 4_096, 8_192)
FLOOR_GB = 1.5
MEMORY = "2GB"
TURNS, SMALL, AGAIN = 3, 2_048, 3
SPREAD = 0.15
CITY = 1_024


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of time and memory."""
    sides, city, smallest = ((300,), 256, 128) if quick else (SIDES, CITY, 256)
    model = forest(city)
    mapped(smallest, city, model)  # compile, fill the file cache
    turns = [turn((smallest, *sides), city, model, again=1 if quick else AGAIN) for _ in range(1 if quick else TURNS)]
    taken = {side: medians([run for each in turns for run in each[side]]) for side in turns[0]}
    return [time_row({side: taken[side] for side in sides}, taken[smallest]), memory_row({s: taken[s] for s in sides})]


def turn(sides: Sequence[int], city: int, model: Path, *, again: int) -> dict[int, list[Run]]:
    """Return what mapping each scene takes, once, or several times where that is soon done."""
    return {side: [mapped(side, city, model) for _ in range(again if side <= SMALL else 1)] for side in sides}


def mapped(side: int, city: int, model: Path) -> Run:
    """Return what mapping a scene takes."""
    return map_by_forest(scene(side, city=city), model, memory=MEMORY)


def medians(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(*(median(values) for values in zip(*map(astuple, runs), strict=True)))


def time_row(runs: dict[int, Run], floor: Run) -> Row:
    """Return the least time per pixel beside the largest."""
    each = {side: 1e6 * max(1e-3, run.seconds - floor.seconds) / side**2 for side, run in runs.items()}
    work = {
        side: 1e6 * max(0.0, run.processor_seconds - floor.processor_seconds) / side**2 for side, run in runs.items()
    }
    most, least = max(each.values()), min(each.values())
    detail = {"floor_seconds": floor.seconds, "us_per_pixel": each, "processor_us_per_pixel": work}
    return Row(
        f"{sizes(runs)} Mpixel: time per pixel",
        *(most, least, "us/pixel", "the least of them", least / most, 1 / (1 + SPREAD)),
        detail=detail,
    )


def memory_row(runs: dict[int, Run]) -> Row:
    """Return the least peak, at least the floor, beside the largest."""
    peaks = {side: run.peak_gb for side, run in runs.items()}
    most, least = max(FLOOR_GB, *peaks.values()), max(FLOOR_GB, min(peaks.values()))
    return Row(
        f"{sizes(runs)} Mpixel: peak memory",
        *(most, least, "GB", f"the least, or {FLOOR_GB:g} GB", least / most, 1 / (1 + SPREAD)),
        detail={"peak_gb": peaks},
    )


def sizes(runs: dict[int, Run]) -> str:
    return ", ".join(f"{side * side / 2**20:.2g}" for side in runs)


if __name__ == "__main__":
    command_line(main, __doc__)
