"""A map product on a given grid, window by window: the class under each pixel, or the commonest where it is finer.

The files of a product (tiles, in one coordinate system or in several) are looked at in points: one in the middle of
each pixel of the grid, or so many as the product is finer. A point does not depend on the window that it is read in, so
that windows of any size give the same raster.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine, windows
from rasterio.errors import RasterioError
from rasterio.warp import transform

from citygrain.errors import InputError
from citygrain.imagery.opening import open_image
from citygrain.imagery.references import MapProduct
from citygrain.imagery.schemes import Evidence, refuse_other_scheme
from citygrain.scene.cog_writer import CogWriter
from citygrain.scene.open_files import bound_cache
from citygrain.tiles import Progress, Tile, tile_grid

__all__ = ["product_tags", "read_product", "write_product"]

Codes = npt.NDArray[np.uint8]

_FINER = 1.1
"""Product pixels smaller than the grid's by this factor are gathered by majority."""
_MOST = 31
"""Points along a side of a pixel at most."""
_POINTS = 2**21
"""Points that are looked at at a time."""
_NODE = 32
"""Pixels of the grid between nodes, which are fixed to it; places in the files are interpolated between them."""


def read_product(
    product: MapProduct, sources: Sequence[str | Path], geobox: GeoBox, *, progress: Progress | None = None
) -> Codes:
    """Read a product onto a grid.

    Parameters
    ----------
    product : MapProduct
        What the files are.
    sources : sequence of str or Path
        Its files that meet the grid, GeoTIFF or JPEG 2000: paths, or addresses that GDAL opens; the first
        that has a class counts.
    geobox : GeoBox
        The grid.
    progress : callable, optional
        Called with (done, total) windows.

    Returns
    -------
    ndarray of uint8, (y, x)
        Values as in the product's own files; ``product.nodata`` where there is none, or one that is no class. On a
        coarser grid the commonest value within each pixel (of equals that in the middle), no data counting as one.

    Raises
    ------
    InputError
        If a file cannot be read, is of another product, or none meets the grid.
    """
    out = np.full(tuple(geobox.shape), product.nodata, np.uint8)
    for tile, values in _windows(product, sources, geobox, progress):
        out[tile.slices] = values
    return out


def write_product(
    path: Path,
    product: MapProduct,
    sources: Sequence[str | Path],
    geobox: GeoBox,
    *,
    progress: Progress | None = None,
) -> None:
    """Write a product on a grid as a COG with its names, colours, licence and source; see `read_product`.

    No more than a window is in memory. The file holds the product's own values, so that other tools know it; as a
    reference it is read with ``product = "..."``.

    Parameters
    ----------
    path : Path
        The file.
    product, sources, geobox, progress
        As for `read_product`.

    Raises
    ------
    InputError
        As for `read_product`.
    OutputError
        If it cannot be written; nothing half-written stays behind.
    """
    values = {int(c.in_files[0]): c for c in product.legend if int(c.in_files[0]) < 256}
    colors = {value: (*c.rgb, 255) for value, c in values.items()}
    with CogWriter(
        path,
        geobox,
        np.uint8,
        nodata=product.nodata,
        colormap=colors | {product.nodata: (0, 0, 0, 0)},
        names={value: c.name for value, c in values.items()},
        band_names=["class"],
        tags=product_tags(product),
    ) as target:
        for tile, codes in _windows(product, sources, geobox, progress):
            target.write(tile, codes)


def product_tags(product: MapProduct) -> dict[str, str]:
    """Return what a file says of the product that it holds."""
    cited = f"{product.citation}, doi:{product.doi}" if product.doi else product.citation
    return {
        "scheme": product.legend.scheme,
        "product": product.name,
        "year": str(product.year),
        "licence": product.licence,
        "attribution": product.attribution,
        "citation": cited,
    }


def _windows(
    product: MapProduct, sources: Sequence[str | Path], geobox: GeoBox, progress: Progress | None
) -> Iterator[tuple[Tile, Codes]]:
    if product.resolution is None:
        raise InputError(f"{product} is polygons", wanted="a product of rasters", mend=product.how)
    with ExitStack() as opened:
        files = [opened.enter_context(_opened(source, product)) for source in sources]
        points = _points(files, geobox)
        side = max(1, int(sqrt(_POINTS)) // points)
        tiles, met = tile_grid((geobox.shape.y, geobox.shape.x), side), False
        for done, tile in enumerate(tiles, start=1):
            there, values = _window(files, geobox, tile, points, product)
            met |= there
            if progress:
                progress(done, len(tiles))
            yield tile, values
    if not met:
        names = ", ".join(Path(str(source)).name for source in sources) or "no file"
        raise InputError(f"{names} does not meet the grid", wanted=f"files of {product} of this ground")


def _opened(source: str | Path, product: MapProduct) -> rasterio.DatasetReader:
    bound_cache()
    try:
        file = open_image(source)
    except (RasterioError, OSError) as error:
        raise _unreadable(source, error) from None
    try:
        if file.crs is None or file.dtypes[0] not in {"uint8", "int8", "uint16", "int16", "int32", "uint32"}:
            raise InputError(f"{source} holds {file.dtypes[0]} without coordinates", wanted="whole numbers with a CRS")
        refuse_other_scheme(_evidence(file, source), product.legend)
    except BaseException:
        file.close()
        raise
    return file


def _evidence(file: rasterio.DatasetReader, source: str | Path) -> Evidence:
    try:
        colors = {code: (r, g, b) for code, (r, g, b, _) in file.colormap(1).items()}
    except ValueError:
        colors = {}
    return Evidence(Path(str(source)).name, tags=file.tags(), colors=colors)


def _points(files: Sequence[rasterio.DatasetReader], geobox: GeoBox) -> int:
    """Return how many points are looked at along the side of a pixel."""
    finer = max((_times_finer(file, geobox) for file in files), default=1.0)
    if finer <= _FINER:
        return 1
    if abs(finer - round(finer)) < 0.01:
        return min(round(finer), _MOST)  # in the middle of each of the product's pixels, never on their edges
    return min(2 * ceil(finer / 2) + 1, _MOST)


def _times_finer(file: rasterio.DatasetReader, geobox: GeoBox) -> float:
    """Return how many times finer the product's pixels are, by the side of a square of equal area."""
    middle = geobox.affine * Affine.translation(geobox.shape.x / 2, geobox.shape.y / 2)
    corners = [middle * offset for offset in ((0, 0), (1, 0), (0, 1))]
    xs, ys = transform(str(geobox.crs), file.crs, *zip(*corners, strict=True))
    area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0])
    return sqrt(abs(area / file.transform.determinant))


def _window(
    files: Sequence[rasterio.DatasetReader], geobox: GeoBox, tile: Tile, points: int, product: MapProduct
) -> tuple[bool, Codes]:
    """Return whether a file meets a window of the grid, and its values there, (y, x)."""
    seen, met = np.full((tile.height * points, tile.width * points), product.nodata, np.uint8), False
    for file in files:
        rows, columns = _places(file, geobox, tile, points)
        inside = (rows >= 0) & (rows < file.height) & (columns >= 0) & (columns < file.width)
        wanted = inside & (seen == product.nodata)
        met |= bool(inside.any())
        if wanted.any():
            rows, columns = rows[wanted], columns[wanted]
            top, left = int(rows.min()), int(columns.min())
            part = windows.Window(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
            seen[wanted] = _read(file, part, product)[rows - top, columns - left]
    return met, seen if points == 1 else _commonest(seen, points)


def _places(
    file: rasterio.DatasetReader, geobox: GeoBox, tile: Tile, points: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row and column in a file under each point of a window of the grid; -1 where there is none."""
    across = [
        (np.arange(start * points, (start + size) * points) + 0.5) / points / _NODE
        for start, size in ((tile.row, tile.height), (tile.column, tile.width))
    ]
    nodes = [np.arange(int(along[0]), int(along[-1]) + 2) for along in across]
    down, right = np.meshgrid(*nodes, indexing="ij")
    xs, ys = geobox.affine * (right.ravel() * float(_NODE), down.ravel() * float(_NODE))
    there = np.array(transform(str(geobox.crs), file.crs, xs, ys))
    spots = np.array(~file.transform * (there[0], there[1]))[::-1].reshape(2, *down.shape)  # (row and column, y, x)
    low = [along.astype(np.int64) - first[0] for along, first in zip(across, nodes, strict=True)]
    part = [along - np.floor(along) for along in across]
    steady = spots[:, low[0]] * (1 - part[0][:, None]) + spots[:, low[0] + 1] * part[0][:, None]
    exact = steady[:, :, low[1]] * (1 - part[1]) + steady[:, :, low[1] + 1] * part[1]
    found = np.where(np.isfinite(exact), np.floor(exact), -1).astype(np.int64)
    return found[0], found[1]


def _read(file: rasterio.DatasetReader, window: windows.Window, product: MapProduct) -> Codes:
    try:
        raw = file.read(1, window=window)
    except (RasterioError, OSError) as error:
        raise _unreadable(file.name, error) from None
    known = {int(value): int(c.in_files[0]) for c in product.legend for value in c.in_files}
    known |= {int(value): product.nodata for value in product.ignore}
    codes = np.full(raw.shape, product.nodata, np.uint8)
    for value in np.unique(raw).tolist():
        if value in (product.nodata, file.nodata):
            continue
        if value not in known:
            raise InputError(
                f"{Path(file.name).name} holds {value}, which {product} does not have",
                wanted=f"one of {', '.join(c.in_files[0] for c in product.legend)}",
            )
        codes[raw == value] = known[value]
    return codes


def _commonest(seen: Codes, points: int) -> Codes:
    """Return the commonest of the points in each pixel, of equals that in the middle, else the smallest, (y, x)."""
    height, width = seen.shape[0] // points, seen.shape[1] // points
    cells = seen.reshape(height, points, width, points)
    middle = cells[:, points // 2, :, points // 2]
    best, most = middle.copy(), (cells == middle[:, None, :, None]).sum((1, 3))
    for value in np.unique(seen):
        count = (cells == value).sum((1, 3))
        better = count > most
        best[better], most[better] = value, count[better]
    return best


def _unreadable(source: str | Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{source} cannot be read: {reason}", wanted="a raster of classes")
