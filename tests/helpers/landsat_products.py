"""Landsat Collection 2 and HLS products as the USGS and NASA deliver them: names, MTL in three forms, GeoTIFFs."""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import Affine

__all__ = ["Written", "tar_product", "write_hls", "write_landsat"]

ORIGIN, CRS, SIDE = (353_685, 5_374_215), "EPSG:32610", 30
SUN_ELEVATION = 48.807
_SR, _ST, _TOA = (2.75e-05, -0.2), (0.00341802, 149.0), (2.0e-05, -0.1)


@dataclass(frozen=True)
class Written:
    """A product that was written: its folder or tar, and what each band measures (NaN = no data)."""

    path: Path
    truth: Mapping[str, npt.NDArray[np.float64]]


def write_landsat(
    folder: Path, *, level: str = "L2SP", form: str = "txt", spacecraft: int = 8, size: int = 40, hole: bool = False
) -> Written:
    """Write a product of Level 1 (``L1TP``) or 2 (``L2SP``); `form` is that of its MTL file."""
    short = {8: "LC08", 9: "LC09", 7: "LE07", 5: "LT05"}[spacecraft]
    name = f"{short}_{level}_047027_20201204_20210313_02_T1"
    root = folder / name
    root.mkdir(parents=True)
    numbers = range(1, 8) if spacecraft in (8, 9) else (1, 2, 3, 4, 5, 7)
    surface = level.startswith("L2")
    factor, added = _SR if surface else _TOA
    height = 1.0 if surface else float(np.sin(np.radians(SUN_ELEVATION)))
    truth, files = {}, {}
    for number in numbers:
        values = _ground(size, number)
        raw = _stored(values * height, factor, added, hole)
        files[f"{number}"] = f"{name}_{'SR_' if surface else ''}B{number}.TIF"
        _write(root / files[f"{number}"], raw, nodata=0)
        truth[f"B{number}"] = np.where(raw == 0, np.nan, (raw * factor + added) / height)
    thermal = f"ST_B{10 if spacecraft in (8, 9) else 6}"
    if surface:
        raw = _stored(280 + 30 * _ground(size, 10), *_ST, hole)
        files[thermal] = f"{name}_{thermal}.TIF"
        _write(root / files[thermal], raw, nodata=0)
        truth[thermal.removeprefix("ST_")] = np.where(raw == 0, np.nan, raw * _ST[0] + _ST[1])
    mask = np.where(raw == 0, 1, 21824).astype(np.uint16)  # 1 fill, 21824 clear
    mask[-3:, -3:] = 22280  # cloud
    _write(root / f"{name}_QA_PIXEL.TIF", mask, nodata=1)
    truth["QA_PIXEL"] = np.where(mask == 1, np.nan, mask)
    mtl = _mtl(name, level, spacecraft, files)
    (root / f"{name}_MTL.{form}").write_text(_FORMS[form](mtl), encoding="utf-8")
    return Written(root, truth)


def write_hls(folder: Path, *, kind: str = "S30", size: int = 40) -> Written:
    """Write a granule of ``S30`` or ``L30``, with the masks and angles that come with it."""
    root = folder / f"HLS.{kind}.T33UUU.2021147T101559.v2.0"
    root.mkdir(parents=True)
    reflecting = {
        "S30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"),
        "L30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09"),
    }[kind]
    truth = {}
    for number, band in enumerate(reflecting):
        raw = np.rint(_ground(size, number) * 10_000).astype(np.int16)
        raw[:4, :4] = -9999
        _write(root / f"{root.name}.{band}.tif", raw, nodata=-9999, scale=0.0001)
        truth[band] = np.where(raw == -9999, np.nan, raw / 10_000)
    for band in ("B10", "B11") if kind == "L30" else ():
        raw = np.rint(_ground(size, 3) * 3000).astype(np.int16)
        _write(root / f"{root.name}.{band}.tif", raw, nodata=-9999, scale=0.01)
        truth[band] = raw / 100
    mask = np.full((size, size), 64, np.uint8)
    mask[:4, :4] = 255
    _write(root / f"{root.name}.Fmask.tif", mask, nodata=255)
    truth["Fmask"] = np.where(mask == 255, np.nan, mask)
    for angle in ("SAA", "SZA", "VAA", "VZA"):
        _write(root / f"{root.name}.{angle}.tif", np.full((size, size), 4000, np.uint16), nodata=40000)
    return Written(root, truth)


def tar_product(product: Written) -> Written:
    """The same as the tar that is downloaded: files at the top."""
    path = product.path.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for file in sorted(product.path.iterdir()):
            archive.add(file, file.name)
            file.unlink()
    product.path.rmdir()
    return Written(path, product.truth)


def _ground(size: int, band: int) -> npt.NDArray[np.float64]:
    y, x = np.mgrid[:size, :size] / size
    return 0.02 + 0.35 * (0.5 + 0.5 * np.sin(7 * x + band) * np.cos(5 * y))


def _stored(values: npt.NDArray[np.float64], factor: float, added: float, hole: bool) -> npt.NDArray[np.uint16]:
    raw = np.clip(np.rint((values - added) / factor), 1, 65_535).astype(np.uint16)
    if hole:
        raw[:5, :5] = 0
    return raw


def _write(file: Path, array: npt.NDArray[Any], *, nodata: float, scale: float | None = None) -> None:
    transform = Affine(SIDE, 0, ORIGIN[0], 0, -SIDE, ORIGIN[1])
    height, width = array.shape
    with rasterio.open(
        file, "w", driver="GTiff", width=width, height=height, count=1, dtype=array.dtype, crs=CRS,
        transform=transform, nodata=nodata, compress="deflate",
    ) as target:  # fmt: skip
        target.write(array, 1)
        if scale:
            target.scales = [scale]


def _mtl(name: str, level: str, spacecraft: int, files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    numbers = [key for key in files if key.isdecimal()]
    surface = level.startswith("L2")
    content = {
        "ORIGIN": "Image courtesy of the U.S. Geological Survey",
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": level,
        "COLLECTION_NUMBER": "02",
        **{f"FILE_NAME_BAND_{key}": file for key, file in files.items()},
        "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
    }
    groups = {
        "PRODUCT_CONTENTS": content,
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": f"LANDSAT_{spacecraft}",
            "WRS_PATH": "47",
            "WRS_ROW": "27",
            "DATE_ACQUIRED": "2020-12-04",
            "SCENE_CENTER_TIME": "19:02:11.1944860Z",
            "SUN_ELEVATION": f"{SUN_ELEVATION}",
        },
    }
    if surface:
        groups["LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"] = _factors("REFLECTANCE", numbers, ("2.75e-05", "-0.2"))
        thermal = [key for key in files if key not in numbers]
        groups["LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"] = _factors("TEMPERATURE", thermal, ("0.00341802", "149.0"))
    # Level-2 products carry the numbers of their Level 1, too, under the same names in another group.
    groups["LEVEL1_RADIOMETRIC_RESCALING"] = _factors("REFLECTANCE", numbers, ("2.0000E-05", "-0.100000"))
    return groups


def _factors(what: str, bands: list[str], values: tuple[str, str]) -> dict[str, str]:
    named = zip(("MULT", "ADD"), values, strict=True)
    return {f"{what}_{kind}_BAND_{band}": value for kind, value in named for band in bands}


def _odl(groups: Mapping[str, Mapping[str, str]]) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, fields in groups.items():
        bare = {
            key: value if value.replace(".", "").lstrip("-").isdigit() else f'"{value}"'
            for key, value in fields.items()
        }
        lines += [f"  GROUP = {group}", *(f"    {key} = {value}" for key, value in bare.items())]
        lines.append(f"  END_GROUP = {group}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def _xml(groups: Mapping[str, Mapping[str, str]]) -> str:
    inner = "".join(
        f"<{group}>{''.join(f'<{key}>{value}</{key}>' for key, value in fields.items())}</{group}>"
        for group, fields in groups.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><LANDSAT_METADATA_FILE>{inner}</LANDSAT_METADATA_FILE>'


_FORMS = {"txt": _odl, "json": lambda groups: json.dumps({"LANDSAT_METADATA_FILE": groups}), "xml": _xml}
