"""What a fetch writes beside its images: the configuration of a run, and whose data they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from citygrain.files import write_text
from citygrain.imagery.image_set import ImageSet
from citygrain.workflows.fetching.fetch_scenes import files_of

__all__ = ["digests", "write_config", "write_sources"]


def write_config(path: Path, *, scenes: Sequence[str], dates: bool, map_year: int | None, title: str) -> None:
    """Write a configuration that ``citygrain run`` takes as it is.

    Parameters
    ----------
    path : Path
        Where it goes, beside the images.
    scenes : sequence of str
        Names of the images.
    dates : bool
        Whether they are several dates of the same ground, rather than one image.
    map_year : int or None
        Year of ``worldcover.tif``, if there is one.
    title : str
        A line about what was fetched.
    """
    write_text(path, config_text(scenes=scenes, dates=dates, map_year=map_year, title=title))


def config_text(*, scenes: Sequence[str], dates: bool, map_year: int | None, title: str) -> str:
    """Return the text of the configuration.

    Examples
    --------
    >>> print(config_text(scenes=["s2.tif"], dates=False, map_year=None, title="Berlin")[:60].rstrip())
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
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())
    lines = [
        f"# {words}",
        "# Written by citygrain fetch; change what you like.",
        "",
        "[scene]",
        image,
        "",
        "[reference]",
        *(_worldcover_lines(map_year) if map_year else _no_reference_lines()),
        "",
        "[features]",
        'indices = ["NDVI", "MNDWI", "NDBI"]',
        "",
        "[segments]",
        "area = 0.8                                      # hectares of a superpixel",
        "",
        "[samples]",
        'rare = "leave out"                              # a class that the map has too little of here to learn',
    ]
    return "\n".join(lines) + "\n"


def _worldcover_lines(year: int) -> list[str]:
    return [
        'path = "worldcover.tif"',
        'product = "worldcover"                          # with a merge to urban, crop, vegetation, water',
        f"year = {year}",
        '# merge = "none"                                # keeps the classes of WorldCover',
    ]


def _no_reference_lines() -> list[str]:
    return ['path = "reference.gpkg"                         # polygons or points of yours', 'legend = "urban"']


def write_sources(
    path: Path, sets: Sequence[ImageSet], radiometry: Mapping[str, Any], *, scenes: Mapping[str, Sequence[str]]
) -> None:
    """Write whose data these are, under which terms, and how their numbers became reflectance; `scenes` by product."""
    sources = [
        {
            "files": files_of(each.product, scenes[each.product]),
            "title": f"{each.product} {each.collection.level}, {each.catalogue.title}",
            "product": each.product,
            "level": each.collection.level,
            "catalogue": each.catalogue.title,
            "url": each.catalogue.url,
            "collection": each.collection.id,
            "images": [observation.id for observation in each.observations],
            "licence": each.collection.licence.title if each.collection.licence else "not known: see the catalogue",
            "licence_url": each.collection.licence.url if each.collection.licence else None,
            "attribution": _attribution(each),
            **({"year": _year(each)} if each.product == "worldcover" else {}),
            **({"doubt": each.collection.doubt} if each.collection.doubt else {}),
        }
        for each in sets
    ]
    text = json.dumps({"sources": sources, "radiometry": radiometry}, indent=1, ensure_ascii=False)
    write_text(path, text + "\n")


def _year(images: ImageSet) -> int:
    return max(observation.time.year for observation in images.observations)


def _attribution(images: ImageSet) -> str | None:
    """Return what is to be written, with the years of the images."""
    licence = images.collection.licence
    if licence is None:
        return None
    years = sorted({observation.time.year for observation in images.observations})
    span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
    return " ".join(licence.attribution.format(years=span, year=span).split())


def digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return what tells the files of a folder apart, byte for byte."""
    found = {}
    for name in names:
        with (folder / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
