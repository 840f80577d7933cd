"""The whole job on a synthetic city: no data, no network, no account; and the truth is known."""

from pathlib import Path

import numpy as np

from citygrain.files import make_folder, write_text
from citygrain.scene.synthetic import SyntheticCity, synthetic_city
from citygrain.scene.write import write_cog

__all__ = ["write_demo"]

_CONFIG = """# A synthetic city: everything here is made by `citygrain demo`.
seed = {seed}

[scene]
path  = "scene.tif"
scale = 10000

[reference]
path    = "reference.tif"
classes = {{ {classes} }}

[features]
indices = ["NDVI", "MNDWI", "NDBI"]

[segments]
n_segments  = {n_segments}
compactness = 0.1

[samples]
window    = 25
per_class = 1000
block     = 1200

[model]
name   = "{model}"
recipe = "default"
epochs = 10
"""


def write_demo(folder: Path, *, size: int = 1024, seed: int = 0, model: str = "cnn") -> tuple[Path, Path]:
    """Write a synthetic city as files that a run starts from, unless they are there already.

    Parameters
    ----------
    folder : Path
        Gets ``scene.tif``, ``reference.tif``, ``truth.tif`` and ``city.toml``.
    size : int
        Side in pixels of 10 m.
    seed : int
        Another seed is another city.
    model : str
        Model of the configuration.

    Returns
    -------
    config, truth : Path
        The configuration, and the raster of the true classes.
    """
    made = make_folder(folder / f"city-{size}-{seed}")
    config, truth = made / f"{model}.toml", made / "truth.tif"
    if not truth.exists():
        _write_rasters(made, synthetic_city((size, size), seed=seed))
    legend = synthetic_city((16, 16)).legend
    classes = ", ".join(f'{c.code} = "{c.name}"' for c in legend)
    write_text(config, _CONFIG.format(seed=seed, classes=classes, n_segments=max(1, size * size // 100), model=model))
    return config, truth


def _write_rasters(folder: Path, city: SyntheticCity) -> None:
    """Write scene, reference and, last, the truth: where it stands, the others are whole."""
    geobox = city.scene.odc.geobox
    numbers = np.rint(city.scene.values * 10_000).astype(np.uint16)
    write_cog(folder / "scene.tif", numbers, geobox, band_names=[str(name) for name in city.scene.band.values])
    names = {c.code: c.name for c in city.legend}
    for name, codes in (("reference", city.reference), ("truth", city.truth)):
        path, colors = folder / f"{name}.tif", city.legend.colormap()
        write_cog(path, codes.values, geobox, nodata=0, colormap=colors, names=names)
