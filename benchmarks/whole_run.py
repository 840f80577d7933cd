"""The whole job at the size of the superpixel course's scene: 3,500 x 3,500 pixels, 8 features, 30,000 superpixels.

    python benchmarks/whole_run.py [model]

The course needs over 25 minutes for the sampling alone. Each step's time and peak memory come from the run's own
manifest; the process as a whole is measured from outside.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from citygrain.scene.synthetic import synthetic_city
from citygrain.scene.write import write_cog

SIDE = 3500
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
n_segments = 30000
[samples]
window = 25
per_class = 2000
block = 2000
[model]
name = "{model}"
epochs = 10
"""


def write_inputs(folder: Path, model: str) -> None:
    city = synthetic_city((SIDE, SIDE), seed=1)
    grid = city.scene.odc.geobox
    numbers = np.rint(city.scene.sel(band=list(BANDS)).values * 10_000).astype(np.uint16)
    write_cog(folder / "scene.tif", numbers, grid, band_names=BANDS)
    write_cog(folder / "reference.tif", city.reference.values, grid, nodata=0)
    (folder / "run.toml").write_text(CONFIG.format(model=model), encoding="utf-8")


def main(model: str = "cnn") -> dict[str, float]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, model)
        start = time.perf_counter()
        command = [sys.executable, "-c", "from citygrain.cli import main; main()", "run", "run.toml", "--out", "out"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
        steps = json.loads((folder / "out/manifest.json").read_text())["steps"]
        figures = json.loads((folder / "out/assessment.json").read_text())
    print(f"{SIDE} x {SIDE} pixels, 8 features, 30,000 superpixels, {model}, 10 epochs")
    for name, step in steps.items():
        print(f"{name:>12} {step['seconds']:7.1f} s {step['peak_mb'] / 1024:6.2f} GB")
    accuracy = figures["superpixel"]["overall_accuracy"]
    print(f"{'whole':>12} {seconds:7.1f} s {peak:6.2f} GB   (wanted: 90 s, 4 GB)   unseen blocks OA {accuracy:.3f}")
    return {"seconds": seconds, "peak_gb": peak, **{name: step["seconds"] for name, step in steps.items()}}


if __name__ == "__main__":
    main(*sys.argv[1:])
