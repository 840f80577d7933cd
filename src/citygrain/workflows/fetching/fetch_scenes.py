"""The images that a fetch makes: one of each product for all days, or one for each season; and the disk they take."""

from collections.abc import Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.observation import Observation
from citygrain.imagery.seasons import by_period
from citygrain.workflows.fetching.fetch_request import FetchRequest

__all__ = ["files_of", "scenes_of", "written_bytes"]

_NAMES = {"sentinel-2": "s2", "sentinel-1": "s1"}


def scenes_of(images: ImageSet, request: FetchRequest) -> dict[str, list[Observation]]:
    """Return what each image is made of, by its name without suffix: ``s2``, or ``s2_spring`` and so on."""
    name, found = _NAMES.get(images.product, images.product), images.observations
    if not request.seasons or images.product not in _NAMES:
        return {name: list(found)}
    south, north = request.area.bbox[1::2]
    periods = by_period(found, [each.time for each in found], latitude=(south + north) / 2)
    return {f"{name}_{period.label}": chosen for period, chosen in periods.items()}


def files_of(product: str, scenes: Sequence[str]) -> list[str]:
    """Return the files that are made of a product; `scenes` are its images without their suffix.

    Examples
    --------
    >>> files_of("sentinel-2", ["s2_spring"]), files_of("sentinel-1", ["s1"])
    (['s2_spring.tif', 'clear_spring.tif'], ['s1.tif'])
    """
    if product == "sentinel-2":
        return [f"{name}.tif" for scene in scenes for name in (scene, scene.replace("s2", "clear", 1))]
    return [f"{scene}.tif" for scene in scenes]


def written_bytes(sets: Sequence[ImageSet], request: FetchRequest, grid: GeoBox) -> int:
    """Return how much disk the images take at most while they are made: windows, files, and the one being joined.

    Files are compressed; how well is not known before, so they are counted as they are in memory.
    """
    each = {"sentinel-2": 2 * len(request.bands) + 1, "sentinel-1": 2 * 4}
    sizes = [each.get(images.product, 1) for images in sets for _ in scenes_of(images, request)]
    return int(np.prod(grid.shape)) * (2 * sum(sizes) + max(sizes))
