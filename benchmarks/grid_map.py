"""A city of 40 x 40 km mapped in 160,000 cells of 100 m with the published Sen2LCZ-Net-MF, beside the published way.

    python benchmarks/grid_map.py [side in pixels]

The scene is the real one of Berlin, tiled by reflection. The published way cuts one window after the other and judges
16 at a time in float32; it is timed on a part of the same cells in the same run, and scaled. Its time does not count
reading and writing, ours does.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.models.shelf import published_models
from citygrain.scene.read import read_scene
from citygrain.scene.write import write_cog

SIDE, CELL, PATCH, TRIED = 4000, 10, 32, 2400
MODEL = "sen2lcz-mf"


def main(side: int = SIDE) -> dict[str, float]:
    """Print and return the figures; nothing where there are no data."""
    if not data().exists():
        print(f"no real data in {data()}: set CITYGRAIN_DATA")
        return {}
    scene = large(side)
    cells = (side // CELL) ** 2
    with TemporaryDirectory() as name:
        folder = Path(name)
        numbers = np.rint(scene.values * 10_000).astype(np.uint16)
        write_cog(folder / "scene.tif", numbers, scene.odc.geobox, band_names=[str(b) for b in scene.band.values])
        del numbers
        quick, quick_work, _ = mapped(folder, "--half")
        ours, work, peak = mapped(folder)  # last, since the peak of all children so far is what can be had
    peer = published_way(scene) / TRIED * cells
    print(f"{side} x {side} pixels, {cells:,} cells, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"whole command: {ours:.1f} s ({cells / ours:,.0f} cells/s, {work:.0f} s of processors), {peak:.2f} GB")
    print(f"in bfloat16: {quick:.1f} s ({cells / quick:,.0f} cells/s, {quick_work:.0f} s of processors)")
    print(f"window by window, 16 at a time: {peer:.0f} s, {peer / ours:.1f} times as long")
    scene_gb = scene.nbytes / 1024**3
    print(f"the scene alone: {scene_gb:.2f} GB   (wanted: 60 s on two quiet processors, 1 GB beyond the scene)")
    speed = {"seconds": ours, "processor_seconds": work, "times_faster": peer / ours}
    return speed | {"half_seconds": quick, "half_processor_seconds": quick_work, "peak_gb": peak, "scene_gb": scene_gb}


def data() -> Path:
    return Path(os.environ.get("CITYGRAIN_DATA", "../shared/data"))


def large(side: int) -> xr.DataArray:
    """Return the scene of Berlin, reflected until it is `side` pixels wide."""
    berlin = read_scene(data() / "scenes/berlin/s2_20241024.tif")
    values = berlin.values
    while values.shape[1] < side:
        values = np.concatenate([values, values[:, ::-1]], axis=1)
        values = np.concatenate([values, values[:, :, ::-1]], axis=2)
    grid: GeoBox = berlin.odc.geobox.crop((side, side))
    y, x = (grid.coordinates[dim].values for dim in ("y", "x"))
    coords = {"band": berlin.band.values, "y": y, "x": x}
    return xr.DataArray(values[:, :side, :side].copy(), dims=("band", "y", "x"), coords=coords).odc.assign_crs(grid.crs)


def mapped(folder: Path, *options: str) -> tuple[float, float, float]:
    """Return seconds, processor seconds and peak memory in GB of the whole command in a process of its own."""
    command = [sys.executable, "-c", "from citygrain.cli import main; main()", "map", "scene.tif"]
    command += ["--model", MODEL, "--grid", "100", "--level", "toa", "--out", "out", *options]
    weights = (data() / "so2sat/weights").resolve()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CITYGRAIN_CACHE": str(weights)}
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, work, after.ru_maxrss / 1024**2


def published_way(scene: xr.DataArray, batch: int = 16) -> float:
    """Return the seconds that `TRIED` windows take as the published code judges them: eager, float32, 16 at a time."""
    published = published_models()[MODEL]
    network = published.load(data() / "so2sat/weights" / published.file).module_
    image, windows, codes = scene.values, [], []
    start = time.perf_counter()
    for number in range(TRIED):
        row, column = divmod(number, (scene.shape[2] - PATCH) // CELL + 1)
        windows.append(image[:, row * CELL : row * CELL + PATCH, column * CELL : column * CELL + PATCH])
        if len(windows) == batch:
            with torch.inference_mode():
                codes.append(network(torch.from_numpy(np.stack(windows))).softmax(1).argmax(1).numpy() + 1)
            windows.clear()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
