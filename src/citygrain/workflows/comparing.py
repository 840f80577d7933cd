"""Compare any map with any reference, pixel by pixel."""

from collections.abc import Mapping
from pathlib import Path

from citygrain.accuracy.assess import Assessment, assess
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import read_codes
from citygrain.workflows.parts import named_legend

__all__ = ["assess_files"]


def assess_files(
    mapped: Path,
    reference: Path,
    *,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    field: str | None = None,
) -> Assessment:
    """Assess a map against a reference that is brought to its grid.

    Parameters
    ----------
    mapped : Path
        Raster of class codes.
    reference : Path
        Raster, polygons or points.
    classes : mapping of str to str, optional
        Name of each code.
    legend : str, optional
        Or the name of a ready legend.
    field : str, optional
        Attribute of polygons or points that holds the class.
    """
    codes = read_codes(mapped)
    truth, known = read_reference(
        reference, codes.odc.geobox, classes=classes, legend=named_legend(legend), field=field
    )
    return assess(truth.values, codes.values, known)
