"""Check a file of training areas, with a scene or without, and draw them."""

from pathlib import Path

import xarray as xr

from citygrain.report.areas import figure_areas
from citygrain.report.figures import save_figure
from citygrain.samples.area_checks import AreaChecks, check_areas
from citygrain.samples.training_areas import read_training_areas

__all__ = ["check_area_file"]


def check_area_file(
    path: Path,
    *,
    scene: xr.DataArray | None = None,
    figure: Path | None = None,
    field: str | None = None,
    layer: str | None = None,
) -> AreaChecks:
    """Check the training areas of a file.

    Parameters
    ----------
    path : Path
        KML, KMZ, GeoPackage or GeoJSON, see `read_training_areas`.
    scene : DataArray, (band, y, x), optional
        A scene, to find areas that look like another class, and to draw them over.
    figure : Path, optional
        Where the map of the areas goes: png, pdf, svg or jpg.
    field, layer : str, optional
        As `read_training_areas` has them.
    """
    checks = check_areas(read_training_areas(path, field=field, layer=layer), scene=scene)
    if figure is not None:
        save_figure(figure_areas(checks, scene), figure)
    return checks
