"""Sentinel-2 products in SAFE as ESA lays them out: names, folders, metadata with their real fields, JPEG 2000 bands.

The layout and the fields follow products of the baselines 02.14, 04.00 and 05.09 (Product Specification Document 14).
What a test asks of a product is in `Safe`: what was written, and where.
"""

import math
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from rasterio import Affine

from citygrain.sensors import SENTINEL2

__all__ = ["BAND_IDS", "GRANULE", "Safe", "ground_numbers", "ground_of", "product_xml", "write_safe", "zip_safe"]

BAND_IDS = tuple(band.name for band in SENTINEL2.bands)
NATIVE = {band.name: int(band.resolution_m) for band in SENTINEL2.bands}
TILE, ORIGIN, EPSG = "33UUU", (300_000, 5_900_040), 32633
SENSED, MADE = "20210527T101559", "20210527T134218"
GRANULE = f"T{TILE}_A030969_20210527T101555"
_L2A_FILES = {
    10: ("B02", "B03", "B04", "B08", "AOT", "WVP"),
    20: ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "AOT", "WVP", "SCL"),
    60: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12", "AOT", "WVP", "SCL"),
}
Numbers = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Safe:
    """A product that was written.

    Attributes
    ----------
    path : Path
        The ``.SAFE`` folder, or its zip.
    truth : mapping of str to array
        Reflectance of each band at its own resolution, as the numbers hold it; NaN = no data.
    numbers : mapping of (str, int) to array
        What each file of a band and resolution holds.
    offset : float
        What has to be added to the numbers.
    """

    path: Path
    truth: Mapping[str, npt.NDArray[np.float64]]
    numbers: Mapping[tuple[str, int], Numbers]
    offset: float

    @property
    def granule(self) -> Path:
        return next((self.path / "GRANULE").iterdir())

    def file(self, band: str, resolution: int) -> Path:
        pattern = f"*_{band}_{resolution}m.*" if "MSIL2A" in self.path.name else f"*_{band}.*"
        return next(self.granule.rglob(pattern))

    @property
    def metadata(self) -> Path:
        return next(self.path.glob("MTD_MSIL*.xml"))


def ground_numbers(size: int, *, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    """Reflectance of all 13 bands, each at its own resolution: fields and shadow, with water that is dark in all.

    `size` is the side in metres, a multiple of 60.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for name, side in NATIVE.items():
        cells = size // side
        y, x = np.mgrid[:cells, :cells] * side / size
        fields = 0.05 + 0.3 * (0.5 + 0.5 * np.sin(9 * x + BAND_IDS.index(name)) * np.cos(7 * y))
        water = (x - 0.3) ** 2 + (y - 0.6) ** 2 < 0.04
        value = np.where(water, 0.02, fields) + rng.normal(0, 0.004, fields.shape)
        found[name] = np.clip(value, -0.02, 1.2)
    return found


def ground_of(scene: xr.DataArray) -> dict[str, npt.NDArray[np.float64]]:
    """The bands of a scene of 10 m, each at the resolution that the satellite has; what it lacks is made of blue."""
    side = scene.shape[1] // 6 * 6
    there = {str(name): scene.sel(band=name).values[:side, :side].astype(float) for name in scene.band.values}
    found = {}
    for name, native in NATIVE.items():
        times = native // 10
        cells = there.get(name, there["B02"]).reshape(side // times, times, side // times, times)
        found[name] = cells.mean((1, 3))
    return found


def write_safe(
    folder: Path,
    *,
    level: str = "L2A",
    baseline: str = "05.09",
    size: int = 1200,
    seed: int = 0,
    ground: Mapping[str, npt.NDArray[np.float64]] | None = None,
    offset: float | None = None,
    suffix: str = ".jp2",
    hole: bool = False,
    saturated: bool = False,
) -> Safe:
    """Write a product into `folder`.

    `offset` is what the numbers really have, if not what the baseline says; `hole` leaves a corner without data,
    `saturated` marks a pixel of each band as too bright.
    """
    said = -1000.0 if float(baseline) >= 4 else 0.0
    added = said if offset is None else offset
    name = f"S2A_MSI{level}_{SENSED}_N{baseline.replace('.', '')}_R065_T{TILE}_{MADE}.SAFE"
    root = folder / name
    values = dict(ground or ground_numbers(size, seed=seed))
    size = values["B02"].shape[0] * 10
    numbers = {band: _numbers(value, added, hole, saturated) for band, value in values.items()}
    held = {band: _held(number, added) for band, number in numbers.items()}
    images = _images(level, baseline, numbers, size, hole)
    written = {}
    lines = []
    for (band, resolution), array in images.items():
        place = _image_name(level, band, resolution)
        _write_band(root / f"{place}{suffix}", array, resolution)
        written[band, resolution] = array
        lines.append(place)
    quality = root / "GRANULE" / f"{level}_{GRANULE}" / "QI_DATA"
    if level == "L2A":
        for what in ("CLD", "SNW"):
            for resolution in (20, 60):
                percent = np.full((size // resolution,) * 2, 3 if what == "CLD" else 0, np.uint8)
                _write_band(quality / f"MSK_{what}PRB_{resolution}m{suffix}", percent, resolution)
                written[what, resolution] = percent
    _write_metadata(root, (level, baseline), lines, size, said)
    return Safe(root, held, written, added)


def zip_safe(product: Safe, *, stored: bool = False) -> Safe:
    """The same as a zip beside it, as it is downloaded."""
    path = product.path.with_suffix(".zip")
    how = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", how) as archive:
        for file in sorted(product.path.rglob("*")):
            archive.write(file, file.relative_to(product.path.parent))
    shutil.rmtree(product.path)
    return Safe(path, product.truth, product.numbers, product.offset)


def _numbers(value: npt.NDArray[np.float64], offset: float, hole: bool, saturated: bool) -> Numbers:
    numbers = np.clip(np.rint(value * 10_000 - offset), 1, 65_534).astype(np.uint16)
    if hole:
        corner = max(1, numbers.shape[0] // 5)
        numbers[:corner, :corner] = 0
    if saturated:
        numbers[-1, -1] = 65_535
    return numbers


def _held(numbers: Numbers, offset: float) -> npt.NDArray[np.float64]:
    value = (numbers.astype(np.float64) + offset) / 10_000
    value[(numbers == 0) | (numbers == 65_535)] = np.nan
    return value


def _images(
    level: str, baseline: str, numbers: Mapping[str, Numbers], size: int, hole: bool
) -> dict[tuple[str, int], npt.NDArray[Any]]:
    if level == "L1C":
        return {(band, NATIVE[band]): numbers[band] for band in BAND_IDS}
    found: dict[tuple[str, int], npt.NDArray[Any]] = {}
    for resolution, bands in _L2A_FILES.items():
        # Since baseline 04.00 B01 is there at 20 m, too.
        for band in (*bands, *(["B01"] if resolution == 20 and float(baseline) >= 4 else [])):
            found[band, resolution] = _l2a_image(band, resolution, numbers, size, hole)
    return found


def _l2a_image(band: str, resolution: int, numbers: Mapping[str, Numbers], size: int, hole: bool) -> npt.NDArray[Any]:
    cells = size // resolution
    if band in ("AOT", "WVP"):
        return np.full((cells, cells), 120 if band == "AOT" else 2100, np.uint16)
    if band == "SCL":
        classes = np.where(np.indices((cells, cells)).sum(0) % 7 == 0, 6, 5).astype(np.uint8)
        corner = max(1, cells // 5)
        classes[:corner, :corner] = 0 if hole else 4
        return classes
    array = numbers[band]
    if resolution > NATIVE[band]:
        step = resolution // NATIVE[band]
        return array[step // 2 :: step, step // 2 :: step]  # told apart from a mean
    repeat = NATIVE[band] // resolution
    return array.repeat(repeat, 0).repeat(repeat, 1)


def _image_name(level: str, band: str, resolution: int) -> str:
    granule = f"GRANULE/{level}_{GRANULE}/IMG_DATA"
    if level == "L1C":
        return f"{granule}/T{TILE}_{SENSED}_{band}"
    return f"{granule}/R{resolution}m/T{TILE}_{SENSED}_{band}_{resolution}m"


def _write_band(file: Path, array: npt.NDArray[Any], resolution: int) -> None:
    """Write an image; one that was written before is not encoded again, since many tests make the same product."""
    file.parent.mkdir(parents=True, exist_ok=True)
    what = (array.tobytes(), array.dtype.name, array.shape, resolution, file.suffix)
    if what not in _ENCODED:
        _encode_band(file, array, resolution)
        _ENCODED[what] = file.read_bytes()
    file.write_bytes(_ENCODED[what])


_ENCODED: dict[tuple[Any, ...], bytes] = {}


def _encode_band(file: Path, array: npt.NDArray[Any], resolution: int) -> None:
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    options = lossless if file.suffix == ".jp2" else {"driver": "GTiff", "compress": "deflate"}
    transform = Affine(resolution, 0, ORIGIN[0], 0, -resolution, ORIGIN[1])
    height, width = array.shape
    with rasterio.open(
        file, "w", width=width, height=height, count=1, dtype=array.dtype, crs=f"EPSG:{EPSG}", transform=transform,
        **options,
    ) as target:  # fmt: skip
        target.write(array, 1)


def _write_metadata(root: Path, kind: tuple[str, str], images: list[str], size: int, said: float) -> None:
    level, baseline = kind
    (root / f"MTD_MSI{level}.xml").write_text(product_xml(root.name, level, baseline, images, said), encoding="utf-8")
    granule = root / "GRANULE" / f"{level}_{GRANULE}"
    (granule / "MTD_TL.xml").write_text(_tile_xml(level, baseline, size), encoding="utf-8")
    (root / "INSPIRE.xml").write_text(_INSPIRE.format(name=root.name), encoding="utf-8")
    files = sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    listed = "\n".join(_DATA_OBJECT.format(number=number, file=file) for number, file in enumerate(files))
    (root / "manifest.safe").write_text(_MANIFEST.format(objects=listed), encoding="utf-8")


def product_xml(name: str, level: str, baseline: str, images: list[str], said: float) -> str:
    """The product's metadata, with `said` as the offset of all bands."""
    tag = "RADIO_ADD_OFFSET" if level == "L1C" else "BOA_ADD_OFFSET"
    outer = "Radiometric_Offset_List" if level == "L1C" else "BOA_ADD_OFFSET_VALUES_LIST"
    each = "".join(f'<{tag} band_id="{number}">{said:g}</{tag}>' for number in range(13))
    offsets = f"<{outer}>{each}</{outer}>" if said else ""
    quantification = (
        '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>'
        if level == "L1C"
        else '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
        '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>'
        '<WVP_QUANTIFICATION_VALUE unit="cm">1000.0</WVP_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>'
    )
    spectral = "".join(
        f'<Spectral_Information bandId="{number}" physicalBand="B{band[1:].lstrip("0")}">'
        f"<RESOLUTION>{NATIVE[band]}</RESOLUTION></Spectral_Information>"
        for number, band in enumerate(BAND_IDS)
    )
    listed = "\n".join(f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)
    return _PRODUCT.format(
        level=level[1:], name=name, baseline=baseline, images=listed, quantification=quantification, offsets=offsets,
        spectral=spectral,
    )  # fmt: skip


def _tile_xml(level: str, baseline: str, size: int) -> str:
    sizes = "".join(
        f'<Size resolution="{r}"><NROWS>{math.ceil(size / r)}</NROWS><NCOLS>{math.ceil(size / r)}</NCOLS></Size>'
        f'<Geoposition resolution="{r}"><ULX>{ORIGIN[0]}</ULX><ULY>{ORIGIN[1]}</ULY><XDIM>{r}</XDIM><YDIM>-{r}</YDIM>'
        "</Geoposition>"
        for r in (10, 20, 60)
    )
    return _TILE.format(level=level[1:], long=level, baseline=baseline, sizes=sizes, epsg=EPSG, tile=TILE)


_PRODUCT = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2021-05-27T10:15:59.024Z</PRODUCT_START_TIME>
<PRODUCT_STOP_TIME>2021-05-27T10:15:59.024Z</PRODUCT_STOP_TIME>
<PRODUCT_URI>{name}</PRODUCT_URI>
<PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>
<PRODUCT_TYPE>S2MSI{level}</PRODUCT_TYPE>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<GENERATION_TIME>2021-05-27T13:42:18.000000Z</GENERATION_TIME>
<Datatake datatakeIdentifier="GS2A_20210527T101559_030969_N{baseline}"><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE><SENSING_ORBIT_NUMBER>65</SENSING_ORBIT_NUMBER></Datatake>
<Query_Options completeSingleTile="true"><PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT></Query_Options>
<Product_Organisation><Granule_List><Granule imageFormat="JPEG2000">
{images}
</Granule></Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics>
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>
{quantification}
{offsets}
<Reflectance_Conversion><U>0.97</U></Reflectance_Conversion>
<Spectral_Information_List>{spectral}</Spectral_Information_List>
</Product_Image_Characteristics></n1:General_Info>
</n1:Level-{level}_User_Product>
"""
_TILE = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level}_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{level}_Tile_Metadata.xsd">
<n1:General_Info>
<TILE_ID metadataLevel="Brief">S2A_OPER_MSI_{long}_TL_VGS4_20210527T134218_A030969_T{tile}_N{baseline}</TILE_ID>
<SENSING_TIME metadataLevel="Standard">2021-05-27T10:18:12.431Z</SENSING_TIME>
</n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding metadataLevel="Brief">
<HORIZONTAL_CS_NAME>WGS84 / UTM zone 33N</HORIZONTAL_CS_NAME><HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>
{sizes}
</Tile_Geocoding></n1:Geometric_Info>
</n1:Level-{level}_Tile_ID>
"""
_INSPIRE = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<gmd:MD_Metadata xmlns:gco="http://www.isotc211.org/2005/gco" xmlns:gmd="http://www.isotc211.org/2005/gmd">
<gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation><gmd:title>
<gco:CharacterString>{name}</gco:CharacterString>
</gmd:title></gmd:CI_Citation></gmd:citation></gmd:MD_DataIdentification></gmd:identificationInfo>
</gmd:MD_Metadata>
"""
_MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_l2a_user_product">
<dataObjectSection>
{objects}
</dataObjectSection>
</xfdu:XFDU>
"""
_DATA_OBJECT = """<dataObject ID="Object{number}"><byteStream mimeType="application/octet-stream" size="0">
<fileLocation locatorType="URL" href="./{file}"/></byteStream></dataObject>"""
