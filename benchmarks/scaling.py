"""The same job at 1, 4, 16 and 64 Mpixel: whether time is linear in pixels, and memory flat.

    python -m benchmarks.scaling [--quick]

The job is that of `benchmarks.tile`, from file to files. The floor of the time is what the command takes for a scene of
256 x 256 pixels: loading libraries and the model; run just before each scene, it is taken off before dividing by the
pixels. All sizes are run in turn, several times, and the median counts: a machine that is slower for some minutes is
slower for all of them. The floor is several times what the pixels of a small scene take, so up to 4 Mpixel each turn is
three runs. The command may take 2 GB: the larger two scenes do not fit and are streamed. The floor of the memory is
`FLOOR_GB`: what libraries, model and one round of windows take, so that a scene smaller than that need not count.
Wanted: the largest within 15 % of the least. Figures for paper (`docs/scaling.md`) are kept beside them.
"""

from collections.abc import Iterable, Sequence
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

Pair = tuple[Run, Run]
"""What the floor took, and a scene right after it."""


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of time and memory."""
    sides, city, smallest = ((300,), 256, 128) if quick else (SIDES, CITY, 256)
    model = forest(city)
    mapped(smallest, city, model)  # compile, fill the file cache
    pairs: dict[int, list[Pair]] = {side: [] for side in sides}
    for _ in range(1 if quick else TURNS):
        for side in sides:
            for _ in range(1 if quick or side > SMALL else AGAIN):
                pairs[side].append((mapped(smallest, city, model), mapped(side, city, model)))
    return [time_row(pairs), memory_row(pairs)]


def mapped(side: int, city: int, model: Path) -> Run:
    """Return what mapping a scene takes."""
    return map_by_forest(scene(side, city=city), model, memory=MEMORY)


def time_row(pairs: dict[int, list[Pair]]) -> Row:
    """Return the least time per pixel beside the largest."""
    each = {
        side: per_pixel(side, [run.seconds - floor.seconds for floor, run in found]) for side, found in pairs.items()
    }
    work = {
        side: per_pixel(side, [run.processor_seconds - floor.processor_seconds for floor, run in found])
        for side, found in pairs.items()
    }
    floor = median(floor.seconds for found in pairs.values() for floor, _ in found)
    most, least = max(each.values()), min(each.values())
    detail = {"floor_seconds": floor, "us_per_pixel": each, "processor_us_per_pixel": work}
    return Row(
        f"{sizes(pairs)} Mpixel: time per pixel",
        *(most, least, "us/pixel", "the least of them", least / most, 1 / (1 + SPREAD)),
        detail=detail,
    )


def per_pixel(side: int, seconds: Sequence[float]) -> float:
    """Return the median in microseconds per pixel."""
    return 1e6 * max(1e-3, median(seconds)) / side**2


def memory_row(pairs: dict[int, list[Pair]]) -> Row:
    """Return the least peak, at least the floor, beside the largest."""
    peaks = {side: median(run.peak_gb for _, run in found) for side, found in pairs.items()}
    most, least = max(FLOOR_GB, *peaks.values()), max(FLOOR_GB, min(peaks.values()))
    return Row(
        f"{sizes(pairs)} Mpixel: peak memory",
        *(most, least, "GB", f"the least, or {FLOOR_GB:g} GB", least / most, 1 / (1 + SPREAD)),
        detail={"peak_gb": peaks},
    )


def sizes(pairs: Iterable[int]) -> str:
    return ", ".join(f"{side * side / 2**20:.2g}" for side in pairs)


if __name__ == "__main__":
    command_line(main, __doc__)
