"""Scenes of any size on disk, uint16 as Sentinel-2 comes, and a forest to map them; made once and kept in runs/bench.

A scene is the synthetic city again and again, mirrored so that it goes on at the edges, with noise of its own
everywhere: every size has the same ground, so that a time per pixel can be compared.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from rasterio.windows import Window

from benchmarks.frame import CACHE, Run, citygrain, options_of
from citygrain.scene.synthetic import synthetic_city
from citygrain.scene.write import write_cog

__all__ = ["forest", "map_by_forest", "scene"]

CONFIG = """
[scene]
path = "scene.tif"
scale = 10000
[reference]
path = "reference.tif"
classes = { 1 = "Urban", 2 = "Crop", 3 = "Vegetation", 4 = "Water" }
[segments]
area = 1.0
[samples]
per_class = 1000
[model]
name = "forest"
"""
SEED = 1
_ROWS = 512


def scene(side: int, *, city: int) -> Path:
    """Return a scene of `side` x `side` pixels of ten bands, made from a city of `city` x `city` pixels."""
    path = CACHE / f"scene-{side}-{city}.tif"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.tif")
        _write(partial, side, city)
        partial.replace(path)
    return path


def _write(path: Path, side: int, city: int) -> None:
    made = synthetic_city((city, city), seed=SEED).scene
    numbers = np.rint(made.values * 10_000).astype(np.int32)
    place = np.arange(side) % (2 * city)
    place = np.where(place < city, place, 2 * city - 1 - place)  # there and back
    grid, rng = made.odc.geobox, np.random.default_rng(0)
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": len(numbers), "dtype": "uint16", "nodata": 0,
        "crs": str(grid.crs), "transform": grid.affine, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "compress": "deflate", "zlevel": 1, "predictor": 2, "num_threads": 2, "bigtiff": "if_safer",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        for first in range(0, side, _ROWS):
            rows = place[first : first + _ROWS]
            strip = numbers[:, rows][:, :, place] + rng.integers(-30, 31, (len(numbers), len(rows), side))
            file.write(strip.clip(1, 65_535).astype(np.uint16), window=Window(0, first, side, len(rows)))
        file.descriptions = [str(name) for name in made.band.values]


def forest(city: int) -> Path:
    """Return the folder of a forest on superpixels of 1 ha, trained on the city that the scenes are made of."""
    folder = CACHE / f"forest-{city}"
    if not (folder / "card.json").exists():
        with TemporaryDirectory() as name:
            place = Path(name)
            made = synthetic_city((city, city), seed=SEED)
            numbers, grid = np.rint(made.scene.values * 10_000).astype(np.uint16), made.scene.odc.geobox
            write_cog(place / "scene.tif", numbers, grid, band_names=[str(band) for band in made.scene.band.values])
            write_cog(place / "reference.tif", made.reference.values, grid, nodata=0)
            (place / "run.toml").write_text(CONFIG, encoding="utf-8")
            citygrain("run", "run.toml", "--out", "out", cwd=place)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(place / "out/model", folder)
    json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return folder


def map_by_forest(image: Path, model: Path, *, memory: str) -> Run:
    """Cut the scene into superpixels and map them, as a user would, within `memory` if the command takes that."""
    with TemporaryDirectory(dir=CACHE) as name:  # the system's folder for such files may be memory
        words = ["map", image.resolve(), "--model", model.resolve(), "--scale", "10000", "--out", "out"]
        if "--memory" in options_of("map"):
            words += ["--memory", memory]
        return citygrain(*words, cwd=Path(name))
