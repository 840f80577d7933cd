"""The toy city as files, and the configuration of a small run on them."""

from pathlib import Path
from typing import Any

import numpy as np

from citygrain.scene.synthetic import SyntheticCity
from citygrain.scene.write import write_cog

__all__ = ["CLASSES", "run_toml", "write_city"]

CLASSES = 'classes = { 1 = "Urban", 2 = "Crop", 3 = "Vegetation", 4 = "Water" }'


def run_toml(*, per_class: int = 100, n_segments: int = 900, model: str = "forest", **samples: Any) -> str:
    """Return the configuration of a run on what `write_city` wrote; `samples` are further choices of them.

    A forest has few trees: most of its time goes into saving and loading them. The model's table is the last one, so
    that lines for it can be added.
    """
    chosen = {"window": 9, "per_class": per_class, "block": 500} | samples
    return "\n".join(
        [
            "[scene]", 'path = "scene.tif"', "scale = 10000",
            "[reference]", 'path = "reference.tif"', CLASSES,
            "[segments]", f"n_segments = {n_segments}",
            "[samples]", *(f"{name} = {value}" for name, value in chosen.items()),
            "[model]", f'name = "{model}"', *(["options.trees = 40"] if model == "forest" else []), "",
        ]
    )  # fmt: skip


def write_city(folder: Path, city: SyntheticCity) -> None:
    """Write ``scene.tif``, in digital numbers of 10,000 for a reflectance of 1, and ``reference.tif``."""
    grid, bands = city.scene.odc.geobox, [str(band) for band in city.scene.band.values]
    numbers = np.rint(city.scene.values * 10_000).astype(np.uint16)
    write_cog(folder / "scene.tif", numbers, grid, band_names=bands)
    write_cog(folder / "reference.tif", city.reference.values, grid, nodata=0)
