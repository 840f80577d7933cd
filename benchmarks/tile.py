"""A full Sentinel-2 tile: 10,980 x 10,980 pixels of 10 bands, uint16 on disk, to superpixels and a forest's map.

    python -m benchmarks.tile [--quick]

The command is `citygrain map`, from the file to the written labels, map and confidence: 1.2 million superpixels of
1 ha on ten bands and three indices. Wanted: 6 minutes and 4 GB, on two processors. The tile is made once (2 GB in
runs/bench).
"""

from benchmarks.big_scenes import forest, map_by_forest, scene
from benchmarks.frame import Row, command_line, within, yardstick

SIDE, CITY = 10_980, 1_098
SECONDS, GB = 360.0, 4.0


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of time and memory."""
    side, city = (300, 256) if quick else (SIDE, CITY)
    run = map_by_forest(scene(side, city=city), forest(city), memory="4GB")
    what = f"tile of {side:,} x {side:,} x 10, superpixels and map"
    work = {"processor_seconds": run.processor_seconds, "us_per_pixel": 1e6 * run.processor_seconds / side**2}
    return [
        within(f"{what}: time", run.seconds, SECONDS, "s", yardstick=None if quick else yardstick(), **work),
        within(f"{what}: memory", run.peak_gb, GB, "GB"),
    ]


if __name__ == "__main__":
    command_line(main, __doc__)
