"""The whole job at the size of the superpixel course's scene: 3,500 x 3,500 pixels, 8 features, 30,000 superpixels.

    python -m benchmarks.whole_run [--quick]

4 x 2,000 samples, the default CNN for ten epochs, map, assessment, report: `citygrain run` from the files on. The
course needs over 25 minutes for the sampling alone. Each step's time and peak memory come from the run's own manifest;
the process as a whole, children included, is watched from outside. Wanted: 30 s and 2.5 GB on two processors.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.frame import Row, Run, citygrain, command_line, within, yardstick
from citygrain.scene.synthetic import synthetic_city
from citygrain.scene.write import write_cog

SECONDS, GB = 30.0, 2.5
BANDS = ("B02", "B03", "B04", "B08", "B11")  # with three indices these are the course's eight features
CONFIG = """
[scene]
path = "scene.tif"
[reference]
path = "reference.tif"
classes = {{ 1 = "Urban", 2 = "Crop", 3 = "Vegetation", 4 = "Water" }}
[features]
indices = ["NDVI", "MNDWI", "NDBI"]
[segments]
n_segments = {segments}
[samples]
window = {window}
per_class = {per_class}
block = {block}
[model]
name = "{model}"
epochs = 10
"""

COURSE = {"model": "cnn", "segments": 30_000, "window": 25, "per_class": 2_000, "block": 2_000}
SMALL = {"model": "forest", "segments": 900, "window": 9, "per_class": 60, "block": 500}


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of time and memory."""
    side = 256 if quick else 3_500
    run, steps, accuracy = measured(side, SMALL if quick else COURSE)
    what = f"the whole job, {side:,} x {side:,} x 8"
    seconds, megabytes = ({name: step[key] for name, step in steps.items()} for key in ("seconds", "peak_mb"))
    detail = {"accuracy_on_unseen_blocks": accuracy, "processor_seconds": run.processor_seconds, "steps": seconds}
    yard = None if quick else yardstick()
    return [
        within(f"{what}: time", run.seconds, SECONDS, "s", yardstick=yard, **detail),
        within(f"{what}: memory", run.peak_gb, GB, "GB", steps_mb=megabytes),
    ]


def measured(side: int, choice: Mapping[str, object]) -> tuple[Run, dict[str, Any], float]:
    """Return what the run took, its steps, and the accuracy that it reached: speed must not cost any."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, side, choice)
        run = citygrain("run", "run.toml", "--out", "out", cwd=folder)
        steps = json.loads((folder / "out/manifest.json").read_text(encoding="utf-8"))["steps"]
        scores = json.loads((folder / "out/assessment.json").read_text(encoding="utf-8"))
    return run, steps, scores["superpixel"]["overall_accuracy"]


def write_inputs(folder: Path, side: int, choice: Mapping[str, object]) -> None:
    city = synthetic_city((side, side), seed=3)
    grid = city.scene.odc.geobox
    numbers = np.rint(city.scene.sel(band=list(BANDS)).values * 10_000).astype(np.uint16)
    write_cog(folder / "scene.tif", numbers, grid, band_names=BANDS)
    write_cog(folder / "reference.tif", city.reference.values, grid, nodata=0)
    (folder / "run.toml").write_text(CONFIG.format(**choice), encoding="utf-8")


if __name__ == "__main__":
    command_line(main, __doc__)
