"""What a fetch writes beside its images: the configuration of a run, and whose data they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from citygrain.files import write_text
from citygrain.imagery.image_set import ImageSet

__all__ = ["digests", "write_config", "write_sources"]

_MERGE = {
    "Urban": ["Built-up"],
    "Crop": ["Cropland"],
    "Vegetation": ["Tree cover", "Shrubland", "Grassland", "Herbaceous wetland", "Mangroves", "Moss and lichen"],
    "Water": ["Permanent water bodies"],
}
"""Bare ground and snow are left out: they are none of these."""


def write_config(path: Path, *, scenes: Sequence[str], dates: bool, reference: bool, title: str) -> None:
    """Write a configuration that ``citygrain run`` takes as it is.

    Parameters
    ----------
    path : Path
        Where it goes, beside the images.
    scenes : sequence of str
        Names of the images.
    dates : bool
        Whether they are several dates of the same ground, rather than one image.
    reference : bool
        Whether there is a ``worldcover.tif``.
    title : str
        A line about what was fetched.
    """
    write_text(path, config_text(scenes=scenes, dates=dates, reference=reference, title=title))


def config_text(*, scenes: Sequence[str], dates: bool, reference: bool, title: str) -> str:
    """Return the text of the configuration.

    Examples
    --------
    >>> print(config_text(scenes=["s2.tif"], dates=False, reference=False, title="Berlin")[:60].rstrip())
    # Berlin
    # Written by citygrain fetch; change what you like.
    """
    names = ", ".join(json.dumps(name) for name in scenes)
    image = (
        f"dates = [{names}]"
        if dates
        else f"path = {json.dumps(scenes[0])}"
        if len(scenes) == 1
        else f"path = [{names}]"
    )
    lines = [
        f"# {' '.join(title.split())}",
        "# Written by citygrain fetch; change what you like.",
        "",
        "[scene]",
        image,
        "",
        "[reference]",
        *(_worldcover_lines() if reference else _no_reference_lines()),
        "",
        "[features]",
        'indices = ["NDVI", "MNDWI", "NDBI"]',
        "",
        "[segments]",
        "area = 0.8                                      # hectares of a superpixel",
    ]
    return "\n".join(lines) + "\n"


def _worldcover_lines() -> list[str]:
    merge = [f"{name} = {json.dumps(members)}" for name, members in _MERGE.items()]
    return [
        'path = "worldcover.tif"',
        'legend = "worldcover"',
        "",
        "[reference.merge]                               # remove this table to keep the classes of WorldCover",
        *merge,
    ]


def _no_reference_lines() -> list[str]:
    return ['path = "reference.gpkg"                         # polygons or points of yours', 'legend = "urban"']


def write_sources(path: Path, sets: Sequence[ImageSet], radiometry: Mapping[str, Any]) -> None:
    """Write whose data these are, under which terms, and how their numbers became reflectance."""
    sources = [
        {
            "product": each.product,
            "level": each.collection.level,
            "catalogue": each.catalogue.title,
            "url": each.catalogue.url,
            "collection": each.collection.id,
            "images": [observation.id for observation in each.observations],
            "licence": each.collection.licence.title if each.collection.licence else "not known: see the catalogue",
            "licence_url": each.collection.licence.url if each.collection.licence else None,
            "attribution": _attribution(each),
            "doubt": each.collection.doubt or None,
        }
        for each in sets
    ]
    text = json.dumps({"sources": sources, "radiometry": radiometry}, indent=1, ensure_ascii=False)
    write_text(path, text + "\n")


def _attribution(images: ImageSet) -> str | None:
    """Return what is to be written, with the years as Copernicus asks for."""
    licence = images.collection.licence
    if licence is None:
        return None
    years = sorted({observation.time.year for observation in images.observations})
    span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
    return licence.attribution.replace("Copernicus Sentinel data", f"Copernicus Sentinel data {span}", 1)


def digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return what tells the files of a folder apart, byte for byte."""
    found = {}
    for name in names:
        with (folder / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
