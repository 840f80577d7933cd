"""A city of 40 x 40 km mapped in 160,000 cells of 100 m with the published Sen2LCZ-Net-MF, beside the published way.

    python -m benchmarks.grid_map [--quick]

The scene is the real one of Berlin, tiled by reflection. The published way cuts one window after the other and judges
16 at a time in float32; it is timed on a part of the same cells in the same run, and scaled. Its time does not count
reading and writing, ours does. Wanted: 60 s on two processors, and 1 GB beyond the scene.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import xarray as xr
from odc.geo.geobox import GeoBox

from benchmarks import frame
from benchmarks.frame import Row, Run, citygrain, command_line, within, yardstick
from benchmarks.peers import MissingError
from citygrain.models.shelf import published_models
from citygrain.scene.read import read_scene
from citygrain.scene.write import write_cog

CELL, PATCH = 10, 32
MODEL = "sen2lcz-mf"
SECONDS, BEYOND_GB = 60.0, 1.0


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows beside the published way and the limits of time and memory."""
    if not frame.data().exists():
        raise MissingError(f"no real data in {frame.data()}: set CITYGRAIN_DATA")
    side, tried = (320, 64) if quick else (4_000, 2_400)
    scene = large(side)
    cells = (side // CELL) ** 2
    with TemporaryDirectory() as name:
        folder = Path(name)
        numbers = np.rint(scene.values * 10_000).astype(np.uint16)
        write_cog(folder / "scene.tif", numbers, scene.odc.geobox, band_names=[str(b) for b in scene.band.values])
        del numbers
        exact, half = mapped(folder), mapped(folder, "--half")
    peer = published_way(scene, tried) / tried * cells
    what, gb = f"{cells:,} cells of 100 m", scene.nbytes / frame.GB
    ratio = peer / exact.seconds
    return [
        Row(what, exact.seconds, peer, "s", "window by window, as published", ratio, None),
        Row(
            f"{what}, bfloat16", half.seconds, exact.seconds, "s", "ours in float32", exact.seconds / half.seconds, None
        ),
        within(f"{what}: time", exact.seconds, SECONDS, "s", yardstick=None if quick else yardstick()),
        within(f"{what}: memory", exact.peak_gb, gb + BEYOND_GB, "GB", scene_gb=gb),
    ]


def large(side: int) -> xr.DataArray:
    """Return the scene of Berlin, reflected until it is `side` pixels wide."""
    berlin = read_scene(frame.data() / "scenes/berlin/s2_20241024.tif")
    values = berlin.values
    while values.shape[1] < side:
        values = np.concatenate([values, values[:, ::-1]], axis=1)
        values = np.concatenate([values, values[:, :, ::-1]], axis=2)
    grid: GeoBox = berlin.odc.geobox.crop((side, side))
    y, x = (grid.coordinates[dim].values for dim in ("y", "x"))
    coords = {"band": berlin.band.values, "y": y, "x": x}
    return xr.DataArray(values[:, :side, :side].copy(), dims=("band", "y", "x"), coords=coords).odc.assign_crs(grid.crs)


def mapped(folder: Path, *options: str) -> Run:
    """Return what the whole command takes in a process of its own."""
    words = ["map", "scene.tif", "--model", MODEL, "--grid", "100", "--level", "toa", "--out", "out", *options]
    return citygrain(*words, cwd=folder, env={"CITYGRAIN_CACHE": str(frame.data() / "so2sat/weights")})


def published_way(scene: xr.DataArray, tried: int, *, batch: int = 16) -> float:
    """Return the seconds that `tried` windows take as the published code judges them: eager, float32, 16 at a time."""
    published = published_models()[MODEL]
    network = published.load(frame.data() / "so2sat/weights" / published.file).module_
    image, windows, codes = scene.values, [], []
    start = time.perf_counter()
    for number in range(tried):
        row, column = divmod(number, (scene.shape[2] - PATCH) // CELL + 1)
        windows.append(image[:, row * CELL : row * CELL + PATCH, column * CELL : column * CELL + PATCH])
        if len(windows) == batch:
            with torch.inference_mode():
                codes.append(network(torch.from_numpy(np.stack(windows))).softmax(1).argmax(1).numpy() + 1)
            windows.clear()
    return time.perf_counter() - start


if __name__ == "__main__":
    command_line(main, __doc__)
