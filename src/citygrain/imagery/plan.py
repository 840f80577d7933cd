"""What a fetch would read, before it reads: bytes, requests, and seconds at a rate that was measured.

A few headers are read, one for each band of each tile; the other dates of a tile are taken to be alike. The blocks that
the area touches are summed by their own lengths, with the margin that is copied around it.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.mirror import copied_bytes, part_of
from citygrain.imagery.observation import Observation
from citygrain.imagery.opening import open_image
from citygrain.imagery.patience import patiently
from citygrain.tiles import stream_tiles

__all__ = ["FetchPlan", "make_plan"]

_MOST_BLOCKS = 4096
"""Blocks of a file whose lengths are asked for one by one; beyond, every so many are."""


@dataclass(frozen=True)
class _Part:
    """What of a file would be read."""

    bytes: int
    requests: int
    disk: int


@dataclass(frozen=True)
class FetchPlan:
    """What would be read.

    Attributes
    ----------
    grid : GeoBox
        The grid of the results.
    items : tuple of dict
        Product, name, time, tile and cloud of each image.
    bytes, requests : int
        What would be asked of the servers.
    disk : int
        Bytes that the copies take on the disk until all is made.
    written : int
        Bytes that what is made of them takes on the disk meanwhile, at most.
    rate : float or None
        Bytes in a second, as measured on a block; None if nothing was read.
    left_out : tuple of str
        Lines about images that are not used.
    """

    grid: GeoBox
    items: tuple[Mapping[str, Any], ...]
    bytes: int
    requests: int
    disk: int
    rate: float | None
    left_out: tuple[str, ...] = field(default=())
    written: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it would take, one reader at a time."""
        return self.bytes / self.rate if self.rate else None

    @property
    def pixels(self) -> int:
        """Pixels of the grid."""
        return int(np.prod(self.grid.shape))


def make_plan(
    grid: GeoBox,
    sources: Sequence[ImageSet],
    *,
    around_m: float = 0.0,
    left_out: Sequence[str] = (),
    written: int = 0,
    workers: int = 1,
) -> FetchPlan:
    """Look at one file of each band of each tile, and say what reading them all would take.

    Parameters
    ----------
    grid : GeoBox
        The area.
    sources : sequence of ImageSet
        What would be read.
    around_m : float
        Metres around the area that masks look at.
    left_out : sequence of str
        Lines about images that are not used.
    written : int
        Bytes that what is made of them takes, at most.
    workers : int
        Files looked at at a time.

    Raises
    ------
    InputError
        If a file cannot be opened.
    """
    files = [(source, one, band) for source in sources for one, band in source.files()]
    alike = {_kind(*file): file for file in reversed(files)}  # the first of each
    kinds = list(dict.fromkeys(_kind(*file) for file in files))

    def look(measure: bool, kind: _Kind) -> tuple[_Part, float | None]:
        source, one, band = alike[kind]
        make = partial(_look, source, one, band, grid, around_m=around_m, measure=measure)
        return patiently(make, source.signer, what=f"a file of {one.id}", header=source.header())

    looked: dict[_Kind, _Part] = {}
    rate = None
    while rate is None and len(looked) < len(kinds):  # measured on the first file that has something to be read
        kind = kinds[len(looked)]
        ((looked[kind], rate),) = stream_tiles(look, [kind], shared=True, engine=2)  # in a thread: Ctrl-C is heard
    rest = kinds[len(looked) :]
    with closing(stream_tiles(look, rest, shared=False, engine=workers)) as found:
        looked |= {kind: part for kind, (part, _) in zip(rest, found, strict=True)}
    parts = [looked[_kind(*file)] for file in files]
    return FetchPlan(
        grid,
        tuple(_row(o) for s in sources for o in s.observations),
        bytes=sum(part.bytes for part in parts),
        requests=sum(part.requests for part in parts),
        disk=sum(part.disk for part in parts),
        rate=rate,
        left_out=tuple(left_out),
        written=written,
    )


_Kind = tuple[str, str | None, str]


def _kind(source: ImageSet, observation: Observation, band: str) -> _Kind:
    """Return what files share that are taken to be alike."""
    return source.product, observation.tile, band


def _row(observation: Observation) -> dict[str, Any]:
    return {
        "product": observation.product,
        "id": observation.id,
        "time": observation.time.isoformat(timespec="seconds"),
        "tile": observation.tile,
        "cloud": observation.cloud,
    }


def _look(
    images: ImageSet, observation: Observation, band: str, grid: GeoBox, *, around_m: float, measure: bool
) -> tuple[_Part, float | None]:
    """Return what of a file would be copied, and the rate of reading one of its blocks."""
    with open_image(images.sign(images.href(observation, band))) as source:
        window = part_of(source, grid, band, around_m=around_m)
        disk = copied_bytes(source, window)
        if window is None:
            return _Part(0, 1, disk), None
        part = _Part(*_blocks(source, window), disk)
        return part, _rate(source, window) if measure and part.bytes else None


def _blocks(source: Any, window: Window) -> tuple[int, int]:
    """Sum the lengths of the blocks that a window touches, and say how many requests they take."""
    down, across = source.block_shapes[0]
    rows = range(window.row_off // down, (window.row_off + window.height - 1) // down + 1)
    columns = range(window.col_off // across, (window.col_off + window.width - 1) // across + 1)
    step = max(1, len(rows) * len(columns) // _MOST_BLOCKS)
    named = [(row, column) for row in rows for column in columns][::step]
    lengths = [source.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1) for row, column in named]
    known = [int(length) for length in lengths if length is not None]
    if not known:  # not a GeoTIFF in blocks: all of its pixels, at half their size
        size = np.dtype(source.dtypes[0]).itemsize
        return int(window.width * window.height * size / 2), 1 + len(rows)
    return round(sum(known) / len(named) * len(rows) * len(columns)), 1 + len(rows)


def _rate(source: Any, window: Window) -> float | None:
    """Return bytes in a second of reading the block in the middle of a window."""
    down, across = source.block_shapes[0]
    row, column = int(window.row_off + window.height // 2) // down, int(window.col_off + window.width // 2) // across
    length = source.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)
    start = time.perf_counter()
    source.read(1, window=Window(column * across, row * down, 1, 1))
    took = time.perf_counter() - start
    return int(length) / took if length and took > 0 else None
