"""The parts of remote files that an area needs, copied to the disk: each block is asked for once, whatever comes after.

Composites look at a file many times, window by window, and clouds that grow look beyond each window. Over a network
that would be many times the bytes. So the area's part of each file is copied first, number for number; a copy that is
there is whole, and a fetch that was interrupted goes on with the next.
"""

import errno
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pystac
import rasterio
import rasterio.warp
from odc.geo.geobox import GeoBox
from pystac.extensions.projection import SCHEMA_URI
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window, from_bounds

from citygrain.errors import InputError
from citygrain.files import reserve, whole_file
from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.observation import Observation
from citygrain.imagery.opening import open_image
from citygrain.imagery.patience import Unread, patiently
from citygrain.imagery.signing import Plain
from citygrain.tiles import Progress, stream_tiles

__all__ = ["Early", "copied_bytes", "copy_area", "part_of", "touched"]

_STRIP = 2**24
"""Pixels that are read at a time."""
_MARGIN = 2
"""Pixels of the file around the area: resampling looks at neighbours."""
_LOOKED_AROUND = ("SCL", "CLD", "FMASK", "QA", "VV", "VH")
"""Layers of which more ground is read than the area has: by masks, and by filters of speckle."""
_ELSEWHERE = "take the product from another catalogue"
_BLOCK = 256
"""Side of the blocks of a copy; they are written whole, and not compressed."""


@dataclass(frozen=True)
class Early:
    """What is looked at while the rest is still to be copied.

    Attributes
    ----------
    bands : tuple of str
        They are copied before the others, image by image.
    look : callable
        Called with each image that lies on the disk with these bands; what it raises ends the copying.
    """

    bands: tuple[str, ...]
    look: Callable[[Observation], None]


def copy_area(
    images: ImageSet,
    grid: GeoBox,
    folder: Path,
    *,
    around_m: float = 0.0,
    workers: int = 4,
    progress: Progress | None = None,
    early: Early | None = None,
) -> ImageSet:
    """Copy the part of each file that a grid needs, and return the images as they lie on the disk.

    Parameters
    ----------
    images : ImageSet
        What is read.
    grid : GeoBox
        The area.
    folder : Path
        Where the copies go; those that are there are not made again.
    around_m : float
        Metres around the area that masks and speckle filters look at; copied of quality layers and radar alone.
    workers : int
        Files read at a time.
    progress : callable, optional
        Called with (done, total) files.
    early : Early, optional
        Bands that are copied first, and what looks at them.

    Returns
    -------
    ImageSet
        The same images; their files are the copies.

    Raises
    ------
    InputError
        If a file cannot be read.
    OutputError
        If a copy cannot be written.
    """
    header = images.header()
    files = images.files()
    paths = {(one.id, band): folder / f"{number:05d}.tif" for number, (one, band) in enumerate(files)}
    first = early.bands if early else ()
    in_turn = sorted(files, key=lambda file: file[1] not in first)
    tasks = [(one, band) for one, band in in_turn if not paths[one.id, band].exists()]
    waiting = deque(images.observations if early else ())

    def look() -> None:
        while early and waiting and all(paths[waiting[0].id, band].exists() for band in early.bands):
            early.look(_moved(waiting.popleft(), early.bands, paths))

    def copy(_: None, task: tuple[Observation, str]) -> None:
        observation, band = task
        path = paths[observation.id, band]
        make = partial(_copy, images, observation, band, grid, around_m=around_m, path=path)
        patiently(make, images.signer, what=f"{band} of {observation.id}", header=header)

    with closing(stream_tiles(copy, tasks, shared=None, engine=workers)) as copies:
        for done, _ in enumerate(chain([None], copies), start=len(files) - len(tasks)):
            if progress:
                progress(done, len(files))
            look()
    return _beside(images, paths)


def part_of(source: Any, grid: GeoBox, band: str, *, around_m: float = 0.0) -> Window | None:
    """Return the pixels of an open file that are copied, or None where it does not reach the area.

    Parameters
    ----------
    source : rasterio dataset
        The file.
    grid : GeoBox
        The area.
    band : str
        Our name of what it holds.
    around_m : float
        Metres around the area that masks look at; of the quality layers alone.
    """
    return touched(source, grid, margin=_MARGIN, around_m=around_m if band in _LOOKED_AROUND else 0.0)


def copied_bytes(source: Any, window: Window | None) -> int:
    """Return how large on the disk the copy of a window of an open file is, but for its header."""
    height, width = (window.height, window.width) if window else (1, 1)
    blocks = -(-int(height) // _BLOCK) * -(-int(width) // _BLOCK)
    return int(blocks * _BLOCK**2 * np.dtype(source.dtypes[0]).itemsize)


def touched(source: Any, grid: GeoBox, *, margin: int = 0, around_m: float = 0.0) -> Window | None:
    """Return the pixels of an open file that lie within a grid, or None.

    Parameters
    ----------
    source : rasterio dataset
        The file.
    grid : GeoBox
        The area.
    margin : int
        Pixels of the file around it.
    around_m : float
        Metres around it.
    """
    _refuse_unplaced(source)
    box = grid.boundingbox
    edges = box.left - around_m, box.bottom - around_m, box.right + around_m, box.top + around_m
    try:
        there = rasterio.warp.transform_bounds(str(grid.crs), source.crs, *edges)
    except CPLE_BaseError:  # rasterio lets GDAL's own error through
        raise InputError(f"{_name(source)} lies on a grid that is none of the Earth", mend=_ELSEWHERE) from None
    window = from_bounds(*there, transform=source.transform)
    left = max(0, int(np.floor(window.col_off + 1e-6)) - margin)
    top = max(0, int(np.floor(window.row_off + 1e-6)) - margin)
    right = min(source.width, int(np.ceil(window.col_off + window.width - 1e-6)) + margin)
    bottom = min(source.height, int(np.ceil(window.row_off + window.height - 1e-6)) + margin)
    return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _refuse_unplaced(source: Any) -> None:
    """Refuse files that do not say where their pixels lie, or whose rows are no rows of a map."""
    place = source.transform
    if source.crs is None and source.gcps[0]:
        raise InputError(f"{_name(source)} lies on no map grid", mend=_ELSEWHERE)
    if source.crs is None or place.is_identity:  # so looks a header that broke off: asked for again
        raise RasterioIOError(f"{_name(source)} has no projection")
    if not (place.a > 0 > place.e and place.b == place.d == 0):
        raise InputError(f"{_name(source)} lies on a turned grid", wanted="rows from north to south", mend=_ELSEWHERE)


def _name(source: Any) -> str:
    return str(source.name).split("?")[0]


def _copy(images: ImageSet, observation: Observation, band: str, grid: GeoBox, *, around_m: float, path: Path) -> None:
    """Copy one file's part, in strips along its blocks."""
    with open_image(images.sign(images.href(observation, band))) as source:
        # Of an image that does not reach the area one pixel is kept: it says where it lies and what is no data.
        window = part_of(source, grid, band, around_m=around_m) or Window(0, 0, 1, 1)
        if np.dtype(source.dtypes[0]).kind not in "uif":
            raise InputError(
                f"{band} of {observation.id} holds numbers of type {source.dtypes[0]}", wanted="plain ones"
            )
        profile = {
            "driver": "GTiff", "dtype": source.dtypes[0], "count": 1, "crs": source.crs, "nodata": source.nodata,
            "width": int(window.width), "height": int(window.height), "transform": source.window_transform(window),
            "tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "BIGTIFF": "IF_SAFER",
        }  # fmt: skip
        down = source.block_shapes[0][0]
        rows = max(1, _STRIP // max(1, int(window.width)) // down) * down
        first, last = int(window.row_off), int(window.row_off + window.height)
        edges = sorted({first, last, *range(first // rows * rows + rows, last, rows)})
        size = copied_bytes(source, window)
        with whole_file(path) as partial_path:
            reserve(partial_path, size)
            with rasterio.open(partial_path, "w", **profile) as target:
                for top, bottom in pairwise(edges):
                    numbers = _read(source, Window(window.col_off, top, window.width, bottom - top))
                    target.write(numbers, 1, window=Window(0, top - first, window.width, bottom - top))
            if partial_path.stat().st_size < size:  # GDAL says nothing when the last blocks could not be written
                raise OSError(errno.ENOSPC, "the disk is full")


def _read(source: Any, window: Window) -> npt.NDArray[Any]:
    try:
        numbers: npt.NDArray[Any] = source.read(1, window=window)
    except RasterioError as error:
        raise Unread(str(error)) from error
    return numbers


def _beside(images: ImageSet, copies: Mapping[tuple[str, str], Path]) -> ImageSet:
    """Return the images with their copies as files."""
    observations = tuple(_moved(each, images.bands, copies) for each in images.observations)
    folder = next((path.parent for path in copies.values()), None)
    catalogue = replace(images.catalogue, url=str(folder / "catalog.json") if folder else "", rewrite={})
    return replace(images, observations=observations, catalogue=catalogue, signer=Plain())


def _moved(observation: Observation, bands: Sequence[str], copies: Mapping[tuple[str, str], Path]) -> Observation:
    """Return an image as it lies on the disk: where and how large its files are is told by them, not by its item."""
    item = pystac.Item(observation.id, None, None, observation.time, {}, stac_extensions=[SCHEMA_URI])
    assets = {band: observation.assets[band] for band in bands if band in observation.assets}
    boxes = []
    for band, key in assets.items():
        path = copies[observation.id, band].resolve()
        with open_image(path) as file:
            place: dict[str, Any] = {
                "proj:shape": [file.height, file.width],
                "proj:transform": list(map(float, file.transform[:6])),
            }
            code = file.crs.to_epsg()
            place |= {"proj:code": f"EPSG:{code}"} if code else {"proj:wkt2": file.crs.to_wkt()}
            boxes.append(rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds))
        item.add_asset(key, pystac.Asset(str(path), media_type=pystac.MediaType.GEOTIFF, extra_fields=place))
    if boxes and all(west <= east for west, _, east, _ in boxes):  # else it lies across the 180th meridian
        item.bbox = [f(edges) for f, edges in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)]
    return replace(observation, item=item, assets=assets)
