"""Read a scene: files in, one float32 raster of named bands in reflectance out.

Band names and the scale decide what every later number means, so both are taken from the file or the user, said
aloud, and refused where the values contradict them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import lazy_raster, loaded
from citygrain.scene.bands import NamedLayer, choose_bands
from citygrain.scene.crop import BoundingBox, crop
from citygrain.scene.cubes import cube_layers, is_cube
from citygrain.scene.dark_end import offset_by_data
from citygrain.scene.find_product import find_product
from citygrain.scene.layers import Layer
from citygrain.scene.one_grid import common_grid, resampling
from citygrain.scene.open_files import close_after, close_files
from citygrain.scene.plausible import check_reflectance, refuse_empty, sample_pixels
from citygrain.scene.product import Product, product_layers
from citygrain.scene.radiometry import settle
from citygrain.scene.rasters import raster_layers, raster_tags
from citygrain.scene.scaling import Given, Scaling, file_scalings, product_scalings
from citygrain.scene.tags import tagged_attributes
from citygrain.scene.windows import SceneBand, SceneReader
from citygrain.sensors import SENTINEL1, SENTINEL2, Sensor, sensor_named

__all__ = ["describe_scene", "read_scene"]

logger = logging.getLogger(__name__)


def read_scene(
    path: Path | str | Sequence[Path | str],
    *,
    bands: Sequence[str] | None = None,
    scale: float | None = None,
    offset: float | None = None,
    sensor: str | None = None,
    reflectance: bool = True,
    resolution: float | None = None,
    bbox: BoundingBox | None = None,
    lazy: bool | Callable[[tuple[int, ...]], bool] = False,
) -> xr.DataArray:
    """Read a scene from one file, from a stack of files, or from a product as it was delivered.

    ``value = number / scale + offset``. A product's metadata say both. Of Sentinel-2 the numbers themselves are asked
    as well, whether 1000 was added to them (see `citygrain.scene.dark_end`), and a product is refused where its
    metadata and its numbers contradict each other. Of other files, without a `scale`, the file's own scale and offset
    tags are taken, else the sensor's usual scale (1 for digital numbers); which one is logged. Bands that measure no
    reflected light (an index, heat) are not scaled.

    A pixel is no data, NaN in all bands, where every band is NaN or holds the file's nodata number; radar beside bands
    of reflected light is not asked, for it sees through clouds and would fill a gap in the light with black. In single
    bands a nodata number of 0 stays a value: deep water and shadow reach 0 in one band while the others see the ground.
    Any other nodata number (-9999, 65535), or 0 in a thermal or radar band, is no measurement and becomes NaN in its
    band.

    Parameters
    ----------
    path : Path, str or a sequence of them
        GeoTIFF, COG, JP2, NetCDF or Zarr; several files are stacked. Or a product: Sentinel-2 SAFE (folder or zip),
        Landsat Collection 2 (folder or tar), HLS (folder), or a folder of single bands named by their files.
    bands : sequence of str, optional
        Bands to take, in this order, where the files name their bands; the names in file order where they do not. Of a
        product, without them: the bands that see the ground. Its masks (SCL, CLD, QA_PIXEL, Fmask) are read by name.
    scale : float, optional
        Numbers in the file per unit of reflectance.
    offset : float, optional
        Added after scaling, in reflectance (-0.1 for Sentinel-2 baseline 04.00 and later).
    sensor : str, optional
        Whose band names they are: ``"sentinel-2"``, ``"landsat-8"`` (and 9), ``"landsat-7"`` (and 4, 5) or
        ``"sentinel-1"``. Without it a product's own, else Sentinel-2.
    reflectance : bool
        Whether the optical bands must come out as reflectance. If so, values that cannot be reflectance are refused.
    resolution : float, optional
        Side of a pixel, in units of the coordinate system; the finest of the bands by default. Coarser bands are
        resampled by nearest neighbour, finer ones averaged (see `citygrain.scene.one_grid`), which is logged. Of a
        product, each band is read from its file of that resolution, where there is one.
    bbox : (float, float, float, float), optional
        West, south, east, north in degrees: only the pixels that touch this rectangle.
    lazy : bool or callable
        Whether to leave the values in the files; a function is asked with the shape (band, y, x). Each window is read
        when it is asked for (see `citygrain.lazy`), with the values that the whole scene would have there, and an
        infinite value is refused when it is met. The blocks in which the file is kept are in
        ``.encoding["preferred_chunks"]``.

    Returns
    -------
    xarray.DataArray
        Dims ``(band, y, x)``, float32, NaN = no data, with the grid as ``.odc.geobox`` and the attributes ``units``
        (``"reflectance"`` or ``"digital numbers"``), ``scale``, ``offset``, ``sensor`` and ``source``. A product, and a
        file that `citygrain scene` made of one, also has ``product``, ``level`` (``"L1C"``, ``"L2A"``, ``"TOA"``,
        ``"SR"``), ``baseline``, ``time``, ``tile``, ``radiometry`` and ``evidence``, as far as they are known.

    Raises
    ------
    InputError
        If a file, its geometry, its band names or its values cannot be used, or the metadata of a product and its
        numbers contradict each other.

    Examples
    --------
    >>> read_scene("nowhere.tif")
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere.tif does not exist; wanted: a scene file
    """
    asked = sensor_named(sensor) if sensor else None
    given = Given(scale, offset, reflectance)
    paths = _existing(path)
    product = find_product(paths[0], asked) if len(paths) == 1 and not is_cube(paths[0]) else None
    if product is None:
        _refuse_folders(paths)
    maker = _maker(asked, product)
    opened: set[Path] = set()
    try:
        layers = _layers(paths, product, maker, bands, resolution)
        opened.update(layer.source.path for layer in layers)
        chosen = choose_bands(layers, None if product else bands, maker)
        if reflectance and not any(item.optical for item in chosen):
            logger.info("no band of %s measures reflected light: the values stay as they are", paths[0].name)
            given = replace(given, reflectance=False) if product is None else given
        kept = product.attributes() if product else _kept(paths)
        scalings = _scalings(chosen, given, maker, product, kept)
        scene = _raster(chosen, scalings, resolution)
        scene = scene if bbox is None else crop(scene, bbox)
        left = lazy(scene.shape) if callable(lazy) else lazy
        scene = scene if left else loaded(scene)
        optical = [index for index, item in enumerate(chosen) if item.optical] if given.reflectance else []
        first = scalings[optical[0] if optical else 0]
        scene.attrs.update(
            units="reflectance" if optical else "digital numbers",
            scale=first.scale,
            offset=first.offset,
            sensor=maker.name,
            source=", ".join(file.name for file in paths),
        )
        scene.attrs.update(kept)
        sample = sample_pixels(scene)
        refuse_empty(scene, sample, chosen[0].layer.file)
        if optical:
            if product and product.claims:
                scene.attrs.update(_settled(product, chosen, scalings, sample, given))
            check_reflectance(scene, sample, optical, scale=first.scale, offset=first.offset)
    finally:
        close_files(opened | {file.absolute() for file in paths})
    return scene


def describe_scene(scene: xr.DataArray) -> list[dict[str, str | float]]:
    """Return the spread of each band's values.

    Parameters
    ----------
    scene : xarray.DataArray
        Dims ``(band, y, x)``, NaN = no data.

    Returns
    -------
    list of dict
        Per band ``name``, ``minimum``, ``p2``, ``median``, ``p98``, ``maximum`` (NaN where a band has no values) and
        ``nodata_share`` (0 to 1).

    Examples
    --------
    >>> scene = xr.DataArray([[[0.1, 0.3, np.nan, 0.2]]], dims=("band", "y", "x"), coords={"band": ["B04"]})
    >>> row = describe_scene(scene)[0]
    >>> row["name"], round(row["median"], 3), row["nodata_share"]
    ('B04', 0.2, 0.25)
    """
    return [_spread(str(name), scene.variable[index].values) for index, name in enumerate(scene.band.values)]


def _spread(name: str, values: npt.NDArray[np.floating]) -> dict[str, str | float]:
    there = values[np.isfinite(values)]
    figures = np.percentile(there, [0, 2, 50, 98, 100]) if there.size else np.full(5, np.nan)
    spread = dict(zip(("minimum", "p2", "median", "p98", "maximum"), map(float, figures), strict=True))
    return {"name": name, **spread, "nodata_share": 1 - there.size / max(1, values.size)}


def _existing(path: Path | str | Sequence[Path | str]) -> list[Path]:
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(each) for each in path]
    if not paths:
        raise InputError("no scene file was given", wanted="at least one")
    for file in paths:
        if not file.exists():
            raise InputError(f"{file} does not exist", wanted="a scene file")
    return paths


def _refuse_folders(paths: Sequence[Path]) -> None:
    for file in paths:
        if file.is_dir() and not is_cube(file):
            raise InputError(
                f"{file} is a folder and no product",
                wanted="a scene file, a list of band files, or one product (SAFE, Landsat, HLS, B02.tif, B03.tif, ...)",
            )


def _maker(asked: Sensor | None, product: Product | None) -> Sensor:
    own = product.sensor if product else None
    if asked and own and asked.name != own.name:
        raise InputError(
            f"{product.name if product else ''} is of {own.name}, asked for as {asked.name}",
            wanted="the sensor that it is of",
            mend=f'set sensor = "{own.name}"',
        )
    return own or asked or SENTINEL2


def _layers(
    paths: Sequence[Path],
    product: Product | None,
    maker: Sensor,
    bands: Sequence[str] | None,
    resolution: float | None,
) -> list[Layer]:
    if product:
        return product_layers(product, maker, bands, resolution)
    return [layer for file in paths for layer in (cube_layers(file) if is_cube(file) else raster_layers(file))]


def _kept(paths: Sequence[Path]) -> dict[str, str]:
    """Return what the file of a scene has kept of the product it was made of."""
    if len(paths) == 1:
        return {} if is_cube(paths[0]) else tagged_attributes(raster_tags(paths[0]))
    each = (tagged_attributes(raster_tags(path)) for path in paths if path.is_file() and not is_cube(path))
    first = next((kept for kept in each if "level" in kept), {})
    return {key: value for key, value in first.items() if key != "units"}  # the other files have their own


def _scalings(
    chosen: Sequence[NamedLayer], given: Given, maker: Sensor, product: Product | None, kept: dict[str, str]
) -> list[Scaling]:
    already = kept.pop("units", "") == "reflectance"
    if product is None or product.sensor is None:
        return file_scalings(chosen, given, maker, already=already)
    found = product_scalings(chosen, given, evidence=product.evidence or "by its metadata")
    shared = next((each for each, item in zip(found, chosen, strict=True) if item.optical), found[0])
    logger.info("%s: value = number / %g %+g (%s)", product.name, shared.scale, shared.offset, shared.reason)
    return found


def _raster(chosen: Sequence[NamedLayer], scalings: Sequence[Scaling], resolution: float | None) -> xr.DataArray:
    layers = [item.layer for item in chosen]
    geobox = common_grid(layers, resolution)
    reader = SceneReader(_bands(chosen, scalings), geobox)
    close_after(reader, [layer.source.path for layer in layers])
    told: dict[str, list[str]] = {}
    for item in chosen:
        how = resampling(item.layer, geobox)
        if how:
            told.setdefault(f"from {abs(item.layer.geobox.affine.a):g} by {how}", []).append(item.name)
    attrs = {"resampling": "; ".join(f"{', '.join(names)} {how}" for how, names in told.items())} if told else {}
    raster = lazy_raster(reader, geobox, [item.name for item in chosen], attrs=attrs, name="scene")
    on_grid = [layer.blocks for layer in layers if layer.geobox == geobox]
    down, across = on_grid[0] if on_grid else (512, 512)
    raster.encoding["preferred_chunks"] = {"band": len(chosen), "y": down, "x": across}
    return raster


def _bands(chosen: Sequence[NamedLayer], scalings: Sequence[Scaling]) -> tuple[SceneBand, ...]:
    """Say what the numbers of each band mean; radar does not make a scene of reflectance where it has none."""
    light = any(item.optical for item in chosen)
    radar = [SENTINEL1.find(item.name) is not None for item in chosen]
    return tuple(
        SceneBand(
            item.name,
            item.layer,
            item.layer.nodata == 0 and item.may_be_zero and not item.layer.never_zero,
            scaling.scale,
            scaling.offset,
            decides=not (light and sees_through),
        )
        for item, scaling, sees_through in zip(chosen, scalings, radar, strict=True)
    )


def _settled(
    product: Product,
    chosen: Sequence[NamedLayer],
    scalings: Sequence[Scaling],
    sample: npt.NDArray[np.float32],
    given: Given,
) -> dict[str, str | float]:
    """Hold what the metadata say of the offset against the numbers; return what the scene keeps of it."""
    numbers = {
        item.name: (values - scaling.offset) * scaling.scale
        for item, scaling, values in zip(chosen, scalings, sample, strict=True)
        if item.optical
    }
    by_hand = given.scale is not None or given.offset is not None
    used = next(each for each, item in zip(scalings, chosen, strict=True) if item.optical)
    try:
        settled = settle(
            product.name,
            product.claims,
            offset_by_data(numbers),
            level=product.level,
            baseline=product.baseline,
            scale=used.scale,
            override=used.offset * used.scale if by_hand else None,
        )
    except InputError as error:
        mend = "set offset = 0 or offset = -0.1 yourself, or get the product from its source again"
        raise InputError(error.came, wanted=error.wanted, mend=mend) from None
    logger.info("%s: %s; %s", product.name, settled.attributes()["radiometry"], "; ".join(settled.evidence))
    return {key: value for key, value in settled.attributes().items() if value != "" and not key.startswith("number_")}
