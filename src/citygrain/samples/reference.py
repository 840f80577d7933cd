"""Bring a reference (a land-cover raster, polygons or points) to the scene's grid, as codes of a legend.

A reference is hardly ever on the scene's grid. How it gets there changes what the accuracy figures mean, so the method
follows from the two pixel sizes by one rule and is said aloud: nearest neighbour, or the majority when the reference
is finer.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from rasterio import Affine, windows
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import reproject, transform, transform_bounds

from citygrain.errors import InputError
from citygrain.imagery.schemes import Evidence, refuse_other_scheme, spoken_alike
from citygrain.legend import Legend
from citygrain.samples.codes import CodeTable, code_table, value_key
from citygrain.samples.rasterise import burn_codes
from citygrain.samples.shapes import grid_crs, read_shapes, spoken_extent
from citygrain.samples.vector import existing_file, is_vector
from citygrain.scene.codes import read_class_names
from citygrain.scene.open_files import bound_cache
from citygrain.tiles import tile_grid

__all__ = ["read_reference"]

logger = logging.getLogger(__name__)

IntBand = npt.NDArray[np.int32]
CodeBand = npt.NDArray[np.uint8]

_LARGEST = 2**23 - 1
"""GDAL's majority passes through float32, which is exact up to here."""
_OUTSIDE, _UNLABELLED = -(2**24), -(2**23)
"""Mark pixels beyond the reference, and unlabelled ones in it, while codes are still the file's."""
_MARGIN = 4
_STRIP = 2**22
"""Pixels that are looked at at a time."""
_FINER = 1.1
"""Reference pixels smaller than the scene's by this factor are gathered by majority."""


def read_reference(
    path: Path | str,
    geobox: GeoBox,
    *,
    classes: Mapping[str, str] | None = None,
    legend: Legend | None = None,
    merge: Mapping[str, Sequence[str]] | None = None,
    colors: Mapping[str, str] | None = None,
    field: str | None = None,
    layer: str | None = None,
    ignore: Sequence[str | int] = (),
) -> tuple[xr.DataArray, Legend]:
    """Read a reference onto the scene's grid.

    Parameters
    ----------
    path : Path or str
        A raster of class codes, or polygons or points (GeoPackage, GeoJSON, Shapefile, KML, KMZ).
    geobox : GeoBox
        The scene's grid.
    classes : mapping of str to str, optional
        Class name by value in the file. Values with one name become one class. Codes stay where each is 1 to 255 and
        has a name of its own; else classes are numbered 1, 2, ... in this order, which is logged.
    legend : Legend, optional
        A ready legend whose codes or names the file holds; with `classes`, the legend that their names are from.
    merge : mapping of str to sequence of str, optional
        Broader classes and the names that each takes in; classes in none become unlabelled.
    colors : mapping of str to str, optional
        Colours by class name, ``#rrggbb``.
    field : str, optional
        Attribute of the shapes with the class; ``"layer"`` where each layer of the file (folder of KML) is a class.
        KML needs none: its placemarks' names are the values, and with ``legend=LCZ`` it is read as training areas,
        see `citygrain.samples.training_areas.read_training_areas`.
    layer : str, optional
        Layer of the shapes, or band of the raster, where there are several.
    ignore : sequence of str or int
        Values to leave unlabelled.

    Returns
    -------
    xarray.DataArray
        Codes, dims ``(y, x)``, uint8 on `geobox`, 0 = unlabelled. The file's nodata, what lies outside it, and code 0
        unless `classes` names it, are unlabelled; so are pixels that shapes of different classes claim.
    Legend
        The classes that the codes stand for.

    Raises
    ------
    InputError
        If the file cannot be used, does not meet the scene, holds a value that nobody named, or says that it is in
        another scheme than `legend`.

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((2, 3), Affine(10, 0, 500_000, 0, -10, 6_000_000), "EPSG:32633")
    >>> read_reference("nowhere.tif", grid, classes={"1": "Water"})
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere.tif does not exist; wanted: a reference raster, polygons or points
    """
    path = existing_file(path, wanted="a reference raster, polygons or points")
    shapes = read_shapes(path, geobox, field=field, layer=layer, legend=legend) if is_vector(path) else None
    if shapes is None and field is not None:
        raise InputError(f"{path.name} is a raster and has no field {field!r}", mend="leave field out")
    if shapes is not None and not classes and legend is None:
        classes = _own_names(shapes, path.name)
    ours = shapes is None and legend is not None and not classes and _is_ours(path, legend)
    table = code_table(
        classes=classes,
        legend=legend,
        merge=merge,
        colors=colors,
        ignore=ignore,
        scheme=legend.scheme if legend else path.stem,
        ours=ours,
    )
    codes = _from_raster(path, geobox, table, layer) if shapes is None else burn_codes(shapes, geobox, table, path.name)
    if not codes.any():
        raise InputError(f"{path.name} labels no pixel of the scene", wanted="a reference with classes in the scene")
    attrs = {"scheme": table.legend.scheme, "source": path.name}
    coords = xr_coords(geobox, always_yx=True)
    return xr.DataArray(codes, dims=("y", "x"), coords=coords, attrs=attrs, name="reference"), table.legend


def _own_names(shapes: gpd.GeoDataFrame, file: str) -> dict[str, str]:
    names = sorted(set(shapes["name"]))
    if any(value_key(name).replace(".", "").replace("-", "").isdigit() for name in names):
        raise InputError(
            f"the classes of {file} are numbers: {', '.join(names)}",
            wanted='classes = { 1 = "Forest", ... } or a legend',
        )
    logger.info("%s: no classes or legend given, its own names are taken: %s", file, ", ".join(names))
    return {name: name for name in names}


def _is_ours(path: Path, legend: Legend) -> bool:
    """Return whether a raster is a map of ours in this legend; refuse one that says it is in another scheme."""
    with _opened(path) as source:
        tags = source.tags()
        try:
            colors = {code: (r, g, b) for code, (r, g, b, _) in source.colormap(1).items()}
        except ValueError:
            colors = {}
    if tags.get("legend") is not None:
        return str(tags["legend"]) == legend.scheme
    said = refuse_other_scheme(Evidence(path.name, tags, read_class_names(path), colors), legend)
    if said is None and (alike := spoken_alike(legend)):
        logger.warning("%s does not say its scheme: it is read as %s; %s", path.name, legend.scheme, alike)
    return False


def _from_raster(path: Path, geobox: GeoBox, table: CodeTable, layer: str | None) -> CodeBand:
    codes, counts = np.zeros(geobox.shape, np.uint8), dict[int, int]()
    with _opened(path) as source:
        band = _band(source, layer, path.name)
        _refuse_named_nodata(source.nodatavals[band - 1], table, path.name)
        for rows, values in _on_grid(source, band, geobox, path.name):
            found, pixels = np.unique(values, return_counts=True)
            for value, number in zip(found.tolist(), pixels.tolist(), strict=True):
                if value > _UNLABELLED:
                    counts[value] = counts.get(value, 0) + number
                    codes[rows][values == value] = table.codes.get(str(value), 0)
    table.check({str(value): counts[value] for value in sorted(counts)}, what="pixels", file=path.name)
    return codes


def _opened(path: Path) -> rasterio.DatasetReader:
    bound_cache()
    with warnings.catch_warnings():
        # Missing geometry is an error of ours, with a way to mend it.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(path)
        except (RasterioError, OSError) as error:
            raise InputError(
                f"{path.name} is neither a raster nor shapes that can be read ({_first_line(error)})",
                wanted="GeoTIFF, GeoPackage, GeoJSON or Shapefile",
            ) from error
    if not source.crs or source.transform.is_identity:
        source.close()
        lacking = "CRS" if not source.crs else "geotransform"
        raise InputError(f"{path.name} has no {lacking}", wanted="a georeferenced raster", mend="use gdalwarp first")
    return source


def _band(source: rasterio.DatasetReader, layer: str | None, file: str) -> int:
    names = [description or str(index) for index, description in zip(source.indexes, source.descriptions, strict=True)]
    if layer is None and source.count == 1:
        return 1
    if layer is None or layer not in names:
        came = f"{file} has {source.count} bands" if layer is None else f"band {layer!r} is not in {file}"
        raise InputError(came, wanted=f"one of {', '.join(names)}", mend="set layer to it")
    return names.index(layer) + 1


def _refuse_named_nodata(nodata: float | None, table: CodeTable, file: str) -> None:
    if nodata is not None and table.codes.get(value_key(nodata), 0):
        raise InputError(
            f"{file} marks {nodata:g} as no data, but it is named as a class",
            wanted="another code",
            mend="or unset the file's nodata with gdal_edit -unsetnodata",
        )


def _on_grid(source: rasterio.DatasetReader, band: int, geobox: GeoBox, file: str) -> Iterator[tuple[slice, IntBand]]:
    """Give the reference on the scene's grid, rows by rows; only what has to be resampled is in memory as a whole."""
    window = _overlap(source, geobox, file)
    same = source.shape == tuple(geobox.shape) and source.transform.almost_equals(geobox.affine, 1e-3)
    if same and source.crs == rasterio.crs.CRS.from_user_input(grid_crs(geobox)):
        for rows in _strips(source, band, window):
            yield rows, _whole_numbers(source, band, _part(window, rows), file)
        return
    factor = _times_finer(source, geobox)
    method = Resampling.mode if factor > _FINER else Resampling.nearest
    spoken = "majority" if method is Resampling.mode else "nearest neighbour"
    logger.info("%s: brought to the scene's grid by %s (its pixels are %.3g times finer)", file, spoken, factor)
    values = np.empty((window.height, window.width), np.int32)
    for rows in _strips(source, band, window):
        values[rows] = _whole_numbers(source, band, _part(window, rows), file)
    out = np.full(geobox.shape, _OUTSIDE, np.int32)
    reproject(
        values,
        out,
        src_transform=source.window_transform(window),
        src_crs=source.crs,
        src_nodata=_OUTSIDE,
        dst_transform=geobox.affine,
        dst_crs=grid_crs(geobox),
        dst_nodata=_OUTSIDE,
        resampling=method,
    )
    del values
    for tile in tile_grid((out.shape[0], out.shape[1]), (max(1, _STRIP // out.shape[1]), out.shape[1])):
        yield tile.slices[0], out[tile.slices]


def _strips(source: rasterio.DatasetReader, band: int, window: windows.Window) -> list[slice]:
    """Cut the rows of a window along the blocks in which the file is kept."""
    block = min(source.block_shapes[band - 1][0], source.height)
    height = block * max(1, _STRIP // (block * window.width))
    top, bottom = window.row_off, window.row_off + window.height
    edges = [top, *range((top // height + 1) * height, bottom, height), bottom]
    return [slice(one - top, other - top) for one, other in pairwise(edges)]


def _part(window: windows.Window, rows: slice) -> windows.Window:
    return windows.Window(window.col_off, window.row_off + rows.start, window.width, rows.stop - rows.start)


def _overlap(source: rasterio.DatasetReader, geobox: GeoBox, file: str) -> windows.Window:
    """Return the part of the reference that the scene needs, with a few pixels around it."""
    scene_crs = grid_crs(geobox)
    bounds = transform_bounds(scene_crs, source.crs, *geobox.boundingbox.bbox)
    corners = [~source.transform * (x, y) for x in bounds[::2] for y in bounds[1::2]]
    columns, rows = zip(*corners, strict=True)
    left, top = max(0, int(min(columns)) - _MARGIN), max(0, int(min(rows)) - _MARGIN)
    right = min(source.width, int(max(columns)) + _MARGIN)
    bottom = min(source.height, int(max(rows)) + _MARGIN)
    apart = max(columns) <= 0 or min(columns) >= source.width or max(rows) <= 0 or min(rows) >= source.height
    if apart:
        there = transform_bounds(source.crs, scene_crs, *source.bounds)
        raise InputError(
            f"{file} does not meet the scene: it spans {spoken_extent(there)}",
            wanted=f"a reference within {spoken_extent(geobox.boundingbox.bbox)} (left, bottom, right, top)",
        )
    return windows.Window(left, top, right - left, bottom - top)


def _whole_numbers(source: rasterio.DatasetReader, band: int, window: windows.Window, file: str) -> IntBand:
    try:
        raw = source.read(band, window=window)
        unlabelled = source.read_masks(band, window=window) == 0
    except (RasterioError, OSError) as error:
        raise InputError(f"{file} breaks off or is damaged ({_first_line(error)})", wanted="a whole file") from error
    if raw.dtype.kind == "f":
        unlabelled |= np.isnan(raw)
        raw = np.where(unlabelled, 0, raw)
    labelled = raw[~unlabelled]
    if labelled.size and ((labelled % 1 != 0).any() or np.abs(labelled.astype(float)).max() > _LARGEST):
        raise InputError(f"{file} holds numbers that are no class codes", wanted="whole numbers")
    values: IntBand = raw.astype(np.int32)
    # A value of its own rather than GDAL's nodata: a pixel that is mostly unlabelled stays unlabelled.
    values[unlabelled] = _UNLABELLED
    return values


def _times_finer(source: rasterio.DatasetReader, geobox: GeoBox) -> float:
    """Return how many times finer the reference's pixels are, by the side of a square of equal area."""
    middle = geobox.affine * Affine.translation(geobox.shape[1] / 2, geobox.shape[0] / 2)
    corners = [middle * offset for offset in ((0, 0), (1, 0), (0, 1))]
    xs, ys = transform(grid_crs(geobox), source.crs, *zip(*corners, strict=True))
    area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0])
    return float(np.sqrt(abs(area / source.transform.determinant)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
