"""A small map with known truth, as files, and somebody who labels points by that truth."""

from pathlib import Path

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from citygrain.legend import URBAN
from citygrain.scene.write import write_cog

__all__ = ["GRID", "label_by_truth", "patchy_world", "write_map_file"]

GRID = GeoBox.from_bbox((500_000, 5_800_000, 502_400, 5_801_600), "EPSG:32633", resolution=10)


def patchy_world(seed: int = 0, shape: tuple[int, int] = (160, 240)) -> tuple[np.ndarray, np.ndarray]:
    """Return a map and its truth, (y, x): codes 1 to 4 with a corner of no data on the map, 4 rare."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([1, 2, 3, 4], (shape[0] // 8, shape[1] // 8), p=[0.4, 0.3, 0.25, 0.05])
    truth = np.kron(coarse, np.ones((8, 8), int)).astype(np.uint8)
    wrong = rng.random(shape) < np.array([0, 0.1, 0.25, 0.1, 0.3])[truth]
    mapped = np.where(wrong, rng.integers(1, 5, shape), truth).astype(np.uint8)
    mapped[:20, :30] = 0
    return mapped, truth


def write_map_file(path: Path, codes: np.ndarray, *, names: bool = True) -> Path:
    """Write codes as a map that says its class names, or does not."""
    say = {"names": {c.code: c.name for c in URBAN}, "colormap": URBAN.colormap()} if names else {}
    write_cog(path, codes, GRID, nodata=0, **say)
    return path


def label_by_truth(points: Path, labelled: Path, truth: np.ndarray, *, names: bool = True, leave: int = 0) -> Path:
    """Fill in the reference of points from the truth, all but the first `leave`, as QGIS would save them."""
    frame = gpd.read_file(points)
    columns, rows = ~GRID.affine * (frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy())
    codes = truth[rows.astype(int), columns.astype(int)]
    said = [URBAN.name_of(int(code)).upper() if names else str(code) for code in codes]
    frame["reference"] = [None] * leave + said[leave:]
    frame.to_file(labelled, driver="GPKG")
    return labelled
